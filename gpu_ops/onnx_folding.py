"""Folds steps of a network into its convolutions: the same function in fewer steps.

PaddlePaddle's small networks scale and shift what each convolution makes, bend it, and scale and
shift it again. Its converter to ONNX writes eight steps for that, and ONNX Runtime runs each over
the whole picture. For most of them it also leaves the order of numbers in which convolutions are
quick, and comes back to it. Scales and shifts are constants, so they belong into the weights of the
convolution before or after them.

What a network answers moves in the last digits: products are rounded in another order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpu_ops.onnx_graph import Graph, ints

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Affine = tuple[NDArray[np.float64], NDArray[np.float64]]

VERSION = "folding@1"

CONVOLUTIONS = {"Conv": 0, "ConvTranspose": 1}
"""Which axis of the weights is that of the channels that are made."""


def folded(data: bytes) -> bytes:
    """A network in ONNX's format, as bytes. Raises ValueError where it is none."""
    graph = Graph(data)
    for rule in (_bend, _fold_back, _fold_on, _weigh_once):
        for step in list(graph.steps):
            rule(graph, step)
    return graph.packed()


def _bend(graph: Graph, clip: Any) -> None:
    """`x * clip(x + 3, 0, 6) / 6` is x times its hard sigmoid, which convolutions do on the way."""
    if clip.op_type != "Clip" or [_single(graph, name) for name in clip.input[1:]] != [0.0, 6.0]:
        return
    plus = graph.maker.get(clip.input[0])
    times = graph.only_taker(clip.output[0])
    by = graph.only_taker(times.output[0]) if times is not None else None
    if plus is None or graph.only_taker(plus.output[0]) is None or by is None:
        return
    three, six = _other(graph, plus, "Add"), _other(graph, by, "Div")
    if three is None or six is None or (three[1], six[1]) != (3.0, 6.0):
        return
    if times.op_type != "Mul" or sorted(times.input) != sorted([three[0], clip.output[0]]):
        return
    bent = graph.step("HardSigmoid", [three[0]], clip.output[0], alpha=1 / 6, beta=0.5)
    product = graph.step("Mul", [three[0], clip.output[0]], by.output[0])
    graph.replace([plus, clip, times, by], [bent, product])


def _other(graph: Graph, step: Any, kind: str) -> tuple[str, float] | None:
    """What a step of this kind joins with a single constant, and that."""
    if step.op_type == kind:
        for place in (1,) if kind == "Div" else (0, 1):
            value = _single(graph, step.input[place])
            if value is not None:
                return step.input[1 - place], value
    return None


def _single(graph: Graph, name: str) -> float | None:
    values = graph.values(name)
    return float(values.ravel()[0]) if values is not None and values.size == 1 else None


def _affine(graph: Graph, step: Any) -> Affine | None:
    """By what a step scales and shifts each channel of what it takes first. None: it does not."""
    import numpy as np

    if step.op_type == "BatchNormalization":
        parts = [graph.values(name) for name in step.input[1:5]]
        if any(part is None for part in parts):
            return None
        gain, shift, mean, variance = (np.asarray(part, dtype=np.float64) for part in parts)
        epsilon = next((one.f for one in step.attribute if one.name == "epsilon"), 1e-5)
        scale = gain / np.sqrt(variance + epsilon)
        return scale, shift - mean * scale
    if step.op_type in ("Add", "Mul"):
        for name in step.input:
            values = graph.values(name)
            if values is None or values.size != max((1, *values.shape[-3:-2])):
                continue
            each = values.astype(np.float64).ravel()
            return (each, np.zeros(1)) if step.op_type == "Mul" else (np.ones(1), each)
    return None


def _fold_back(graph: Graph, convolution: Any) -> None:
    """What scales and shifts a convolution's answer goes into its weights."""
    import numpy as np

    axis = CONVOLUTIONS.get(convolution.op_type)
    if axis is None or (axis and _groups(convolution) != 1):
        return
    while (after := graph.only_taker(convolution.output[0])) is not None:
        affine, parts = _affine(graph, after), _weights(graph, convolution)
        if affine is None or parts is None:
            return
        (scale, shift), (weights, bias) = affine, parts
        if {scale.size, shift.size} - {1, bias.size}:
            return
        wide = np.ones(weights.ndim, dtype=int)
        wide[axis] = -1
        changed = weights * scale.reshape(wide), bias * scale + shift
        graph.take(convolution, convolution.input[0], *_named(graph, convolution, *changed))
        graph.make(convolution, after)


