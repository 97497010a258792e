"""Vision-language models with random weights, built in code and saved like published ones.

Tiny ones load through the production path (`AutoProcessor`, `AutoModelForImageTextToText`) in well
under a second, and answer nonsense: no test may assert what one "sees". `bench/gpu.py` builds large
ones from the same parts: random weights of the right shapes are honest for speed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from gpu_ops.torchvision_cure import cure
from gpu_ops.vlm import prompts

Family = Literal["qwen2_5_vl", "qwen3_vl"]
FAMILIES: tuple[Family, ...] = ("qwen2_5_vl", "qwen3_vl")

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
           "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")  # fmt: skip
PIECE = (
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+"""
)

BRIEF = "brief@1"
"""The published prompt, and an answer of few tokens: random weights write as long as they may."""

# The shape of the published templates, without their tools and videos.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# The vocabulary is the model's; the tokenizer has a few fewer, as with published models.
TINY_TEXT = {
    "vocab_size": 640, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 8192,
}  # fmt: skip
TINY_VISION = {
    "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64,
}  # fmt: skip
TINY: dict[Family, tuple[dict[str, Any], dict[str, Any]]] = {
    "qwen2_5_vl": (
        TINY_TEXT | {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6,
                                         "mrope_section": [2, 3, 3]}},
        TINY_VISION | {"patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1]},
    ),
    "qwen3_vl": (
        TINY_TEXT | {"head_dim": 16,
                     "rope_parameters": {"rope_type": "default", "rope_theta": 5e6,
                                         "mrope_section": [4, 2, 2], "mrope_interleaved": True}},
        TINY_VISION | {"patch_size": 16, "num_position_embeddings": 256,
                       "deepstack_visual_indexes": [0, 1]},
    ),
}  # fmt: skip

# vLLM's attention on a CPU takes heads of 64 values, and none of 16.
WIDER_TEXT = {"hidden_size": 256, "intermediate_size": 256, "initializer_range": 0.07}
WIDER_SECTION: dict[Family, list[int]] = {"qwen2_5_vl": [8, 12, 12], "qwen3_vl": [16, 8, 8]}


def build(family: Family, folder: Path, *, seed: int = 0, served: bool = False) -> Path:
    """Save a tiny model of the family with its processor into `folder`, and return it.

    `served`: of a shape that vLLM can serve without a GPU, and inclined to answer with letters, so
    that their likelihoods are among those that a server lists.
    """
    cure()
    import torch

    text, vision = TINY[family]
    if served:
        rope = text["rope_parameters"] | {"mrope_section": WIDER_SECTION[family]}
        text = text | WIDER_TEXT | {"rope_parameters": rope}
        text |= {"head_dim": 64} if "head_dim" in text else {}
        vision = vision | {"out_hidden_size": text["hidden_size"]}
    tokens = tokenizer(text["vocab_size"])
    torch.manual_seed(seed)
    model = random_model(family, text, vision, tokens).eval()
    if served:
        incline(model, tokens)
    model.save_pretrained(folder)
    processor(family, vision["patch_size"], tokens).save_pretrained(folder)
    return folder


def write_brief_prompt(folder: Path) -> Path:
    """Write the prompt `BRIEF` into a folder of prompts, which is made, and return the folder."""
    published = files(prompts).joinpath("default@1.yaml").read_text()
    brief = published.replace("max_tokens: 192", "max_tokens: 24")
    assert brief != published
    folder.mkdir()
    (folder / f"{BRIEF}.yaml").write_text(brief)
    return folder


def incline(model: Any, tokens: Any, by: float = 32.0) -> None:
    """Add about `by` to the logits of the letters A to H and of a quotation mark, where an answer
    begins. By how much depends on what was read, so pictures differ and strings end."""
    import torch

    asked = tokens.apply_chat_template([{"role": "user", "content": "Which kind?"}],
                                       add_generation_prompt=True, return_tensors="pt",
                                       return_dict=True, chat_template=CHAT_TEMPLATE)  # fmt: skip
    head = model.get_output_embeddings().weight
    with torch.no_grad():
        hidden = model.model(**asked).last_hidden_state[0, -1]
        chosen = [tokens.convert_tokens_to_ids(token) for token in 'ABCDEFGH"']
        head[chosen] += by * hidden / hidden.dot(hidden) + 0.1 * torch.randn_like(head[chosen])


