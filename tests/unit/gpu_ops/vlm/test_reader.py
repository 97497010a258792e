"""One branched pass with a reused prefix says what the library says of each question alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_ops.interface import LABELS
from gpu_ops.vlm import attention, categories, constrained, description, prompts, steps
from gpu_ops.vlm.pictures import Picture, Preparer
from gpu_ops.vlm.reader import Reader
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
    prepare = Preparer(reader.processor.image_processor, 64, reader.dtype, pin=DEVICE == "cuda")
    return [prepare(image) for image in IMAGES]


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

    answers = reader.answer(pictures)
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

    answers = reader.answer(pictures[:2])
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


def test_packed_attention_sees_in_each_picture_what_the_librarys_own_sees(
    reader: Reader, library: Any, pictures: list[Picture]
) -> None:
    import torch

    assert reader.model.base_model.visual.config._attn_implementation == attention.NAME
    assert library.base_model.visual.config._attn_implementation == "sdpa"
    patches = torch.cat([picture.patches for picture in pictures]).to(DEVICE)
    grid = torch.tensor([picture.grid for picture in pictures]).to(DEVICE)
    with torch.inference_mode():
        ours = reader.model.base_model.visual(patches, grid_thw=grid).pooler_output
        theirs = library.base_model.visual(patches, grid_thw=grid).pooler_output
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_batch_says_of_each_picture_what_it_says_of_it_alone(
    reader: Reader, pictures: list[Picture]
) -> None:
    for together, picture in zip(reader.answer(pictures), pictures, strict=True):
        (alone,) = reader.answer([picture])
        assert together.written == alone.written
        for order, same in zip(together.letters, alone.letters, strict=True):
            assert order == pytest.approx(same, abs=1e-5)


def test_random_weights_write_valid_json_when_they_may_write_to_the_end(folder: Path) -> None:
    """Every field of the schema is bounded, and the cap follows from it: no answer is cut off."""
    longer = PROMPT.description.model_copy(update={"max_tokens": None})
    reader = Reader(
        folder, PROMPT.model_copy(update={"description": longer}), describe=True, device=DEVICE
    )
    prepare = Preparer(reader.processor.image_processor, 16, reader.dtype, pin=DEVICE == "cuda")
    answers = reader.answer([prepare(image) for image in IMAGES])
    for answer in answers:
        assert answer.written is not None
        assert description.parse(answer.written) is not None, answer.written


@pytest.mark.parametrize("ends", [[], [40, 9, 30, 40]])
def test_long_answers_go_on_in_longer_memory_as_if_nothing_were(
    folder: Path, reader: Reader, pictures: list[Picture], monkeypatch: pytest.MonkeyPatch,
    ends: list[int],
) -> None:  # fmt: skip
    """Memory for eight tokens of an answer instead of the usual number. Where some rows have ended
    by then, only the others go on."""
    whole = [answer.written for answer in reader.answer(pictures)]
    taken = [0] * len(pictures)
    made: list[int] = []
    take, make = constrained.Rows.take, steps.Steps.__init__

    def ending(self: constrained.Rows, row: int, token: int) -> bool:
        taken[row] += 1
        return take(self, row, token) or (bool(ends) and taken[row] == ends[row])

    monkeypatch.setattr(constrained.Rows, "take", ending)
    monkeypatch.setattr(
        steps.Steps, "__init__", lambda *given: (made.append(given[2]), make(*given))[1]
    )
    monkeypatch.setattr("gpu_ops.vlm.reader.USUAL", 8)
    monkeypatch.setattr(steps, "ROUNDED", 1)
    fresh = Reader(folder, PROMPT, describe=True, device=DEVICE)
    said = [answer.written for answer in fresh.answer(pictures)]
    if not ends:
        assert said == whole
        assert made == [4, 2, 2]
        return
    assert taken == ends
    assert made == [4, 2, 1 if ends.count(9) else 2]
    for short, long in zip(said, whole, strict=True):
        assert short
        assert long
        assert long.startswith(short.rstrip("\ufffd"))


def test_rows_that_end_early_leave_the_others_as_they_were(
    reader: Reader, pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which rows end when is forced here: a finished row is taken out of the batch at once."""
    whole = [answer.written for answer in reader.answer(pictures)]
    ends = [24, 6, 18, 12]
    taken = [0] * len(pictures)
    take = constrained.Rows.take

    def ending(self: constrained.Rows, row: int, token: int) -> bool:
        taken[row] += 1
        return take(self, row, token) or taken[row] == ends[row]

    monkeypatch.setattr(constrained.Rows, "take", ending)
    cut = [answer.written for answer in reader.answer(pictures)]
    assert taken == ends
    for short, long in zip(cut, whole, strict=True):
        assert short
        assert long
        assert long.startswith(short.rstrip("\ufffd"))


def test_the_token_cap_cuts_an_answer_off_where_it_stands(
    folder: Path, reader: Reader, pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    cap = 20
    short = PROMPT.description.model_copy(update={"max_tokens": cap})
    capped = Reader(
        folder, PROMPT.model_copy(update={"description": short}), describe=True, device=DEVICE
    )
    taken: list[int] = []
    take = constrained.Rows.take
    monkeypatch.setattr(
        constrained.Rows, "take", lambda *asked: (taken.append(asked[1]), take(*asked))[1]
    )
    cut = capped.answer(pictures[:1])[0].written
    assert len(taken) == cap - len(capped._opening)
    whole = reader.answer(pictures[:1])[0].written
    assert cut
    assert whole
    assert len(cut) < len(whole)
    assert whole.startswith(cut.rstrip("\ufffd"))  # a character may have been cut in two


def test_without_a_description_nothing_is_written_and_the_letters_are_the_same(
    folder: Path, reader: Reader, pictures: list[Picture]
) -> None:
    brief = Reader(folder, PROMPT, describe=False, device=DEVICE)
    for one, both in zip(brief.answer(pictures), reader.answer(pictures), strict=True):
        assert one.written is None
        for order, same in zip(one.letters, both.letters, strict=True):
            assert order == pytest.approx(same, abs=1e-5)


def test_an_answer_that_overflowed_leaves_nothing_to_the_next_batch(
    reader: Reader, pictures: list[Picture]
) -> None:
    """The memory of keys and values is used again, and 0 times what is not finite is not 0."""
    whole = [answer.written for answer in reader.answer(pictures[:2])]
    spoilt = [replace(picture, patches=picture.patches * float("inf")) for picture in pictures[:2]]
    reader.answer(spoilt)
    assert [answer.written for answer in reader.answer(pictures[:2])] == whole


def test_batches_of_like_shape_share_memory_and_others_replace_it(
    reader: Reader, pictures: list[Picture]
) -> None:
    reader.answer(pictures[:2])
    kept = reader._kept
    reader.answer(pictures[1:3])
    assert reader._kept is kept
    reader.answer(pictures[:1])
    assert reader._kept is not kept
    reader.release()
    assert reader._kept is None
