"""What an arrival means for rows: pure functions that every store registers with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.models import PRESENT, REPLACED, Arrival, ImageRow


def new_row(arrival: Arrival, batch: str, now: float) -> ImageRow:
    """The row of an arrival that nobody knew, in a batch."""
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


def settled(row: ImageRow) -> bool:
    """Whether nothing can be learnt from seeing the object of this row again."""
    return row.object_state == PRESENT and row.failure_class not in transitions.WITHOUT_OBJECT


def settle(
    rows: Sequence[ImageRow], landed: Mapping[str, float], now: float
) -> list[transitions.Change]:
    """Of each key, among what is present and what was seen, the last to land is present.

    `landed`: when the arrivals that were seen landed, by image id. Stores of objects count whole
    seconds: of two that landed in the same one, what was seen just now is what lies there.
    """
    versions: dict[tuple[str, str], list[ImageRow]] = defaultdict(list)
    for row in rows:
        versions[row.bucket, row.key].append(row)

    def age(row: ImageRow) -> tuple[float, bool, float, str]:
        last = max(row.landed_at, landed.get(row.image_id, row.landed_at))
        return last, row.image_id in landed, row.arrived_at, row.image_id

    changes = []
    for same in versions.values():
        *older, newest = sorted(same, key=age)
        changes += [
            transitions.leave_bucket(row, REPLACED, now, "a newer version of the key landed")
            for row in older
            if row.object_state == PRESENT
        ]
        seen_at = age(newest)[0]
        without = newest.failure_class in transitions.WITHOUT_OBJECT
        if newest.object_state != PRESENT or (without and seen_at > newest.landed_at):
            changes.append(transitions.return_to_bucket(newest, seen_at, now, "landed again"))
    return changes
