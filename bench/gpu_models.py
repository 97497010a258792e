"""What is measured: models of published shapes with random weights, and 1-megapixel JPEG files.

Random weights are honest for speed and for nothing else. The tokenizer has about as many words as
a published one, though all but those of our prompts are made up: prompts are about as long, and
what is written is cut into words of ordinary length.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_ops.torchvision_cure import cure
from tests.support.tiny_models import TINY, Family, processor, random_model, tokenizer

#: Qwen2.5-VL-7B and Qwen3-VL-8B, from their published configurations.
LARGE: dict[Family, tuple[dict[str, Any], dict[str, Any]]] = {
    "qwen2_5_vl": (
        {
            "vocab_size": 152064,
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "max_position_embeddings": 128000,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [16, 24, 24],
            },
        },
        {
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 3584,
            "patch_size": 14,
            "window_size": 112,
            "fullatt_block_indexes": [7, 15, 23, 31],
        },
    ),
    "qwen3_vl": (
        {
            "vocab_size": 151936,
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "max_position_embeddings": 262144,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5e6,
                "mrope_section": [24, 20, 20],
                "mrope_interleaved": True,
            },
        },
        {
            "depth": 27,
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_heads": 16,
            "out_hidden_size": 4096,
            "patch_size": 16,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [8, 16, 24],
        },
    ),
}
#: Qwen2.5-VL-3B and Qwen3-VL-4B, likewise. They share the embedding with the head.
MEDIUM: dict[Family, tuple[dict[str, Any], dict[str, Any]]] = {
    "qwen2_5_vl": (
        LARGE["qwen2_5_vl"][0]
        | {
            "vocab_size": 151936,
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
        },
        LARGE["qwen2_5_vl"][1] | {"out_hidden_size": 2048},
    ),
    "qwen3_vl": (
        LARGE["qwen3_vl"][0] | {"hidden_size": 2560, "intermediate_size": 9728},
        LARGE["qwen3_vl"][1]
        | {
            "depth": 24,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "out_hidden_size": 2560,
            "deepstack_visual_indexes": [5, 11, 17],
        },
    ),
}
#: Width and height, each about one megapixel: pictures of a batch are seldom of one shape.
SHAPES = (
    *((1152, 864), (864, 1152), (1344, 756), (1000, 1000)),
    *((1224, 816), (816, 1224), (1440, 720), (752, 1336)),
)
SIZES = {"tiny": TINY, "3b": MEDIUM, "7b": LARGE}


@dataclass(frozen=True)
class Built:
    model: Any
    processor: Any


def build(family: Family, size: str, device: str) -> Built:
    """A model in evaluation mode: float32 on the CPU, bfloat16 elsewhere."""
    cure()
    import torch

    text, vision = SIZES[size][family]
    spare = text["vocab_size"] - 2000
    tokens = tokenizer(text["vocab_size"], made_up(spare) if spare > 0 else ())
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if device == "cpu" else torch.bfloat16)
    try:
        with torch.device(device):
            model = random_model(family, text, vision, tokens).eval()
    finally:
        torch.set_default_dtype(before)
    return Built(model, processor(family, vision["patch_size"], tokens))


def made_up(count: int) -> tuple[str, ...]:
    """Different words of three to nine letters, some begun by a space (the byte-level "Ġ")."""
    draw = random.Random(0)
    words: set[str] = set()
    while len(words) < count:
        letters = "".join(draw.choices("etaoinshrdlucmfwypvbgk", k=draw.randint(3, 9)))
        words.add(draw.choice(("Ġ", "")) + letters)
    return tuple(sorted(words))


def jpegs(folder: Path, count: int) -> list[Path]:
    """Different 1-megapixel JPEGs, of soft shapes and a little noise, in all `SHAPES` in turn."""
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)
    files = []
    for number in range(count):
        width, height = SHAPES[number % len(SHAPES)]
        coarse = draw.integers(0, 256, (height // 96, width // 96, 3), dtype=np.uint8)
        soft = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        grain = draw.normal(0, 6, (height, width, 1))
        pixels = np.clip(np.asarray(soft, np.float32) + grain, 0, 255).astype(np.uint8)
        files.append(folder / f"{number:05}.jpg")
        Image.fromarray(pixels).save(files[-1], quality=90)
    return files
