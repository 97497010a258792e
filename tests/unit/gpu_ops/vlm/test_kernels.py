"""Faster kernels compute what the library's do."""

from __future__ import annotations

from typing import Any

from gpu_ops.torchvision_cure import cure
from gpu_ops.vlm import kernels
from tests.support import tiny_models


def odd_model() -> Any:
    """A tiny Qwen2.5-VL whose vision tower has an inner width of 60, as the published has 3420."""
    cure()
    import torch

    text, vision = tiny_models.TINY["qwen2_5_vl"]
    torch.manual_seed(0)
    tokens = tiny_models.tokenizer(text["vocab_size"])
    return tiny_models.random_model(
        "qwen2_5_vl", text, vision | {"intermediate_size": 60}, tokens
    ).eval()


def seen(model: Any) -> Any:
    import torch

    patches = torch.randn((16, 3 * 2 * 14 * 14), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return model.base_model.visual(patches, grid_thw=torch.tensor([[1, 4, 4]])).pooler_output


def test_widths_are_padded_to_what_matrix_units_like_and_nothing_else_changes() -> None:
    import torch

    model = odd_model()
    before = seen(model)
    layers = len(model.base_model.visual.blocks)
    assert kernels.align(model) == layers
    for block in model.base_model.visual.blocks:
        assert block.mlp.gate_proj.weight.shape[0] == block.mlp.down_proj.weight.shape[1] == 64
    assert torch.allclose(seen(model), before, atol=1e-6)
    assert kernels.align(model) == 0


def test_fused_norms_give_the_librarys_numbers() -> None:
    import torch

    model = odd_model()
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)  # of all ones a forgotten one is unseen
    before = seen(model)
    assert kernels.fuse_norms(model) > 0
    assert torch.allclose(seen(model), before, atol=1e-6)
