"""A network in ONNX's format, as a list of steps and named constants that can be changed.

It knows of the format what is needed to change a network. All else is kept as it was read. It does
not know steps that hold a network of their own (If, Loop): what those take would seem to be unused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float32]

FLOAT32 = 1  # the format's number for it
# Of the format's messages, the fields that are used: name, number, type.
_TENSOR = (("dims", 1, "int64s"), ("data_type", 2, "int32"), ("float_data", 4, "floats"),
           ("name", 8, "string"), ("raw_data", 9, "bytes"))  # fmt: skip
_ATTRIBUTE = (("name", 1, "string"), ("f", 2, "float"), ("i", 3, "int64"), ("t", 5, "Tensor"),
              ("ints", 8, "int64s"), ("type", 20, "int32"))  # fmt: skip
_STEP = (("input", 1, "strings"), ("output", 2, "strings"), ("name", 3, "string"),
         ("op_type", 4, "string"), ("attribute", 5, "Attributes"))  # fmt: skip
_GRAPH = (("node", 1, "Steps"), ("initializer", 5, "Tensors"), ("input", 11, "Inputs"),
          ("output", 12, "Outputs"))  # fmt: skip
_MESSAGES = {
    "Tensor": _TENSOR,
    "Attribute": _ATTRIBUTE,
    "Step": _STEP,
    "Numbers": (("elem_type", 1, "int32"),),
    "Type": (("tensor_type", 1, "Numbers"),),
    "Input": (("name", 1, "string"), ("type", 2, "Type")),
    "Output": (("name", 1, "string"),),
    "Graph": _GRAPH,
    "Model": (("graph", 7, "Graph"),),
}
# How Protocol Buffers number the types of fields.
_TYPES = {"float": 2, "int64": 3, "int32": 5, "string": 9, "bytes": 12}
_MESSAGE = 11
_KINDS = {"float": 1, "int": 2, "ints": 7}  # of attributes


class Graph:
    """Steps in an order in which they can be run. A step has `op_type`, `input` and `output`.

    Raises ValueError for bytes that are no network.
    """

    def __init__(self, data: bytes) -> None:
        from google.protobuf.message import DecodeError

        self._messages = _messages()
        try:
            self._model = self._messages["Model"].FromString(data)
        except DecodeError as error:
            raise ValueError(f"This is no network in ONNX's format: {error}.") from error
        graph = self._model.graph
        self.outputs = {output.name for output in graph.output}
        self.steps: list[Any] = []
        self._constants: dict[str, Any] = {one.name: one for one in graph.initializer}
        for step in graph.node:
            if step.op_type == "Constant" and [one.name for one in step.attribute] == ["value"]:
                self._constants[step.output[0]] = step.attribute[0].t
            else:
                self.steps.append(step)
        self.maker: dict[str, Any] = {}  # what is made -> the step that makes it
        self.takers: dict[str, list[Any]] = {}
        for step in self.steps:
            self._note(step)

    def only_taker(self, name: str) -> Any:
        """The one step that takes it. None: it is an output, or several do."""
        takers = self.takers.get(name, [])
        return takers[0] if len(takers) == 1 and name not in self.outputs else None

    def values(self, name: str) -> Values | None:
        """A constant's values. None: it is none, or not of single precision."""
        import numpy as np

        tensor = self._constants.get(name)
        if tensor is None or tensor.data_type != FLOAT32:
            return None
        if tensor.raw_data:
            return np.frombuffer(tensor.raw_data, dtype="<f4").reshape(tuple(tensor.dims))
        return np.array(tensor.float_data, dtype=np.float32).reshape(tuple(tensor.dims))

    def constant(self, name: str, values: Any) -> str:
        """Add or replace a constant of single precision. Returns its name."""
        import numpy as np

        tensor = self._messages["Tensor"](name=name, dims=values.shape, data_type=FLOAT32)
        tensor.raw_data = np.ascontiguousarray(values, dtype="<f4").tobytes()
        self._constants[name] = tensor
        return name

    def step(self, kind: str, takes: Iterable[str], makes: str, **attributes: Any) -> Any:
        """A new step, not yet among the others."""
        step = self._messages["Step"](op_type=kind, input=takes, output=[makes], name=makes)
        for name, value in attributes.items():
            field = "ints" if isinstance(value, list) else type(value).__name__
            where = {"float": "f", "int": "i", "ints": "ints"}[field]
            step.attribute.add(name=name, type=_KINDS[field], **{where: value})
        return step

    def replace(self, old: Iterable[Any], new: Iterable[Any]) -> None:
        """Put steps where the first of the old ones is, and take those out."""
        old, new = list(old), list(new)
        gone = {id(step) for step in old}
        at = next(i for i, step in enumerate(self.steps) if id(step) in gone)
        after = [step for step in self.steps[at:] if id(step) not in gone]
        self.steps[at:] = [*new, *after]
        for step in old:
            for name in step.output:
                self.maker.pop(name, None)
            for name in step.input:
                self.takers[name] = [one for one in self.takers[name] if one is not step]
        for step in new:
            self._note(step)

    def take(self, step: Any, *names: str) -> None:
        """Let a step take these, and nothing else."""
        for name in step.input:
            self.takers[name] = [one for one in self.takers[name] if one is not step]
        step.input[:] = names
        for name in names:
            self.takers.setdefault(name, []).append(step)

    def make(self, step: Any, after: Any) -> None:
        """Let a step make what the step after it made. That one goes."""
        name = after.output[0]
        self.replace([after], [])
        step.output[0] = name
        self.maker[name] = step

    def _note(self, step: Any) -> None:
        for name in step.output:
            self.maker[name] = step
        for name in step.input:
            self.takers.setdefault(name, []).append(step)

    def cut(self, names: Iterable[str]) -> tuple[bytes, bytes]:
        """Two networks: one that makes these, and one that takes them and makes the outputs.

        All of them are of single precision. This graph is not to be used any more. Raises
        ValueError where a name is not made here, or where the second half needs more than these.
        """
        names = list(names)
        if unknown := [name for name in names if name not in self.maker]:
            raise ValueError(f"This network does not make {', '.join(unknown)}.")
        first = self._needed(names, stop=())
        second = self._needed(self.outputs, stop=names)
        if first & second:
            raise ValueError(f"What follows {', '.join(names)} needs steps before them too.")
        graph, steps = self._model.graph, self.steps
        outputs = [*map(_copy, graph.output)]
        self.steps, self.outputs = [step for step in steps if id(step) in first], set(names)
        del graph.output[:]
        for name in names:
            graph.output.add(name=name)
        before = self.packed()
        self.steps = [step for step in steps if id(step) in second]
        self.outputs = {output.name for output in outputs}
        del graph.output[:], graph.input[:]
        graph.output.extend(outputs)
        for name in names:
            graph.input.add(name=name).type.tensor_type.elem_type = FLOAT32
        return before, self.packed()

    def _needed(self, names: Iterable[str], stop: Iterable[str]) -> set[int]:
        """The steps, by identity, that these names need, up to what is given."""
        given, needed, wanted = set(stop), set[int](), list(names)
        while wanted:
            step = self.maker.get(name := wanted.pop())
            if name not in given and step is not None and id(step) not in needed:
                needed.add(id(step))
                wanted += step.input
        return needed

    def packed(self) -> bytes:
        """The network as bytes, without constants that nobody takes."""
        graph = self._model.graph
        used = {name for step in self.steps for name in step.input} | self.outputs
        kept = {name: tensor for name, tensor in self._constants.items() if name in used}
        for name, tensor in kept.items():
            tensor.name = name
        steps, constants = [*map(_copy, self.steps)], [*map(_copy, kept.values())]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(steps)
        graph.initializer.extend(constants)
        data: bytes = self._model.SerializeToString()
        return data


def ints(step: Any, name: str) -> list[int]:
    """An attribute that is a list of whole numbers; empty where the step has none."""
    return next((list(one.ints) for one in step.attribute if one.name == name), [])


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


@cache
def _messages() -> Mapping[str, Any]:
    """The format's messages by name. Fields that are not told here are kept unread."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="onnx_part", package="part", syntax="proto2")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind in fields:
            several = kind not in _MESSAGES and kind not in _TYPES
            one = kind.removesuffix("s") if several else kind
            field = described.field.add(name=name, number=number, label=3 if several else 1)
            field.type = _TYPES.get(one, _MESSAGE)
            if one in _MESSAGES:
                field.type_name = f".part.{one}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"part.{name}"))
        for name in _MESSAGES
    }
