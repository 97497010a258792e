"""Batches of our questions say what the library says of each question alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_ops.interface import LABELS
from gpu_ops.vlm import categories, description, prompts
from gpu_ops.vlm.pictures import Picture, Preparer
from gpu_ops.vlm.reader import Answer, InDoubt, Reader
from tests.support.pictures import gradient, noise
from tests.unit.gpu_ops.vlm.engines import DEVICE

_PUBLISHED = prompts.load("default@1")
# Random weights write as long as they may, and each token costs a pass.
PROMPT = _PUBLISHED.model_copy(
    update={"description": _PUBLISHED.description.model_copy(update={"max_tokens": 64})}
)
IMAGES = [noise(200, 300), gradient(400, 100), noise(64, 64, 3), noise(300, 300, 5)]


@pytest.fixture(scope="module")
def reader(folder: Path) -> Reader:
    return Reader(folder, PROMPT, describe=True, device=DEVICE)


@pytest.fixture(scope="module")
def library(folder: Path) -> Any:
    """The same model as the library loads it, with nothing of ours in it."""
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(folder).eval().to(DEVICE)


@pytest.fixture(scope="module")
def pictures(reader: Reader) -> list[Picture]:
    prepare = Preparer(reader.processor.image_processor, 64, reader.dtype, beside_gpu=False)
    return [prepare(image) for image in IMAGES]


EVERY: InDoubt = lambda *_: True  # noqa: E731
SURE: InDoubt = lambda *_: False  # noqa: E731


def said(reader: Reader, pictures: list[Picture], in_doubt: InDoubt = SURE) -> list[Answer]:
    return reader.answer(pictures, in_doubt)


def asked_plainly(reader: Reader, picture: Picture, question: str) -> dict[str, Any]:
    """The inputs that the library's own processor makes of one question about a picture."""
    import torch

    messages = [
        {"role": "system", "content": [{"type": "text", "text": PROMPT.system}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]},
    ]
    text = reader.processor.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True
    )
    image_token = reader.processor.image_token
    text = text.replace(image_token, image_token * picture.size)
    tokens = reader.processor.tokenizer(text, add_special_tokens=False, return_tensors="pt")
    ids = tokens["input_ids"]
    inputs = {
        "input_ids": ids,
        "attention_mask": tokens["attention_mask"],
        "mm_token_type_ids": (ids == reader.model.config.image_token_id).int(),
        "pixel_values": picture.patches,
        "image_grid_thw": torch.tensor([picture.grid]),
    }
    return {name: tensor.to(DEVICE) for name, tensor in inputs.items()}


def test_the_letters_are_those_of_a_plain_forward_pass_per_question(
    reader: Reader, library: Any, pictures: list[Picture]
) -> None:
    import torch

    answers = said(reader, pictures, EVERY)
    orders = categories.orders(LABELS, PROMPT.category.orders)
    for picture, answer in zip(pictures, answers, strict=True):
        for order, letters in zip(orders, answer.letters, strict=True):
            inputs = asked_plainly(reader, picture, PROMPT.category_question(order))
            with torch.inference_mode():
                likelihoods = library(**inputs).logits[0, -1].log_softmax(-1)
            plain = likelihoods[reader.questions.letters].tolist()
            assert letters == pytest.approx(plain, abs=1e-5)


def test_what_is_written_is_what_the_library_generates_under_the_same_grammar(
    reader: Reader, library: Any, pictures: list[Picture]
) -> None:
    import torch
    from transformers import LogitsProcessor, LogitsProcessorList

    grammar = reader._grammar
    assert grammar

    class Constrained(LogitsProcessor):
        def __init__(self) -> None:
            self.rows = grammar._matcher()
            self.taken = 0

        def __call__(self, ids: Any, scores: Any) -> Any:
            new = ids[0, start:].tolist()
            self.rows.consume_tokens(new[self.taken :])
            self.taken = len(new)
            bits = np.frombuffer(self.rows.compute_bitmask(), dtype=np.uint8)
            allowed = np.unpackbits(bits, bitorder="little")[: scores.shape[1]].astype(bool)
            return scores.masked_fill(~torch.from_numpy(allowed).to(DEVICE), -torch.inf)

    answers = said(reader, pictures[:2])
    for picture, answer in zip(pictures[:2], answers, strict=True):
        inputs = asked_plainly(reader, picture, PROMPT.description.question)
        start = inputs["input_ids"].shape[1]
        generated = library.generate(
            **inputs,
            max_new_tokens=PROMPT.description.max_tokens,
            do_sample=False,
            logits_processor=LogitsProcessorList([Constrained()]),
        )
        text = reader.processor.tokenizer.decode(generated[0, start:], skip_special_tokens=True)
        assert answer.written == text


