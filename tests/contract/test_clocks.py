"""A clock that was wrong for a moment leaves times behind. No row waits for them."""

from __future__ import annotations

from parjanya_dagster.intent.future_times import pull_back, too_late
from parjanya_dagster.truth.outcomes import Retry
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.transitions import HOUR, rebuild
from tests.support.backends import Backend
from tests.support.world import DAY, LEASE, NOON, arrive, claim, commit, due_rows, row

MONTH = 30 * DAY


def test_what_a_sweep_registered_by_a_clock_a_month_ahead_is_found_and_made_due(
    store: Store,
) -> None:
    (image,) = arrive(store, 1, now=NOON + MONTH)
    (fine,) = arrive(store, 1, slug="zeta")
    assert due_rows(store, NOON) == 1
    assert [one.image_id for one in store.due_later(too_late(NOON, LEASE))] == [image]
    assert pull_back(store, NOON, LEASE) == 1
    assert {one.image_id for one in claim(store)} == {image, fine}
    assert store.history(image)[-1].kind == "pulled_back"
    assert pull_back(store, NOON, LEASE) == 0


def test_a_retry_that_was_put_off_by_a_month_is_due_again(store: Store) -> None:
    (image,) = arrive(store, 1)
    commit(store, claim(store), Retry("away"), now=NOON + MONTH)
    pull_back(store, NOON + 1, LEASE)
    back = row(store, image)
    assert (back.not_before, back.due_at, back.retries) == (NOON + 1, NOON + 1, 1)
    assert rebuild(store.history(image)) == back
    commit(store, claim(store, now=NOON + 1), now=NOON + 1)
    assert row(store, image).pipeline_status == "pending_vlm_enrichment"


def test_a_lease_that_would_last_a_month_ends_where_its_worker_is_dead(store: Store) -> None:
    (image,) = arrive(store, 1)
    held = claim(store, lease=MONTH)
    assert pull_back(store, NOON, LEASE) == 1
    assert row(store, image).lease_until == NOON + LEASE
    assert store.expire_leases(NOON + LEASE - 1) == 0
    assert store.extend(held, LEASE, NOON + LEASE - 1) == {image}  # this one lives
    assert store.expire_leases(NOON + LEASE) == 0
    assert store.expire_leases(NOON + 2 * LEASE) == 1
    assert commit(store, held, now=NOON + 2 * LEASE).lost == {image}


def test_a_wait_that_the_code_gives_is_left_alone(store: Store) -> None:
    arrive(store, 1)
    now = NOON
    for _ in range(12):
        commit(store, claim(store, now=now), Retry("away"), now=now)
        assert pull_back(store, now, LEASE) == 0
        now += HOUR
    claim(store, now=now, lease=1800.0)
    assert store.due_later(too_late(now, 1800.0)) == []


def test_a_row_that_changed_meanwhile_is_left_alone(store: Store) -> None:
    (image,) = arrive(store, 1, now=NOON + MONTH)
    assert store.pull_back([image], NOON, LEASE, NOON + MONTH) == 0
    assert store.pull_back(["nobody"], NOON, LEASE, NOON) == 0


def test_time_in_which_nobody_tried_does_not_count_towards_the_horizon(backend: Backend) -> None:
    """It was retried once. Then everything was off from Thursday to Monday."""
    store = backend.open()
    (image,) = arrive(store, 1)
    commit(store, claim(store), Retry("away"))
    now = NOON + 96 * HOUR
    commit(store, claim(store, now=now), Retry("away"), now=now)
    again = row(store, image)
    assert (again.pipeline_status, again.retries) == ("pending_validation", 2)
    assert again.retry_since is not None
    assert now - again.retry_since < 2 * HOUR


def test_a_clock_that_jumps_neither_spends_the_horizon_nor_lengthens_it_for_ever(
    backend: Backend,
) -> None:
    store = backend.open()
    (image,) = arrive(store, 1)
    commit(store, claim(store), Retry("away"), now=NOON + MONTH)
    pull_back(store, NOON, LEASE)
    now, ended = NOON, NOON + 80 * HOUR
    while row(store, image).pipeline_status != "failed":
        assert now < ended
        commit(store, claim(store, now=now), Retry("away"), now=now)
        now += HOUR / 2
    assert row(store, image).failure_class == "retry_horizon"
    assert now - NOON > 72 * HOUR
