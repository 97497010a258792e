"""How many requests at once: grows while the server keeps up, and gives way when it does not."""

from __future__ import annotations

import threading

from gpu_ops.endpoint.window import FIRST, Window


def round_of(window: Window, busy: bool = False) -> None:
    """As many requests as may be under way, and then all their answers."""
    entered = [window.enter() for _ in range(window.size)]
    for one in entered:
        window.leave(one, busy=busy)


def test_it_grows_to_the_most_and_no_further() -> None:
    window = Window(64)
    assert window.size == FIRST
    sizes = []
    for _ in range(100):
        round_of(window)
        sizes.append(window.size)
    assert sizes == sorted(sizes)
    assert sizes[-1] == 64


def test_one_busy_moment_halves_it_once_however_many_requests_met_it() -> None:
    window = Window(64)
    for _ in range(200):
        round_of(window)
    round_of(window, busy=True)
    assert window.size == 32
    round_of(window)
    assert window.size in (32, 33)  # and now it grows slowly: by one in a round


def test_one_request_is_always_let_through() -> None:
    window = Window(4)
    for _ in range(10):
        round_of(window, busy=True)
    assert window.size == 1
    assert Window(1).enter() == 0


def test_it_does_not_grow_on_the_word_of_a_server_that_is_not_filled() -> None:
    window = Window(64)
    window.enter()
    for _ in range(100):
        window.leave(window.enter(), busy=False)
    assert window.size == FIRST


def test_the_next_one_waits_until_one_is_over() -> None:
    window = Window(1)
    first, went = window.enter(), threading.Event()

    def second() -> None:
        window.leave(window.enter(), busy=False)
        went.set()

    thread = threading.Thread(target=second)
    thread.start()
    assert not went.is_set()
    window.leave(first, busy=False)
    thread.join(60)
    assert went.is_set()
