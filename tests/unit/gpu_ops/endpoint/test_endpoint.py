"""The engine `openai` against a server that is slow, wrong, rate-limiting, dying, or well.

The server is a stub (`tests.support.endpoint_stub`): no vLLM or SGLang runs here. Waits are
recorded, never waited for.
"""

from __future__ import annotations

import base64
import io
import json
import math
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gpu_ops import LABELS, engines
from gpu_ops.__main__ import main
from gpu_ops.endpoint import enricher as endpoint
from gpu_ops.endpoint import letters, questions
from gpu_ops.endpoint.client import (
    Client,
    EndpointMisconfigured,
    EndpointUnavailable,
    GracePeriods,
    RequestRefused,
)
from gpu_ops.endpoint.enricher import EndpointEnricher
from gpu_ops.endpoint.options import Options
from gpu_ops.endpoint.served import statement
from gpu_ops.interface import InvalidImage, Prepares, SomeFailed
from gpu_ops.vlm import categories, description, prompts
from parjanya_dagster.policy import builtin, evaluate
from tests.support.endpoint_stub import (
    DESCRIPTION,
    MODEL,
    Behaviour,
    Reply,
    Stub,
    answered,
    close_clients,
    completion,
    mean,
)
from tests.support.serving_rules import Server

ORDERS = prompts.load().category.orders
NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


LABELS_SORTED = sorted(LABELS)


def grey(level: int) -> np.ndarray:
    """A picture of one colour: the stub's favourite label follows from it."""
    return np.full((48, 64, 3), level, np.uint8)


PHOTO, BANNER = grey(8), grey(80)  # the first label, and the third
SURE = {"A": -0.01, "B": -6.0, "C": -8.0}


class World:
    """A stub, a client with a clock of its own, and the engine over both."""

    def __init__(self, stub: Stub, **patience: Any) -> None:
        self.stub, self.waited, self.time = stub, [], 0.0  # type: ignore[var-annotated]
        self.client = Client(
            stub.url,
            key="secret",
            connections=4,
            patience=GracePeriods(**{"timeout": 60.0, **patience}),
            clock=lambda: self.time,
            now=lambda: NOON,
            pause=self._pause,
            rng=random.Random(7),
        )
        self.engine = EndpointEnricher(self.client, MODEL, "v1")

    def _pause(self, seconds: float) -> None:
        self.waited.append(seconds)

    def describe(self, *images: np.ndarray) -> list[dict[str, Any]]:
        return self.engine.describe(images)


@pytest.fixture
def worlds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    opened: list[World] = []

    def make(
        behave: Behaviour = lambda _, __: None,
        logprobs: bool = True,
        server: Server = "vllm",
        **patience: Any,
    ) -> Any:
        opened.append(World(Stub(behave, logprobs, server).__enter__(), **patience))
        return opened[-1]

    yield make
    for world in opened:
        world.stub.stop()
        world.engine.close()
    close_clients()


# --- a server that is well ---


