"""What a real vLLM answers to the engine `openai`, and what becomes of images when it dies.

The model is tiny, random, and inclined to answer with letters. What it says of a picture is
asserted nowhere; that it says the same here and there is. The tests go on one after the other: a
server is asked, killed in the middle of a batch, started again, and asked to end.
"""

from __future__ import annotations

import base64
import io
import json
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gpu_ops import engines
from gpu_ops.endpoint import letters, questions
from gpu_ops.endpoint.client import Client, EndpointUnavailable
from gpu_ops.endpoint.enricher import EndpointEnricher, data_url
from gpu_ops.interface import LABELS, SomeFailed
from gpu_ops.preflight import preflight
from gpu_ops.vlm import categories, checkpoint, prompts
from gpu_ops.vlm.enricher import TransformersEnricher
from gpu_ops.vlm.options import Options
from parjanya_dagster.execution.engines import options_of
from parjanya_dagster.execution.stages.infer import Enrich
from tests.support.pictures import picture
from tests.support.stages import House
from tests.support.vllm import NAME, Vllm
from tests.support.waiting import is_alive, wait_until

TOKENS = 32
PROMPT = prompts.load()
ORDER = categories.orders(LABELS)[0]


def seen(n: int) -> tuple[str, np.ndarray]:
    """A picture as it is sent, and as the server decodes it."""
    with Image.open(io.BytesIO(picture(n, 320, 240))) as image:
        url = data_url(np.asarray(image), TOKENS)
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return url, np.asarray(image)


@pytest.fixture(scope="session")
def engine(vllm: Vllm) -> EndpointEnricher:
    """As the platform builds it, but it does not wait long for a server that is gone."""
    made = engines.enricher("openai", options_of(vllm.settings, "enriched"))
    assert isinstance(made, EndpointEnricher)
    client = made._client
    client.patience = replace(client.patience, attempts=2, first=0.01, rest=0.0)
    return made


@pytest.fixture(scope="session")
def in_process(vllm: Vllm) -> TransformersEnricher:
    options = Options(str(vllm.model), describe=False, visual_tokens=TOKENS, device="cpu")
    return TransformersEnricher(options)


def test_the_preflight_passes_and_names_version_files_and_flags(
    vllm: Vllm, engine: EndpointEnricher
) -> None:
    report = preflight("enricher", "openai", options_of(vllm.settings, "enriched"))
    assert report.ok, report
    files = checkpoint.revision_of(vllm.model)
    facts = engine._server.facts()
    assert facts.server == "vllm 0.32.0"
    assert facts.states.startswith(f"{NAME}@{files}+flags:")
    assert facts.longest == 2048
    assert report.identity["revision"].startswith(f"{files}+sha256:")
    assert facts.states in vllm.said


def test_a_name_or_a_revision_that_is_not_served_is_told(vllm: Vllm) -> None:
    client = Client(vllm.settings.endpoint.url)
    with pytest.raises(ValueError, match=f"does not serve 'gone', but {NAME}, {NAME}@sha256:"):
        EndpointEnricher(client, "gone").check()
    with pytest.raises(ValueError, match="the settings say cc59489"):
        EndpointEnricher(client, NAME, "cc59489").check()
    client.close()


def test_the_kind_is_as_probable_as_in_process(
    engine: EndpointEnricher, in_process: TransformersEnricher
) -> None:
    """Without a schema, in all eight orders: the same questions about the same pixels."""
    bare = EndpointEnricher(engine._client, NAME, describe=False, visual_tokens=TOKENS)
    pictures = [seen(n) for n in range(2)]
    theirs = [bare._look(url, False) for url, _ in pictures]
    ours = in_process._answers([pixels for _, pixels in pictures])
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


def test_the_json_is_what_the_model_writes_in_process(vllm: Vllm, engine: EndpointEnricher) -> None:
    """Greedy, under the same schema: the same tokens, and the same likelihoods of the letters."""
    url, pixels = seen(3)
    payload = questions.whole(NAME, PROMPT, ORDER, url)
    choice = engine._client.chat(payload)["choices"][0]
    said, likelihoods = reference(vllm, pixels, payload)
    assert letters.content(choice) == said
    listed = letters.log_likelihoods(letters.in_json(choice), len(LABELS))
    assert listed == pytest.approx(likelihoods, abs=1e-3)
    assert math.fsum(map(math.exp, listed or [])) == pytest.approx(1.0, abs=1e-3)
    assert choice["finish_reason"] in ("stop", "length")


