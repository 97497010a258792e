"""What a real vLLM answers to the engine `openai`, and what becomes of images when it dies.

The model is tiny, random, and inclined to answer with letters. What it says of a picture is
asserted nowhere; that it says the same here and there is. The tests go on one after the other: a
server is asked, killed in the middle of a batch, started again, and asked to end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from gpu_ops.endpoint.client import Client, EndpointUnavailable
from gpu_ops.endpoint.enricher import EndpointEnricher
from gpu_ops.interface import SomeFailed
from gpu_ops.preflight import preflight
from gpu_ops.vlm import checkpoint
from gpu_ops.vlm.enricher import TransformersEnricher
from parjanya_dagster.execution.engines import options_of
from parjanya_dagster.execution.stages.infer import Enrich
from tests.served.comparing import json_agrees, kinds_agree, seen, whole
from tests.support.pictures import picture
from tests.support.stages import House
from tests.support.vllm import NAME, Vllm
from tests.support.waiting import is_alive, wait_until


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
    kinds_agree(engine, in_process)


def test_the_json_is_what_the_model_writes_in_process(vllm: Vllm, engine: EndpointEnricher) -> None:
    json_agrees(engine, vllm.model)


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
    payload = whole(engine, url)
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
