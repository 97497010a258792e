"""The catalog over every store: it shows what Truth has, and a pass costs what changed."""

from __future__ import annotations

from pathlib import Path

from parjanya_dagster.catalog import Catalog, Follower, Query
from parjanya_dagster.truth.outcomes import TerminalFailure
from parjanya_dagster.truth.store import Store
from tests.support.world import NOON, arrive, carry, claim, commit, completed


def verdicts(home: Path) -> dict[str, int]:
    return dict(Catalog(home).counts(Query())["verdict"])


def test_a_pass_takes_over_what_changed_and_reads_nothing_else(
    store: Store, tmp_path: Path
) -> None:
    ids = arrive(store, 5)
    arrive(store, 2, slug="bolt")
    follower = Follower(store, tmp_path, lambda: NOON)
    assert follower.follow().images == 7
    assert verdicts(tmp_path) == {"pending": 7}
    for stage in ("validated", "enriched", "scored"):
        commit(store, claim(store, stage, now=NOON + 1), now=NOON + 1)
    first, second, *rest = claim(store, "curated", now=NOON + 2)
    failure = TerminalFailure("truncated", "It ends too early.")
    store.commit(
        [
            (first, completed(first, verdict="accept", reasons=[], policy="default@1")),
            (second, failure),
            *(
                (one, completed(one, verdict="review", reasons=["?"], policy="default@1"))
                for one in rest
            ),
        ],
        NOON + 2,
        "run-1",
    )
    assert follower.follow().images == 7
    assert verdicts(tmp_path) == {"accept": 1, "failed": 1, "review": 5}
    assert follower.follow().batches == 0, "all is settled, so no batch is read"
    store.depart([ids[0]], NOON + 3, "deleted")
    done = follower.follow()
    assert (done.batches, done.images) == (1, 1)
    assert sum(verdicts(tmp_path).values()) == 6


def test_a_batch_with_an_image_that_waits_is_read_at_every_pass(
    store: Store, tmp_path: Path
) -> None:
    """Work between two stages leaves no mark on the batch."""
    arrive(store, 2)
    follower = Follower(store, tmp_path, lambda: NOON)
    follower.follow()
    commit(store, claim(store, "validated"), now=NOON + 1)
    assert follower.follow().images == 2
    assert follower.follow().images == 0


def test_what_is_built_anew_is_what_was_followed(store: Store, tmp_path: Path) -> None:
    followed, built = tmp_path / "followed", tmp_path / "built"
    for home in (followed, built):
        home.mkdir()
    follower = Follower(store, followed, lambda: NOON)
    arrive(store, 3)
    follower.follow()
    carry(store, through="scored")
    follower.follow()
    arrive(store, 2, slug="bolt")
    carry(store)
    follower.follow()
    assert Follower(store, built, lambda: NOON).rebuild().images == 5
    of = [Catalog(home) for home in (followed, built)]
    assert of[0].counts(Query()) == of[1].counts(Query())
    shown = [
        {one.image_id: one.shown for one in catalog.page(Query(), 100).images} for catalog in of
    ]
    assert shown[0] == shown[1]


def test_a_pass_that_runs_out_of_time_says_what_is_left(store: Store, tmp_path: Path) -> None:
    arrive(store, 1)
    arrive(store, 1, slug="bolt")
    follower = Follower(store, tmp_path, lambda: NOON)
    first = follower.follow(deadline=NOON - 1)
    assert (first.batches, first.behind) == (1, 1)
    assert Catalog(tmp_path).freshness().complete_at is None
    carry(store)
    while follower.follow(deadline=NOON - 1).behind:
        continue
    assert Catalog(tmp_path).freshness().complete_at == NOON
    assert Catalog(tmp_path).freshness().behind == 0
