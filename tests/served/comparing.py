"""What a server says of a picture, beside what the same model says of it in process."""

from __future__ import annotations

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gpu_ops.endpoint import letters, questions
from gpu_ops.endpoint.enricher import EndpointEnricher, data_url
from gpu_ops.interface import LABELS
from gpu_ops.vlm import categories, prompts
from gpu_ops.vlm.enricher import TransformersEnricher
from tests.support.pictures import picture
from tests.support.vllm import NAME

TOKENS = 64
SIDE = 224
"""Pixels of a picture: whole tokens of 28 and of 32, so neither family scales it once more. vLLM's
processor scales in torch and ours in Pillow, which moves likelihoods by more than rounding does."""
PROMPT = prompts.load()
ORDER = categories.orders(LABELS)[0]


def seen(n: int) -> tuple[str, np.ndarray]:
    """A picture as it is sent, and as the server decodes it."""
    with Image.open(io.BytesIO(picture(n, SIDE, SIDE))) as image:
        url = data_url(np.asarray(image), TOKENS)
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return url, np.asarray(image)


def kinds_agree(engine: EndpointEnricher, in_process: TransformersEnricher) -> None:
    """Without a schema, in all eight orders: the same questions about the same pixels."""
    bare = EndpointEnricher(engine._client, NAME, describe=False, visual_tokens=TOKENS)
    pictures = [seen(n) for n in range(2)]
    theirs = [bare._look(url, False) for url, _ in pictures]
    ours = in_process._answers([pixels for _, pixels in pictures], every=True)
    for served, reference in zip(theirs, ours, strict=True):
        assert not isinstance(reference, MemoryError)
        assert len(served.kinds) == len(reference.letters) == len(LABELS)
        for (_, listed, _), expected in zip(served.kinds, reference.letters, strict=True):
            known = letters.log_likelihoods(listed, len(LABELS))
            names = {letter for letter, _ in listed}
            for letter, said, value in zip("ABCDEFGH", known or [], expected, strict=True):
                if letter in names:
                    assert said == pytest.approx(value, abs=1e-3)
                else:  # the least that was listed
                    assert value <= said + 1e-3
    first, second = (served.scores() for served in theirs)
    assert first != pytest.approx(second, abs=0.01)  # it looked


def json_agrees(engine: EndpointEnricher, model: Path) -> None:
    """Greedy, under the same schema: the same tokens, and the same likelihoods of the letters."""
    url, pixels = seen(3)
    payload = whole(engine, url)
    choice = engine._client.chat(payload)["choices"][0]
    said, likelihoods = written(model, pixels, payload)
    assert letters.content(choice) == said
    listed = letters.log_likelihoods(letters.in_json(choice), len(LABELS))
    assert listed == pytest.approx(likelihoods, abs=1e-3)
    assert math.fsum(map(math.exp, listed or [])) == pytest.approx(1.0, abs=1e-3)
    assert choice["finish_reason"] in ("stop", "length")


def whole(engine: EndpointEnricher, url: str) -> dict[str, Any]:
    """The question that the engine asks about a picture."""
    return questions.whole(NAME, PROMPT, ORDER, url, engine._server.longest)


def written(
    model_folder: Path, pixels: np.ndarray, payload: dict[str, Any]
) -> tuple[str, list[float]]:
    """What transformers and llguidance write, token by token, and the letters' likelihoods."""
    import llguidance
    import llguidance.hf
    import torch
    import transformers

    library: Any = transformers  # it leaves much without types
    processor = library.AutoProcessor.from_pretrained(model_folder)
    model = library.AutoModelForImageTextToText.from_pretrained(model_folder).eval()
    system, user = payload["messages"]
    chat = [
        {"role": "system", "content": [{"type": "text", "text": system["content"]}]},
        {"role": "user", "content": [{"type": "image"}, user["content"][1]]},
    ]
    text = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    asked = processor(text=[text], images=[Image.fromarray(pixels)], return_tensors="pt")
    size = model.config.get_text_config().vocab_size
    schema = payload["response_format"]["json_schema"]["schema"]
    grammar = llguidance.LLMatcher.grammar_from_json_schema(
        json.dumps(schema), defaults={"whitespace_flexible": False}
    )
    tokenizer = llguidance.hf.from_tokenizer(processor.tokenizer, n_vocab=size)
    matcher = llguidance.LLMatcher(tokenizer, grammar)
    tokens: list[int] = []
    likelihoods: list[float] = []

    def constrained(_: Any, logits: Any) -> Any:
        if so_far := len(tokens):
            assert matcher.consume_token(tokens[so_far - 1])
        bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
        allowed = torch.from_numpy(bits[:size].astype(bool))
        masked = logits.masked_fill(~allowed, -math.inf)
        ids = processor.tokenizer.convert_tokens_to_ids(list("ABCDEFGH"))
        if not likelihoods and set(np.flatnonzero(bits[:size])) >= set(ids):
            likelihoods.extend(torch.log_softmax(masked[0], -1)[ids].tolist())
        tokens.append(int(masked[0].argmax()))
        return masked

    with torch.inference_mode():
        model.generate(
            **asked,
            max_new_tokens=payload["max_tokens"],
            do_sample=False,
            logits_processor=[constrained],
        )
    end = processor.tokenizer.eos_token_id
    said = tokens[:-1] if tokens[-1] == end else tokens
    return processor.tokenizer.decode(said), likelihoods