def _fold_on(graph: Graph, product: Any) -> None:
    """What scales and shifts a bent answer goes into the convolutions that take it.

    Where one of them surrounds it with zeros, the shift cannot: those zeros are not shifted. Then
    it is one step, a convolution of each point and channel by itself, in the order of the others.
    """
    import numpy as np

    bent = _source(graph, product)
    if bent is None or (scales := graph.only_taker(product.output[0])) is None:
        return
    shifts = graph.only_taker(scales.output[0])
    scale, shift = _other(graph, scales, "Mul"), shifts and _other(graph, shifts, "Add")
    if scale is None or not shift:
        return
    end = shifts.output[0]
    takers = graph.takers.get(end, [])
    convolves = [one for one in takers if one.op_type == "Conv" and one.input[0] == end]
    plain = [one for one in convolves if not any(ints(one, "pads"))]
    parts = [_weights(graph, one) for one in plain]
    if end not in graph.outputs and len(plain) == len(takers) and None not in parts:
        for one, (weights, bias) in zip(plain, filter(None, parts), strict=True):
            more = shift[1] * weights.sum(axis=(1, 2, 3))
            graph.take(one, product.output[0], *_named(graph, one, weights * scale[1], bias + more))
        graph.replace([scales, shifts], [])
        return
    channels = len(_weights(graph, bent)[0])  # type: ignore[index]
    each = graph.step(
        "Conv",
        [product.output[0]],
        end,
        kernel_shape=[1, 1],
        strides=[1, 1],
        dilations=[1, 1],
        pads=[0, 0, 0, 0],
        group=channels,
    )
    gains, shifted = np.full((channels, 1, 1, 1), scale[1]), np.full(channels, shift[1])
    each.input.extend(_named(graph, each, gains, shifted))
    graph.replace([scales, shifts], [each])


def _source(graph: Graph, product: Any) -> Any:
    """The convolution whose answer is bent by this product with its hard sigmoid, or None."""
    if product.op_type != "Mul":
        return None
    for one, other in (product.input, product.input[::-1]):
        bend, source = graph.maker.get(other), graph.maker.get(one)
        bends = bend is not None and bend.op_type == "HardSigmoid" and bend.input[0] == one
        if bends and source is not None and source.op_type == "Conv" and _weights(graph, source):
            return source
    return None


def _weigh_once(graph: Graph, total: Any) -> None:
    """`x + x * g` is `x * (1 + g)`, and g has one number where x has a picture."""
    import numpy as np

    if total.op_type != "Add" or total.output[0] in graph.outputs:
        return
    for one, other in (total.input, total.input[::-1]):
        product = graph.maker.get(other)
        if product is None or product.op_type != "Mul" or one not in product.input:
            continue
        gate = next((name for name in product.input if name != one), one)
        small = graph.maker.get(gate)
        if graph.only_taker(other) is None or small is None or small.op_type != "HardSigmoid":
            continue
        made = total.output[0]
        unit = graph.constant("one", np.ones(1, dtype=np.float32))
        more = graph.step("Add", [gate, unit], f"{made} weight")
        graph.replace([product, total], [more, graph.step("Mul", [one, f"{made} weight"], made)])
        return


def _groups(convolution: Any) -> int:
    return next((int(one.i) for one in convolution.attribute if one.name == "group"), 1)


def _weights(graph: Graph, convolution: Any) -> Affine | None:
    """Weights and bias of a convolution. None: they are no constants."""
    import numpy as np

    values = [graph.values(name) for name in convolution.input[1:3]]
    if not values or any(part is None for part in values):
        return None
    weights, *bias = (np.asarray(part, dtype=np.float64) for part in values)
    made = weights.shape[CONVOLUTIONS[convolution.op_type]]
    return weights, bias[0] if bias else np.zeros(made)


def _named(graph: Graph, convolution: Any, weights: Any, bias: Any) -> tuple[str, str]:
    """New constants, since others may take the old ones. Returns their names."""
    made = convolution.output[0]
    return graph.constant(f"{made} weights", weights), graph.constant(f"{made} bias", bias)
