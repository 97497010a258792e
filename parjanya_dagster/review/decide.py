"""Decide one image or many, and tell what became of each. Pages and the command line share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from parjanya_dagster.errors import (
    AmbiguousImage,
    DecisionStale,
    NotDecidedNow,
    ReviewRefused,
    UnknownImage,
)
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.reviews import Review, ReviewDecision
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import copies_pages

Result = Literal["done", "done_before", "stale", "not_now", "refused", "unknown"]
"""`not_now` may be tried again. `stale` needs somebody to look again."""

GOOD: tuple[Result, ...] = ("done", "done_before")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A decision that somebody wants made, with what they were shown."""

    image: str  # id, or what `find` understands
    who: str
    action: str
    request_id: str
    note: str = ""
    seen: int | None = None  # decisions that were shown; None: whatever there is now
    evidence: Mapping[str, str] | None = None  # that was shown; None: it is not compared
    line: int | None = None  # of a file
    wrong: str = ""  # why the line cannot be understood


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a decision."""

    asked: Asked
    result: Result
    says: str
    row: ImageRow | None = None  # the image as it is now
    newer: Review | None = None  # of a stale decision: the one that was made meanwhile

    @property
    def good(self) -> bool:
        return self.result in GOOD

    def body(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        row = self.row
        return {
            "image_id": row.image_id if row else None,
            "image": self.asked.image,
            "key": row.key if row else None,
            "action": self.asked.action,
            "result": self.result,
            "says": self.says,
            "effective_verdict": row.effective_verdict if row else None,
            "reviews": row.reviews if row else None,
            "request_id": self.asked.request_id,
            "line": self.asked.line,
            "newer": {"who": self.newer.who, "action": self.newer.action, "at": self.newer.at}
            if self.newer
            else None,
        }


def decide(
    store: Store,
    asked: Asked,
    now: float,
    find: Callable[[str], ImageRow] | None = None,
) -> Told:
    """Make a decision, unless it is stale or cannot be made. Nothing is raised for that.

    `find` names the image; without one, `asked.image` is an id. Doing it again is safe: the same
    request is one decision. Raises TruthUnavailable.
    """
    if asked.wrong:
        return Told(asked=asked, result="refused", says=asked.wrong)
    try:
        row = find(asked.image) if find else _get(store, asked.image)
        seen = row.reviews if asked.seen is None else asked.seen
        # What nobody was shown is decided as it is now, and not as it may be in a moment.
        shown = row.evidence if asked.seen is None else asked.evidence
        decision = ReviewDecision(
            image_id=row.image_id,
            who=asked.who,
            action=asked.action,
            request_id=asked.request_id,
            note=asked.note,
        )
        after = store.review(decision, now, seen=seen, evidence=shown)
    except DecisionStale as error:
        return Told(asked=asked, result="stale", says=str(error), row=error.row, newer=error.newer)
    except NotDecidedNow as error:
        return Told(asked=asked, result="not_now", says=str(error), row=row)
    except (UnknownImage, AmbiguousImage) as error:
        return Told(asked=asked, result="unknown", says=str(error))
    except ReviewRefused as error:
        return Told(asked=asked, result="refused", says=str(error), row=row)
    if after.reviews != seen + 1:
        says = f"{asked.action} was recorded before. What counts now: {after.effective_verdict}."
        return Told(asked=asked, result="done_before", says=says, row=after)
    return Told(asked=asked, result="done", says=f"{after.effective_verdict} counts.", row=after)


def decide_many(
    store: Store,
    asked: Iterable[Asked],
    clock: Callable[[], float],
    find: Callable[[str], ImageRow] | None = None,
) -> Iterator[Told]:
    """The same one after the other. What one is refused for stops no other."""
    for one in asked:
        yield decide(store, one, clock(), find)


def decide_copies(store: Store, told: Told, clock: Callable[[], float]) -> Iterator[Told]:
    """Make the same decision on every other image with the same bytes, each by its own request."""
    if told.good and told.row is not None:
        for copy in copies_of(store, told.row):
            request = f"{told.asked.request_id}/{copy.image_id}"
            own = replace(
                told.asked, image=copy.image_id, request_id=request, seen=None, evidence=None
            )
            yield decide(store, own, clock())


def copies_of(store: Store, row: ImageRow) -> list[ImageRow]:
    """Other present images of the tenant with the same bytes, the earliest first."""
    if row.sha256 is None:
        return []
    pages = copies_pages(store, row.tenant, row.sha256)
    return [copy for page in pages for copy in page if copy.image_id != row.image_id]


def _get(store: Store, image_id: str) -> ImageRow:
    row = store.get(image_id)
    if row is None:
        raise UnknownImage(f"There is no image {image_id!r}.")
    return row
