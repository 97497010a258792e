"""What an arrival means for rows. Every store registers with these pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from parjanya_dagster.errors import ArrivalRefused
from parjanya_dagster.objects.keys import shown, too_long
from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.models import PRESENT, REPLACED, Arrival, ImageRow
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.stages import STAGES, WAITS_FOR, Status

ORIGINAL_LEFT = "the image that it was a copy of left its bucket"


def require_storable(arrivals: Sequence[Arrival]) -> None:
    """Raise ArrivalRefused where one has a key that not every store could hold."""
    for arrival in arrivals:
        if (why := too_long(arrival.key)) is not None:
            raise ArrivalRefused(f"{shown(arrival.key)}: {why}")


def new_row(arrival: Arrival, batch: str, now: float) -> ImageRow:
    """The row of a new arrival, in a batch."""
    return ImageRow(
        image_id=arrival.image_id,
        tenant=arrival.tenant,
        bucket=arrival.bucket,
        key=arrival.key,
        version=arrival.version,
        size=arrival.size,
        batch=batch,
        landed_at=arrival.landed_at,
        arrived_at=now,
        updated_at=now,
        not_before=now,
        due_at=now,
    )


def settled(row: ImageRow, location: str) -> bool:
    """Whether seeing the object of this row again, as this version, changes nothing."""
    return (
        row.object_state == PRESENT
        and row.failure_class not in transitions.WITHOUT_OBJECT
        and row.location == location
    )


def never_read(row: ImageRow) -> bool:
    """Whether nothing was found or decided from the row's bytes yet: any version may be its own."""
    return row.sha256 is None and not transitions.reached(row, STAGES[1])


def settle(
    rows: Sequence[ImageRow], seen: Mapping[str, Arrival], now: float
) -> list[transitions.Change]:
    """Make the version of each key that landed last the present one.

    `rows` are those that are present and those that were just seen. `seen` says as what the latter
    were seen, by image id. Object stores count whole seconds. Of two versions of one second, the
    one that was just seen is present.
    """
    versions: dict[tuple[str, str], list[ImageRow]] = defaultdict(list)
    for row in rows:
        versions[row.bucket, row.key].append(row)

    def age(row: ImageRow) -> tuple[float, bool, float, str]:
        arrival = seen.get(row.image_id)
        last = max(row.landed_at, arrival.landed_at if arrival else row.landed_at)
        return last, arrival is not None, row.arrived_at, row.image_id

    changes = []
    for same in versions.values():
        *older, newest = sorted(same, key=age)
        changes += [
            transitions.leave_bucket(
                row, REPLACED, now, "a newer version of the key landed", newest.image_id
            )
            for row in older
            if row.object_state == PRESENT
        ]
        seen_at = age(newest)[0]
        version = seen[newest.image_id].version if newest.image_id in seen else newest.version
        moved = version != newest.version
        without = newest.failure_class in transitions.WITHOUT_OBJECT
        again = without and (moved or seen_at > newest.landed_at)
        if newest.object_state != PRESENT or again:
            changes.append(
                transitions.return_to_bucket(newest, seen_at, now, "landed again", version)
            )
        elif moved:
            changes.append(transitions.relocate(newest, version, now))
    return changes


def inheriting(
    left: Sequence[ImageRow], staying: Iterable[ImageRow], now: float
) -> list[transitions.Change]:
    """Changes of the images that come first with their bytes, now that these have left.

    `staying`: present rows, among them the first of each group that is left.
    """
    heirs = _first_of_each(staying)
    changes = [
        inherit(row, heirs[group], now)
        for group, row in _first_of_each(left).items()
        if group in heirs
    ]
    return [change for change in changes if change is not None]


def _first_of_each(rows: Iterable[ImageRow]) -> dict[tuple[str, str], ImageRow]:
    """The first to arrive of each tenant and bytes."""
    first: dict[tuple[str, str], ImageRow] = {}
    for row in sorted(rows, key=_arrived, reverse=True):
        if row.sha256:
            first[row.tenant, row.sha256] = row
    return first


def inherit(left: ImageRow, heir: ImageRow, now: float) -> transitions.Change | None:
    """Decide the next image with these bytes again, since the first one left.

    When it is decided, it finds the other copies by itself, and sends those on that still name
    another image (`execution.stages.duplicates`). None: it came first anyhow, or it will be
    decided later and finds the others then.
    """
    being_decided = heir.pipeline_status == WAITS_FOR[STAGES[-1]] and heir.lease_owner is not None
    if _arrived(heir) < _arrived(left):
        return None
    if heir.pipeline_status != Status.CURATED and not being_decided:
        return None
    return transitions.reset(heir, Reset(stage=STAGES[-1], reason=ORIGINAL_LEFT), now)


def _arrived(row: ImageRow) -> tuple[float, str]:
    return row.landed_at, row.image_id
