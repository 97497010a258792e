"""Tiny vision-language models with random weights, built in code and saved like published ones.

They load through the production path (`AutoProcessor`, `AutoModelForImageTextToText`) in well under
a second, and answer nonsense: no test may assert what one "sees".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from gpu_ops.torchvision_cure import cure

Family = Literal["qwen2_5_vl", "qwen3_vl"]
FAMILIES: tuple[Family, ...] = ("qwen2_5_vl", "qwen3_vl")

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
           "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")  # fmt: skip
VOCABULARY = 640  # of the model; the tokenizer has a few fewer, as with published models
PIECE = (
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+"""
)

# The shape of the published templates, without their tools and videos.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build(family: Family, folder: Path, *, seed: int = 0) -> Path:
    """Save a tiny model of the family with its processor into `folder`, and return it."""
    cure()
    import torch
    import transformers
    from transformers.models.qwen2_vl import Qwen2VLImageProcessor

    tokenizer = _tokenizer()
    token = tokenizer.convert_tokens_to_ids
    ids = {
        "image_token_id": token("<|image_pad|>"),
        "video_token_id": token("<|video_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "vision_end_token_id": token("<|vision_end|>"),
    }
    text: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "bos_token_id": None,
        "eos_token_id": token("<|im_end|>"),
        "pad_token_id": token("<|endoftext|>"),
    }
    torch.manual_seed(seed)
    if family == "qwen2_5_vl":
        patch = 14
        text["rope_parameters"] = {
            "rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3],
        }  # fmt: skip
        vision: dict[str, Any] = {
            "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
            "out_hidden_size": 64, "patch_size": patch, "window_size": 56,
            "fullatt_block_indexes": [1],
        }  # fmt: skip
        config: Any = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)
        model: Any = transformers.Qwen2_5_VLForConditionalGeneration(config)
    else:
        patch = 16
        text["head_dim"] = 16
        text["rope_parameters"] = {
            "rope_type": "default", "rope_theta": 5e6, "mrope_section": [4, 2, 2],
            "mrope_interleaved": True,
        }  # fmt: skip
        vision = {
            "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
            "out_hidden_size": 64, "patch_size": patch, "num_position_embeddings": 256,
            "deepstack_visual_indexes": [0, 1],
        }  # fmt: skip
        config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, **ids)
        model = transformers.Qwen3VLForConditionalGeneration(config)
    model.eval().save_pretrained(folder)
    images = Qwen2VLImageProcessor(
        patch_size=patch,
        size={"shortest_edge": 4 * (2 * patch) ** 2, "longest_edge": 4096 * (2 * patch) ** 2},
    )
    if family == "qwen2_5_vl":
        videos: Any = transformers.Qwen2VLVideoProcessor(patch_size=patch)
        processor: Any = transformers.Qwen2_5_VLProcessor(
            images, tokenizer, videos, chat_template=CHAT_TEMPLATE
        )
    else:
        videos = transformers.Qwen3VLVideoProcessor(patch_size=patch)
        processor = transformers.Qwen3VLProcessor(
            images, tokenizer, videos, chat_template=CHAT_TEMPLATE
        )
    processor.save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    """A byte-level BPE like Qwen's, trained on our own prompts; each ASCII letter is a token."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    from gpu_ops.vlm import prompts

    prompt = prompts.load()
    texts = [prompt.system, prompt.category.question, prompt.description.question]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECE), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token=None,
        extra_special_tokens=list(SPECIAL),
    )
