"""How often somebody may try, and from where a request comes."""

from __future__ import annotations

import pytest

from parjanya_dagster.errors import SettingsInvalid, TooManyRequests
from parjanya_dagster.web import hops, limits
from parjanya_dagster.web.hops import read_networks, sender
from parjanya_dagster.web.limits import GUESSES, KNOWN, Guesses, Limiter, shared
from tests.support.clock import Clock


def test_a_burst_is_let_through_and_then_the_rate(clock: Clock) -> None:
    limiter = Limiter(3, 0.5, clock)
    assert [limiter.take("a") for _ in range(4)] == [0, 0, 0, 2]
    assert limiter.take("b") == 0, "each has their own"
    clock.pass_by(2)
    assert [limiter.take("a") for _ in range(2)] == [0, 2]
    clock.pass_by(3600)
    assert [limiter.take("a") for _ in range(4)] == [0, 0, 0, 2], "no more is saved up"


def test_a_minute_lets_through_what_its_rate_says(clock: Clock) -> None:
    limiter, taken = Limiter(10, 1.0, clock), 0
    for _ in range(600):
        taken += limiter.take("a") == 0
        clock.pass_by(0.1)
    assert taken in (69, 70), "the burst, and one a second"


def test_more_than_fits_at_once_waits_for_everything_before(clock: Clock) -> None:
    limiter = Limiter(10, 1.0, clock)
    assert limiter.take("a", 200) == 0
    assert limiter.wait("a", 200) == 200, "it is paid off whole"
    assert limiter.wait("a") == 191


def test_a_clock_that_was_ahead_locks_nobody_out(clock: Clock) -> None:
    limiter = Limiter(2, 1.0, clock)
    clock.pass_by(86_400)
    limiter.take("a", 2)
    clock.pass_by(-86_400)
    assert limiter.wait("a") <= 2


def test_processes_side_by_side_let_through_what_one_may(clock: Clock) -> None:
    three = [shared(10, 1.0, clock, 3) for _ in range(3)]
    assert sum(one.take("a") == 0 for one in three for _ in range(10)) == 9
    clock.pass_by(3)
    assert sum(one.take("a") == 0 for one in three for _ in range(10)) == 3
    assert shared(1, 1.0, clock, 3).take("a") == 0, "nobody is locked out"


def test_large_requests_are_let_through_at_the_rate_too(clock: Clock) -> None:
    two, let_through = [shared(60, 1.0, clock, 2) for _ in range(2)], 0
    for _ in range(1000):
        let_through += sum(100 for one in two if one.take("a", 100) == 0)
        clock.pass_by(1)
    assert let_through <= 1000 + 200


def test_what_was_quiet_longest_is_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_KEYS", 2)
    limiter = Limiter(1, 1.0, clock)
    for key in "abc":
        limiter.take(key)
    assert [limiter.wait(key) for key in "abc"] == [0, 1, 1]


def test_who_guesses_is_stopped_and_who_was_right_is_not(clock: Clock) -> None:
    guesses = Guesses(clock)
    guesses.right("good")
    for _ in range(GUESSES):
        guesses.require("192.0.2.1", "bad")
        guesses.wrong("192.0.2.1")
    with pytest.raises(TooManyRequests) as refused:
        guesses.require("192.0.2.1", "bad")
    assert refused.value.retry_after == 3
    guesses.require("192.0.2.1", "good")
    guesses.require("192.0.2.2", "bad")
    clock.pass_by(3)
    guesses.require("192.0.2.1", "bad")
    guesses.wrong("192.0.2.1")
    clock.pass_by(KNOWN)
    for _ in range(GUESSES):
        guesses.wrong("192.0.2.1")
    with pytest.raises(TooManyRequests):
        guesses.require("192.0.2.1", "good")


PROXIES = read_networks("10.0.0.0/8 ::1/128")


@pytest.mark.parametrize(
    ("peer", "forwarded", "said"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),  # no proxy of ours: anybody may write that
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),  # the sender wrote the first
        ("10.0.0.1", ["6.6.6.6", "203.0.113.9, 10.0.0.2"], "203.0.113.9"),  # two proxies
        ("::1", ["2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", ["10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("", ["203.0.113.9"], ""),
    ],
)
def test_the_sender_is_the_last_that_no_proxy_of_ours_has(
    peer: str, forwarded: list[str], said: str
) -> None:
    assert sender(peer, forwarded, PROXIES) == said


def test_networks_are_read_or_refused() -> None:
    with pytest.raises(SettingsInvalid, match="PARJANYA_WEB__TRUSTED_PROXIES"):
        read_networks("10.0.0.1/8 nowhere")


def test_a_proxy_that_nobody_named_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, str]] = []
    monkeypatch.setattr(hops.log, "warning", lambda _event, **said: told.append(said))

    async def app(*_: object) -> None: ...

    served = hops.Hops(app, PROXIES)
    for peer, forwarded in (("10.0.0.1", True), ("192.0.2.1", False), *[("192.0.2.1", True)] * 2):
        headers = [(b"x-forwarded-for", b"203.0.113.9")] if forwarded else []
        asked = served({"type": "http", "headers": headers, "client": (peer, 1)}, app, app)  # type: ignore[arg-type]
        with pytest.raises(StopIteration):  # nothing is waited for; a browser's loop may run here
            asked.send(None)
    assert [one["peer"] for one in told] == ["192.0.2.1"]