def random_model(
    family: Family, text: Mapping[str, Any], vision: Mapping[str, Any], tokens: Any
) -> Any:
    """A model of these shapes, on torch's default device and of its default type."""
    import transformers

    token = tokens.convert_tokens_to_ids
    parts = {
        "text_config": {
            **text,
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
        },
        "vision_config": dict(vision),
        "image_token_id": token("<|image_pad|>"),
        "video_token_id": token("<|video_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "vision_end_token_id": token("<|vision_end|>"),
    }
    if family == "qwen2_5_vl":
        config: Any = transformers.Qwen2_5_VLConfig(**parts)
        return transformers.Qwen2_5_VLForConditionalGeneration(config)
    config = transformers.Qwen3VLConfig(**parts)
    return transformers.Qwen3VLForConditionalGeneration(config)


def processor(family: Family, patch: int, tokens: Any) -> Any:
    """The family's processor, for patches of that many pixels."""
    import transformers
    from transformers.models.qwen2_vl import Qwen2VLImageProcessor

    area = (2 * patch) ** 2
    images = Qwen2VLImageProcessor(
        patch_size=patch, size={"shortest_edge": 4 * area, "longest_edge": 4096 * area}
    )
    if family == "qwen2_5_vl":
        videos: Any = transformers.Qwen2VLVideoProcessor(patch_size=patch)
        made: Any = transformers.Qwen2_5_VLProcessor
    else:
        videos = transformers.Qwen3VLVideoProcessor(patch_size=patch)
        made = transformers.Qwen3VLProcessor
    return made(images, tokens, videos, chat_template=CHAT_TEMPLATE)


def build_embedder(
    family: Literal["siglip", "clip", "dinov2"], folder: Path, *, seed: int = 0
) -> Path:
    """Save a tiny embedding model with its processor into `folder`, and return it.

    SigLIP and CLIP know words and pictures. DINOv2 knows pictures alone.
    """
    cure()
    import tokenizers
    import torch
    import transformers

    torch.manual_seed(seed)
    library: Any = transformers
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 2}  # fmt: skip
    seeing = {**shape, "image_size": 32, "patch_size": 16}
    if family == "dinov2":
        model = library.Dinov2Model(library.Dinov2Config(**seeing, mlp_ratio=2))
        library.BitImageProcessor(
            size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}
        ).save_pretrained(folder)
    else:
        words = {"[PAD]": 0, "[UNK]": 1, "[EOS]": 2, "a": 3, "dog": 4, "photo": 5, "of": 6}
        cut = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
        cut.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        cut.post_processor = tokenizers.processors.TemplateProcessing(
            single="$A [EOS]", special_tokens=[("[EOS]", 2)]
        )
        library.PreTrainedTokenizerFast(
            tokenizer_object=cut, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]",
            model_input_names=["input_ids"] + ["attention_mask"] * (family == "clip"),
        ).save_pretrained(folder)  # fmt: skip
        reading = {**shape, "vocab_size": len(words), "max_position_embeddings": 16,
                   "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 2}  # fmt: skip
        if family == "siglip":
            model = library.SiglipModel(
                library.SiglipConfig(text_config=reading, vision_config=seeing)
            )
            library.SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
        else:
            model = library.CLIPModel(
                library.CLIPConfig(text_config=reading, vision_config=seeing, projection_dim=24)
            )
            library.CLIPImageProcessor(
                size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
            ).save_pretrained(folder)
    model.eval().save_pretrained(folder)
    return folder


def tokenizer(vocabulary: int, more_words: tuple[str, ...] = ()) -> Any:
    """A byte-level BPE like Qwen's, trained on our own prompts; each ASCII letter is a token.

    `more_words` are in the vocabulary too, though no text is ever cut into them.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    from gpu_ops.vlm import prompts

    prompt = prompts.load()
    names = " ".join(prompt.category.names.values())
    texts = [prompt.system, prompt.category.question, names, prompt.description.question]
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECE), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(SPECIAL) - len(more_words),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    model = json.loads(bpe.to_str())["model"]
    words = dict(model["vocab"])
    for word in more_words:
        words.setdefault(word, len(words))
    return Qwen2Tokenizer(
        vocab=words,
        merges=[tuple(pair) for pair in model["merges"]],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token=None,
        extra_special_tokens=list(SPECIAL),
    )