def test_each_picture_gets_its_kind_and_words_in_order(worlds: Any) -> None:
    world = worlds()
    photo, banner = world.describe(PHOTO, BANNER)
    assert (photo["category"], banner["category"]) == (LABELS[0], LABELS[2])
    for body, orders in ((photo, ORDERS), (banner, 1)):  # one was in doubt
        assert sum(body["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)
        assert body["caption"] == DESCRIPTION["caption"]
        assert (body["engine"], body["prompt"]) == ("openai", prompts.DEFAULT)
        assert body["served"] == {
            "model": MODEL, "fingerprint": "fp", "finish_reason": "stop", "orders": orders
        }  # fmt: skip
        json.dumps(body, allow_nan=False)


@pytest.mark.parametrize("server", ["vllm", "sglang"])
def test_both_servers_take_every_question_and_are_named(worlds: Any, server: Server) -> None:
    world = worlds(server=server)
    world.engine.check()
    (body,) = world.describe(PHOTO)
    assert body["category"] == LABELS[0]
    assert body["served"]["orders"] == ORDERS
    assert sum(body["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)
    assert world.engine._server.facts().server == f"{server} {world.stub.version}"


def test_the_bias_for_a_letter_cancels(worlds: Any) -> None:
    (body,) = worlds().describe(PHOTO)
    others = [p for label, p in body["probabilities"].items() if label != LABELS[0]]
    assert others == pytest.approx([others[0]] * 7)
    assert body["confidence"] / others[0] == pytest.approx(math.exp(3.0), rel=1e-4)


def test_a_sure_answer_costs_one_request(worlds: Any) -> None:
    world = worlds(lambda *_: answered("A", SURE))
    (body,) = world.describe(BANNER)
    (asked,) = world.stub.asked
    schema = asked["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["category", *description.json_schema()["properties"]]
    assert schema["required"] == list(schema["properties"])
    assert schema["properties"]["category"]["enum"] == list("ABCDEFGH")
    assert asked["max_tokens"] == world.stub.longest // 2  # of what it reads and writes together
    assert (body["category"], body["served"]["orders"]) == (LABELS_SORTED[0], 1)
    assert body["confidence"] > 0.9
    assert body["answer_mass"] is None  # under a schema nobody can know
    assert body["caption"] == DESCRIPTION["caption"]
    assert "description_raw" not in body


def test_the_longest_answer_in_any_script_is_not_cut_off(worlds: Any) -> None:
    world = worlds(lambda *_: answered("A", SURE))
    world.stub.longest = 32_768
    world.describe(BANNER)
    (asked,) = world.stub.asked
    assert asked["max_tokens"] == prompts.load().description.cap + questions.AROUND_LETTER


def test_where_it_is_in_doubt_the_kind_is_asked_for_in_the_other_orders(worlds: Any) -> None:
    world = worlds()
    (body,) = world.describe(PHOTO)
    first, *others = world.stub.asked
    assert "response_format" in first
    assert len(others) == ORDERS - 1
    assert all(a["max_tokens"] == 1 and "response_format" not in a for a in others)
    assert len({str(a["messages"]) for a in world.stub.asked}) == ORDERS
    assert all(a["logprobs"] and a["temperature"] == 0 for a in world.stub.asked)
    assert body["answer_mass"] is not None


def test_some_sure_answers_are_looked_at_again_to_see_what_the_order_does(worlds: Any) -> None:
    world = worlds(lambda _, asked: answered("A", SURE) if "response_format" in asked else None)
    bodies = world.describe(*[grey(level) for level in range(0, 256, 2)])
    orders = [body["served"]["orders"] for body in bodies]
    assert set(orders) == {1, ORDERS}
    assert orders.count(ORDERS) < len(orders) / 8
    again = world.describe(*[grey(level) for level in range(0, 256, 2)])
    assert [body["served"]["orders"] for body in again] == orders  # always the same ones


OWN = """
system: You sort pictures of goods.
category:
  question: "Which kind? {options}."
  names: {shoe: a shoe, bag: a bag, neither: neither of them}
  orders: 3
description: {question: Describe it as JSON., max_tokens: 100}
"""


def test_kinds_of_the_operators_own_are_asked_for(worlds: Any, tmp_path: Path) -> None:
    (tmp_path / "goods@1.yaml").write_text(OWN)
    world = worlds(lambda *_: answered("B", {"A": -5.0, "B": -0.01, "C": -6.0}))
    engine = EndpointEnricher(world.client, MODEL, "v1", folder=str(tmp_path)).asking("goods@1")
    (body,) = engine.describe([BANNER])
    (asked,) = world.stub.asked
    schema = asked["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["category"]["enum"] == ["A", "B", "C"]
    assert asked["messages"][0]["content"] == "You sort pictures of goods."
    second = categories.orders(engine.labels)[0][1]  # what B stood for
    assert (body["category"], body["prompt"]) == (second, "goods@1")
    assert list(body["probabilities"]) == ["shoe", "bag", "neither"]
    assert body["distinguishes"] == [["shoe"], ["bag"], ["neither"]]


def test_the_kind_alone_can_be_asked_for(worlds: Any) -> None:
    world = worlds()
    engine = EndpointEnricher(world.client, MODEL, "v1", describe=False)
    (body,) = engine.describe([BANNER])
    assert (body["category"], body["caption"]) == (LABELS[2], None)
    assert "description_raw" not in body
    (asked,) = world.stub.asked  # one token, and sure at once
    assert asked["max_tokens"] == 1
    assert body["answer_mass"] is not None
    assert engine.identity.revision != world.engine.identity.revision


def test_options_choose_the_engine_and_hide_the_key(worlds: Any) -> None:
    options = Options(worlds().stub.url, MODEL, key="secret", connections=2)
    engine = engines.enricher("openai", options)
    assert engine is engines.enricher("openai", options)
    assert engine.describe([PHOTO])[0]["category"] == LABELS[0]
    assert "secret" not in repr(options)
    with pytest.raises(ValueError, match="which server, which model"):
        engines.enricher("openai")
    for wrong in ({"url": "host:8000"}, {"model": ""}, {"connections": 0}, {"timeout": 0.0}):
        with pytest.raises(ValueError):
            Options(**{"url": "http://h/v1", "model": "m", **wrong})  # type: ignore[arg-type]


def test_the_picture_travels_almost_unchanged(worlds: Any) -> None:
    world = worlds()
    world.describe(grey(137))
    assert all(abs(mean(asked) - 137) < 1 for asked in world.stub.asked)


def test_it_can_be_tried_without_the_platform(
    worlds: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    stub = worlds().stub
    Image.fromarray(BANNER).save(tmp_path / "banner.png")
    file = str(tmp_path / "banner.png")
    server = ["--endpoint", stub.url, "--model", MODEL]
    assert main(["describe", "--engine", "openai", *server, "--category-only", file]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["enriched"]["category"], said["enriched"]["engine"]) == (LABELS[2], "openai")
    assert stub.headers[0]["authorization"] == "Bearer secret"
    assert main(["describe", "--engine", "openai", "--model", MODEL, file]) == 2
    assert "needs the URL of a server" in capsys.readouterr().err
    assert main(["describe", "--scorer", "pyiqa", "--weights", str(tmp_path), file]) == 2
    assert "SHA256SUMS" in capsys.readouterr().err


def test_pictures_may_be_prepared_ahead(worlds: Any) -> None:
    engine = worlds().engine
    assert isinstance(engine, Prepares)
    assert engine.describe([engine.prepare(BANNER)]) == engine.describe([BANNER])
    with pytest.raises(InvalidImage):
        engine.prepare(PHOTO[0])


def test_no_more_is_asked_at_once_than_connections_allow_and_no_less(worlds: Any) -> None:
    together = threading.Barrier(4)

    def wait_for_four(number: int, _: dict[str, Any]) -> None:
        if number < 4:
            together.wait(timeout=600)  # fewer at once would break the barrier

    world = worlds(wait_for_four)
    assert len(world.describe(*[PHOTO] * 6)) == 6
    assert world.stub.most_at_once == 4


def test_the_key_is_sent_and_told_to_nobody(worlds: Any) -> None:
    world = worlds(lambda *_: Reply({"error": "no such key"}, 401))
    with pytest.raises(SomeFailed) as failed:
        world.describe(PHOTO)
    assert world.stub.headers[0]["authorization"] == "Bearer secret"
    assert "secret" not in f"{failed.value} {world.engine.identity}"


def test_the_identity_follows_what_can_change_the_answer(worlds: Any) -> None:
    world = worlds()
    mine = world.engine.identity
    assert (mine.engine, mine.model, mine.determinism) == ("openai", MODEL, "numerical")
    assert mine.prompt == prompts.load().identity
    other = EndpointEnricher(world.client, MODEL, "v2")
    assert other.identity.revision != mine.revision
    assert EndpointEnricher(world.client, MODEL, "v1").identity == mine
    assert world.engine.asking(prompts.DEFAULT) is world.engine
    with pytest.raises(ValueError, match="no prompt 'other@1'"):
        world.engine.asking("other@1")


def test_the_server_is_part_of_the_identity_and_asked_again_after_a_loss(worlds: Any) -> None:
    world = worlds()
    before = world.engine.identity
    world.stub.version = "0.33.0"
    assert world.engine.identity == before  # nothing says that it is another
    world.client.losses += 1
    after = world.engine.identity
    assert after != before
    assert world.engine.asking(prompts.DEFAULT).identity == after
    world.stub.stop()
    world.client.losses += 1
    assert world.engine.identity == after  # what it said last
    with pytest.raises(EndpointUnavailable):
        world.engine.check()
    assert world.engine.identity == after


def test_a_connection_that_breaks_is_a_loss(worlds: Any) -> None:
    world = worlds(lambda n, _: Reply(drop=True) if n == 0 else None)
    world.client.chat(_asks())
    assert world.client.losses == 1


def test_what_the_server_states_is_the_revision_and_must_not_be_contradicted(worlds: Any) -> None:
    world = worlds()
    unstated = EndpointEnricher(world.client, MODEL)
    assert unstated.identity.revision.startswith("unstated+")
    stated = statement(MODEL, "sha256:" + "ab" * 32, "0123456789ab")
    world.stub.names = [MODEL, stated]
    unstated.check()
    assert unstated.identity.revision.startswith(f"sha256:{'ab' * 32}+sha256:")
    assert unstated.calibrated_for()["model"] == f"{MODEL}@sha256:{'ab' * 32}"
    with pytest.raises(ValueError, match=r"states .*abab.* the settings say v1"):
        world.engine.check()
    EndpointEnricher(world.client, MODEL, "abab").check()


@pytest.mark.parametrize(
    ("width", "height", "tokens"), [(1024, 768, 400), (1024, 11, 400), (300, 300, 16), (9, 900, 64)]
)
def test_a_picture_is_shrunk_to_whole_tokens(width: int, height: int, tokens: int) -> None:
    wide, high = endpoint.shrunk(width, height, tokens)
    side = endpoint.TOKEN_SIDE
    if (wide, high) != (width, height):
        assert wide % side == high % side == 0
    assert math.ceil(wide / side) * math.ceil(high / side) <= tokens
    assert endpoint.shrunk(wide, high, tokens) == (wide, high)


def test_a_small_picture_is_sent_as_it_is_and_a_line_is_widened(worlds: Any) -> None:
    assert endpoint.shrunk(600, 450, 400) == (600, 450)
    world = worlds(lambda *_: answered("A", SURE))
    world.describe(np.full((2, 1000, 3), 90, np.uint8))
    url = world.stub.asked[0]["messages"][1]["content"][0]["image_url"]["url"]
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as sent:
        assert sent.size == (1000, 10)


def test_to_calibrate_every_order_is_asked_and_a_sure_answer_counts_alone(worlds: Any) -> None:
    """What a fit sees is what the engine will see: the first order alone where it is sure."""
    sure = worlds(lambda n, _: answered("A", SURE) if n == 0 else None)
    (answers,) = sure.engine.by_order([PHOTO])
    assert len(answers) == len(sure.stub.asked) == ORDERS
    assert sure.engine.pooled(answers) == categories.scores(answers[:1])
    doubtful = worlds()
    (answers,) = doubtful.engine.by_order([PHOTO])
    assert doubtful.engine.pooled(answers) == categories.scores(answers)


def test_a_model_that_is_not_served_is_named(worlds: Any) -> None:
    world = worlds()
    world.engine.check()
    with pytest.raises(ValueError, match="does not serve 'gone', but stub-vl"):
        EndpointEnricher(world.client, "gone").check()


# --- a server that answers less than was asked ---


def test_without_likelihoods_the_letters_are_counted_and_stay_doubtful(worlds: Any) -> None:
    world = worlds(logprobs=False)
    (body,) = world.describe(PHOTO)
    assert body["calibration"] == "votes"
    assert sum(body["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)
    # Even if all eight orders agree, no rule that rejects at 0.9 and no floor of 0.6 is reached.
    agreed = letters.shares(["photo"] * ORDERS, LABELS)
    assert agreed["photo"] == max(agreed.values()) < 0.6


def test_a_letter_that_is_not_listed_is_as_unlikely_as_the_last_one_listed() -> None:
    top = {"A": -0.1, " B": -3.0, "The": -5.0}
    choice = completion("A", top).body["choices"][0]
    assert _read(choice, 4) == pytest.approx([-0.1, -3.0, -5.0, -5.0])
    both = completion("A", {"A": math.log(0.3), " A": math.log(0.2)}).body["choices"][0]
    assert _read(both, 1) == pytest.approx([math.log(0.5)])
    nothing = completion("A", {"A": -math.inf}).body["choices"][0]
    assert _read(nothing, 1) is None


def _read(choice: dict[str, Any], count: int) -> list[float] | None:
    return letters.log_likelihoods(letters.alone(choice), count)


@pytest.mark.parametrize(
    "tokens",
    [
        ['{"', "category", '":', ' "', "B", '",'],
        ['{"category":"', 'B",'],
        ["{", ' "category" ', ": ", '"B', '", "caption'],
        ['```json\n{"', "category", '": "', 'B"', "}"],
        ['<think>{"category": "A"}</think>', '{"category": "', "B", '"'],
    ],
    ids=["plain", "with what follows", "with its quotation mark", "fenced", "thought first"],
)
def test_the_letter_is_found_wherever_tokens_end(tokens: list[str]) -> None:
    others = [
        {"token": token.replace("B", letter), "logprob": math.log(chance)}
        for token in tokens if "B" in token
        for letter, chance in (("B", 0.5), ("A", 0.25), ("H", 0.125))
    ]  # fmt: skip
    also = {"token": "Both", "logprob": -1.0}
    content = [
        {"token": t, "logprob": 0.0, "top_logprobs": [*others, also] if "B" in t else []}
        for t in tokens
    ]
    choice = {"message": {"content": "".join(tokens)}, "logprobs": {"content": content}}
    read = letters.log_likelihoods(letters.in_json(choice), 2)
    assert read == pytest.approx([math.log(0.25), math.log(0.5)])


def test_what_a_schema_forbids_is_no_floor_for_what_is_not_listed() -> None:
    choice = answered("A", {"A": -0.1, "B": -3.0}).body["choices"][0]
    a, b, c = letters.log_likelihoods(letters.in_json(choice), 3) or []
    assert a > b == c > -10.0


THINKS = {"<think>": math.log(0.999), "A": math.log(0.0004), "B": math.log(0.0002)}


@pytest.mark.parametrize(
    ("said", "likelihoods", "mass"),
    [("<think>", THINKS, 0.0006), ("I", {"I": -0.01, "Sorry": -5.0}, 0.0), ("Both", None, 0.0)],
    ids=["thinks", "refuses", "no letter"],
)
def test_a_model_that_answers_something_else_makes_the_category_unknown(
    worlds: Any, said: str, likelihoods: dict[str, float] | None, mass: float
) -> None:
    world = worlds(lambda *_: completion(said, likelihoods))
    (body,) = world.describe(PHOTO)
    assert (body["category"], body["confidence"], body["answer_mass"]) == (None, None, mass)
    assert set(body["probabilities"].values()) == {None}
    decision = evaluate(builtin()["default@1"], {"enriched": body, "scored": {}, "validated": {}})
    assert decision.verdict == "review"


@pytest.mark.parametrize("said", [None, "", "Both", "Z", "AB"])
def test_an_answer_that_is_no_letter_votes_for_nothing(said: str | None) -> None:
    assert letters.letter(completion(said).body["choices"][0], 8) is None
    assert letters.shares([None] * 8, LABELS) == dict.fromkeys(LABELS, 1 / 8)


def test_every_sampling_parameter_is_sent_so_that_no_default_of_the_checkpoint_leaks_in(
    worlds: Any,
) -> None:
    """vLLM and SGLang fill in what a request leaves out from generation_config.json."""
    world = worlds()
    world.describe(PHOTO)
    for asked in world.stub.asked:
        assert {name: asked[name] for name in questions.GREEDY} == questions.GREEDY
    neutral = {"temperature": 0, "top_p": 1, "top_k": -1, "min_p": 0, "repetition_penalty": 1,
               "presence_penalty": 0, "frequency_penalty": 0, "seed": 0}  # fmt: skip
    assert neutral == questions.GREEDY


def test_a_description_that_was_cut_off_keeps_its_fields_and_says_so(worlds: Any) -> None:
    cut = completion('{"category": "A", "caption": "A field.", "tags": ["soft"], '
                     '"visible_text": "EX')  # fmt: skip
    cut.body["choices"][0]["finish_reason"] = "length"
    world = worlds(lambda _, asked: cut if "response_format" in asked else None)
    (body,) = world.describe(PHOTO)
    assert (body["caption"], body["tags"][0]["name"]) == ("A field.", "soft")
    assert body["served"]["finish_reason"] == "length"


def test_a_refusal_is_kept_as_what_the_model_wrote(worlds: Any) -> None:
    refusal = completion(None)
    refusal.body["choices"][0]["message"]["refusal"] = "I cannot describe this."
    world = worlds(lambda _, asked: refusal if "response_format" in asked else None)
    (body,) = world.describe(PHOTO)
    assert (body["caption"], body["description_raw"]) == (None, "I cannot describe this.")
    assert body["category"] == LABELS[0]


def test_blanks_up_to_the_cap_cost_the_words_and_not_the_kind(worlds: Any) -> None:
    """A schema allows them between JSON's parts, and a model may write nothing else."""
    blank = completion('{"category": "A"' + " \n" * 90)
    blank.body["choices"][0]["finish_reason"] = "length"
    world = worlds(lambda _, asked: blank if "response_format" in asked else None)
    (body,) = world.describe(PHOTO)
    assert (body["category"], body["caption"]) == (LABELS[0], None)
    assert (body["description_raw"], body["served"]["finish_reason"]) == ("{", "length")


@pytest.mark.parametrize("said", ['{"caption": "A fie', "A field.", "", None])
def test_words_that_are_not_valid_are_kept_as_they_came(worlds: Any, said: str | None) -> None:
    world = worlds(lambda _, asked: completion(said) if "response_format" in asked else None)
    (body,) = world.describe(PHOTO)
    assert (body["caption"], body["description_raw"]) == (None, said or "")
    assert body["category"] == LABELS[0]


# --- a server that limits, fails, dies ---


def test_it_waits_as_long_as_the_server_asks(worlds: Any) -> None:
    limited = {0: {"Retry-After": "7"}, 1: {"Retry-After": "Thu, 01 Jan 2026 12:00:09 GMT"}}
    world = worlds(lambda n, _: Reply({}, 429, limited[n]) if n in limited else None)
    assert world.client.chat(_asks())
    first, second = world.waited
    assert 7.0 <= first <= 7.5
    assert 9.0 <= second <= 9.5


@pytest.mark.parametrize("said", ["soon", "-3", "nan", "1e9"])
def test_an_odd_wish_of_the_server_is_no_reason_to_fail_or_to_sleep(worlds: Any, said: str) -> None:
    world = worlds(lambda n, _: Reply({}, 429, {"Retry-After": said}) if n == 0 else None, most=20)
    assert world.client.chat(_asks())
    assert 0.0 <= world.waited[0] <= 20.0


def test_the_waits_double_with_jitter_and_end(worlds: Any) -> None:
    world = worlds(lambda *_: Reply(b"busy", 503), attempts=8, first=0.5, most=20.0)
    with pytest.raises(EndpointUnavailable, match="did not answer in 8 attempts; the last: 503"):
        world.client.chat(_asks())
    assert len(world.stub.asked) == 8
    for wait, longest in zip(world.waited, [0.5, 1, 2, 4, 8, 16, 20], strict=True):
        assert longest / 2 <= wait <= longest


@pytest.mark.parametrize(
    "reply",
    [
        Reply(drop=True),
        Reply(b"<html>Bad gateway</html>"),
        Reply({"object": "chat.completion"}),
        Reply({"choices": []}),
        Reply([]),
        Reply(b"out of memory", 500),
        Reply({"choices": [{"message": {"content": ""}, "finish_reason": "abort"}]}),
        Reply({"object": "chat.completion", "choices": []}, cut=True),
    ],
    ids=["dies", "html", "no choices", "empty choices", "a list", "500", "aborted", "half"],
)
def test_one_bad_moment_is_passed_over(worlds: Any, reply: Reply) -> None:
    world = worlds(lambda n, _: reply if n == 0 else None)
    assert world.client.chat(_asks())["model"] == MODEL
    assert len(world.stub.asked) == 2


def test_a_server_that_never_answers_is_given_up(worlds: Any) -> None:
    world = worlds(lambda *_: Reply(hang=True), attempts=2, timeout=0.3)
    with pytest.raises(EndpointUnavailable, match="ReadTimeout"):
        world.client.chat(_asks())


def test_a_dead_server_is_transient_and_not_asked_again_for_each_picture(worlds: Any) -> None:
    world = worlds(attempts=3)
    world.describe(PHOTO)
    world.stub.stop()
    with pytest.raises(SomeFailed) as failed:
        world.describe(PHOTO, BANNER)
    assert all(body is None for body in failed.value.bodies)
    assert all(error.transient for error in failed.value.errors.values())  # type: ignore[attr-defined]
    waited = len(world.waited)
    with pytest.raises(SomeFailed):
        world.describe(*[PHOTO] * 20)
    assert len(world.waited) == waited  # within its rest, nobody waits for it again
    world.time += 60.0
    with pytest.raises(SomeFailed):
        world.describe(PHOTO)
    assert len(world.waited) > waited


def test_after_its_rest_a_server_that_is_back_is_used(worlds: Any) -> None:
    away = True
    world = worlds(lambda *_: Reply({}, 503) if away else None, attempts=2)
    with pytest.raises(SomeFailed):
        world.describe(PHOTO)
    away = False
    with pytest.raises(SomeFailed):
        world.describe(PHOTO)
    world.time += 60.0
    assert world.describe(PHOTO)[0]["category"] == LABELS[0]


def test_a_bad_picture_fails_alone(worlds: Any) -> None:
    def refuse_white(_: int, asked: dict[str, Any]) -> Reply | None:
        return Reply({"error": "cannot read the image"}, 400) if mean(asked) > 250 else None

    world = worlds(refuse_white)
    with pytest.raises(SomeFailed) as failed:
        world.describe(PHOTO, grey(255), BANNER)
    bodies, errors = failed.value.bodies, failed.value.errors
    assert [body and body["category"] for body in bodies] == [LABELS[0], None, LABELS[2]]
    assert list(errors) == [1]
    assert isinstance(errors[1], RequestRefused)
    assert errors[1].transient is False
    assert "cannot read the image" in str(errors[1])
    assert world.waited == []


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_or_model_is_no_fault_of_a_picture_and_not_retried(
    worlds: Any, status: int
) -> None:
    world = worlds(lambda *_: Reply({"error": "no"}, status))
    with pytest.raises(EndpointMisconfigured, match=str(status)) as failed:
        world.client.chat(_asks())
    assert failed.value.transient is True
    assert len(world.stub.asked) == 1


def test_an_empty_batch_asks_nothing(worlds: Any) -> None:
    world = worlds()
    assert world.describe() == []
    assert world.stub.asked == []


def _asks() -> dict[str, Any]:
    """The payload of one question about a picture."""
    order = tuple(LABELS_SORTED)
    return questions.kind(MODEL, prompts.load(), order, endpoint.data_url(PHOTO))