def reference(vllm: Vllm, pixels: np.ndarray, payload: dict[str, Any]) -> tuple[str, list[float]]:
    """What transformers and llguidance write, token by token, and the letters' likelihoods."""
    import llguidance
    import llguidance.hf
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(vllm.model)
    model = AutoModelForImageTextToText.from_pretrained(vllm.model).eval()
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
    written: list[int] = []
    likelihoods: list[float] = []

    def constrained(_: Any, logits: Any) -> Any:
        if written_so_far := len(written):
            assert matcher.consume_token(written[written_so_far - 1])
        bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
        allowed = torch.from_numpy(bits[:size].astype(bool))
        masked = logits.masked_fill(~allowed, -math.inf)
        ids = processor.tokenizer.convert_tokens_to_ids(list("ABCDEFGH"))
        if not likelihoods and set(np.flatnonzero(bits[:size])) >= set(ids):
            likelihoods.extend(torch.log_softmax(masked[0], -1)[ids].tolist())
        written.append(int(masked[0].argmax()))
        return masked

    with torch.inference_mode():
        model.generate(
            **asked,
            max_new_tokens=payload["max_tokens"],
            do_sample=False,
            logits_processor=[constrained],
        )
    end = processor.tokenizer.eos_token_id
    said = written[:-1] if written[-1] == end else written
    return processor.tokenizer.decode(said), likelihoods


def test_images_of_a_batch_in_whose_midst_the_server_dies_wait_unharmed(
    vllm: Vllm, engine: EndpointEnricher, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        house.drop(f"{n}.jpg", picture(n, 320, 240))
    house.sweep()
    house.validate()
    answered = after(20, engine._client.chat, lambda: [p.kill() for p in vllm.family()])
    with monkeypatch.context() as patch:
        patch.setattr(engine._client, "chat", answered)
        house.infer(Enrich, engine)  # type: ignore[arg-type]
    rows = [house.row(f"{n}.jpg") for n in range(6)]
    waiting = [row for row in rows if row.pipeline_status == "pending_vlm_enrichment"]
    assert 0 < len(waiting) < len(rows)
    assert {row.attempts for row in waiting} == {0}
    assert {row.failure_reason for row in rows if row not in waiting} <= {None}
    assert vllm.wait_for_end() == 1
    assert "The model server ended by signal 9." in vllm.said
    failed = preflight("enricher", "openai", options_of(vllm.settings, "enriched"))
    assert not failed.ok
    assert "did not answer" in failed.problem

    before = engine.identity
    vllm.start()
    house.clock.pass_by(3600)
    house.infer(Enrich, engine)  # type: ignore[arg-type]
    assert {house.row(f"{n}.jpg").pipeline_status for n in range(6)} == {"pending_iqa"}
    assert engine.identity == before  # the same server again


def after(count: int, work: Callable[..., Any], then: Callable[[], object]) -> Callable[..., Any]:
    """`work`, and `then` before the call with that number."""
    lock, calls = threading.Lock(), iter(range(10_000))

    def called(*given: Any) -> Any:
        with lock:
            if next(calls) == count:
                then()
        return work(*given)

    return called


def test_asked_to_end_it_answers_what_it_was_asked_before(
    vllm: Vllm, engine: EndpointEnricher
) -> None:
    url, _ = seen(4)
    payload = questions.whole(NAME, PROMPT, ORDER, url)
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(engine._client.chat(payload)))
    thread.start()
    wait_until(lambda: vllm.running() or answers, "it works on the question", pause=0.01)
    family = vllm.family()
    vllm.ask_to_end()
    thread.join(300)
    assert answers
    assert answers[0]["choices"][0]["finish_reason"] in ("stop", "length")
    assert vllm.wait_for_end() == 0
    assert not any(map(is_alive, family))
    with pytest.raises(SomeFailed) as failed:
        engine.describe([seen(5)[1]])
    assert isinstance(failed.value.errors[0], EndpointUnavailable)