def test_a_batch_says_of_each_picture_what_it_says_of_it_alone(
    reader: Reader, pictures: list[Picture]
) -> None:
    for together, picture in zip(said(reader, pictures), pictures, strict=True):
        (alone,) = said(reader, [picture])
        assert together.written == alone.written
        for order, same in zip(together.letters, alone.letters, strict=True):
            assert order == pytest.approx(same, abs=1e-5)


def test_random_weights_write_valid_json_when_they_may_write_to_the_end(folder: Path) -> None:
    """Every field of the schema is bounded, and the cap follows from it: no answer is cut off."""
    longer = PROMPT.description.model_copy(update={"max_tokens": None})
    reader = Reader(
        folder, PROMPT.model_copy(update={"description": longer}), describe=True, device=DEVICE
    )
    prepare = Preparer(reader.processor.image_processor, 16, reader.dtype, beside_gpu=False)
    answers = said(reader, [prepare(image) for image in IMAGES])
    for answer in answers:
        assert answer.written is not None
        assert description.parse(answer.written) is not None, answer.written


def test_the_token_cap_cuts_an_answer_off_where_it_stands(
    reader: Reader, pictures: list[Picture]
) -> None:
    short = PROMPT.description.model_copy(update={"max_tokens": 20})
    capped = reader.asking(PROMPT.model_copy(update={"description": short}), describe=True)
    cut = said(capped, pictures[:1])[0].written
    whole = said(reader, pictures[:1])[0].written
    assert cut
    assert whole
    assert len(cut) < len(whole)
    assert whole.startswith(cut.rstrip("\ufffd"))  # a character may have been cut in two


def test_other_orders_are_asked_about_the_pictures_in_doubt_alone(
    reader: Reader, pictures: list[Picture]
) -> None:
    brief = reader.asking(PROMPT, describe=False)
    every = said(brief, pictures, EVERY)
    some = said(brief, pictures, lambda picture, _: picture is pictures[2])
    assert [len(answer.letters) for answer in every] == [len(LABELS)] * len(pictures)
    assert [len(answer.letters) for answer in some] == [1, 1, len(LABELS), 1]
    for one, other in zip(some, every, strict=True):
        for order, same in zip(one.letters, other.letters, strict=False):
            assert order == pytest.approx(same, abs=1e-5)


def test_what_the_checkpoint_says_of_sampling_changes_nothing(
    folder: Path, reader: Reader, pictures: list[Picture], tmp_path: Path
) -> None:
    import transformers

    library: Any = transformers
    other = Path(shutil.copytree(folder, tmp_path / "model"))
    library.GenerationConfig(
        do_sample=True, temperature=9.0, repetition_penalty=5.0
    ).save_pretrained(other)
    talkative = Reader(other, PROMPT, describe=True, device=DEVICE)
    assert talkative.model.generation_config.repetition_penalty == 5.0
    (expected,), (answer,) = (said(one, pictures[:1]) for one in (reader, talkative))
    assert answer.written == expected.written


def test_without_a_description_nothing_is_written_and_the_letters_are_the_same(
    folder: Path, reader: Reader, pictures: list[Picture]
) -> None:
    brief = Reader(folder, PROMPT, describe=False, device=DEVICE)
    for one, both in zip(said(brief, pictures), said(reader, pictures), strict=True):
        assert one.written is None
        for order, same in zip(one.letters, both.letters, strict=True):
            assert order == pytest.approx(same, abs=1e-5)


def test_an_answer_that_overflowed_leaves_nothing_to_the_next_batch(
    reader: Reader, pictures: list[Picture]
) -> None:
    whole = [answer.written for answer in said(reader, pictures[:2])]
    spoilt = [replace(picture, patches=picture.patches * float("inf")) for picture in pictures[:2]]
    said(reader, spoilt)
    assert [answer.written for answer in said(reader, pictures[:2])] == whole
