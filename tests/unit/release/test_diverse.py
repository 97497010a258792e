"""Diverse releases: what is chosen, that it is the same again, and what it needs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from typer.testing import CliRunner

from parjanya_dagster.cli.main import app
from parjanya_dagster.embeddings import Space
from parjanya_dagster.errors import ReleaseInvalid
from parjanya_dagster.execution.embedding import make
from parjanya_dagster.execution.engines import chosen_space, embedder_of
from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.platform import Platform
from parjanya_dagster.release import frozen as lists
from parjanya_dagster.release.coverage import coverage
from parjanya_dagster.release.create import Begun, begin
from parjanya_dagster.release.diverse import farthest_first
from parjanya_dagster.release.items import Item
from parjanya_dagster.release.options import Options
from tests.support.printed import printed
from tests.support.releases import PICTURES


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_each_clump_is_met_before_any_is_met_twice() -> None:
    rng = np.random.default_rng(3)
    clumps = unit(rng.normal(size=(8, 64)))
    which = np.repeat(np.arange(8), [300, 100, 50, 20, 10, 5, 2, 1])
    vectors = unit(clumps[which] + 0.02 * rng.normal(size=(len(which), 64)))
    chosen = farthest_first(vectors, 8)
    assert sorted(which[chosen]) == list(range(8))
    assert farthest_first(vectors, 5) == chosen[:5]
    assert sorted(farthest_first(vectors[:4], 9)) == [0, 1, 2, 3]
    assert farthest_first(vectors, 0) == farthest_first(vectors[:0], 3) == []


def test_of_equal_images_one_is_chosen() -> None:
    vectors = unit(np.array([[1, 0], [1, 0], [1, 0.1], [0, 1]], float))
    assert set(farthest_first(vectors, 2)) in ({0, 3}, {2, 3})


def test_the_order_of_sums_changes_nothing() -> None:
    """The same vectors with their numbers in another order, as another processor adds them."""
    rng = np.random.default_rng(5)
    vectors = unit(rng.normal(size=(500, 1280)))
    order = rng.permutation(1280)
    assert farthest_first(vectors, 40) == farthest_first(vectors[:, order], 40)


@pytest.fixture
def ask(decided: Platform) -> Callable[[int, Space | None], Begun]:
    def ask(k: int, space: Space | None) -> Begun:
        options, owner = Options(diverse=k), decided.tenant("acme")
        return begin(decided.store, decided.objects, owner, "few", options,
                     who="ann", clock=decided.clock, space=space)  # fmt: skip

    return ask


def test_a_diverse_release_needs_vectors_and_is_the_same_again(
    decided: Platform, ask: Callable[[int, Space | None], Begun]
) -> None:
    space = chosen_space(decided.settings)
    with pytest.raises(ReleaseInvalid, match="EMBEDDER is none"):
        ask(3, None)
    with pytest.raises(ReleaseInvalid, match="embeddings make --tenant acme"):
        ask(3, space)
    embedder, previews = embedder_of(decided.settings), Previews(decided.objects)
    assert embedder is not None
    for batch in decided.store.batches():
        make(decided.store, decided.objects, embedder, batch, previews)
    first = ask(3, space)
    assert first.release.images == 3
    assert first.left_out == {"less diverse": PICTURES + 1 - 3}
    assert space is not None
    assert first.release.selection["space"] == space.id
    assert not ask(3, space).new
    assert ask(4, space).new
    # The copy shows what its original shows, so it comes last.
    names = ask(PICTURES, space).release
    assert names.images == PICTURES
    found = coverage(decided.store, decided.objects, decided.tenant("acme"), first.release, space)
    assert (len(found.rows), found.released, found.missing) == (PICTURES + 1, 3, 0)
    assert found.within(0.0) == 3
    assert (np.diff(found.distances) <= 0).all()
    # The fourth that is chosen is the farthest from the three. Nobody else was.
    fourth = {one.key for one in listed(decided, ask(4, space))}
    assert fourth - {one.key for one in listed(decided, first)} == {found.rows[0].key}
    assert found.quantile(1.0) == pytest.approx(float(found.distances[0]))
    wider = coverage(decided.store, decided.objects, decided.tenant("acme"), names, space)
    assert wider.quantile(1.0) < found.quantile(1.0)
    with pytest.raises(ReleaseInvalid, match="Nothing can be compared"):
        coverage(decided.store, decided.objects, decided.tenant("acme"), names, space, ["reject"])
    program = CliRunner().invoke(
        app, ["release", "coverage", "few@1", "-t", "acme", "--within", "0.0", "--json", "--home",
              str(decided.settings.home)]
    )  # fmt: skip
    told = printed("release coverage", program.stdout)
    assert (told["images"], told["within"], len(told["farthest"])) == (8, 3, 5)


def listed(decided: Platform, begun: Begun) -> list[Item]:
    bucket = decided.tenant("acme").bucket
    frozen = lists.read(decided.objects, bucket, begun.release.release_id)
    return list(lists.all_items(decided.objects, bucket, frozen))


def test_an_option_that_came_later_changes_no_id() -> None:
    assert not {"diverse", "space"} & Options().body().keys()
    some = Options(diverse=2, space="embedded-0")
    assert Options.of_body(some.body()) == some
    assert Options.of_body(Options().body()) == Options()


def test_of_images_that_are_all_alike_each_is_chosen_once() -> None:
    alike = np.array([[1.0, 0.0]] * 3, np.float32)
    assert sorted(farthest_first(alike, 3)) == [0, 1, 2]
