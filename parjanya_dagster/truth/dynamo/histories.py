"""What happened to images and what was found of them, out of pages (`pages`).

A version before 5 of the table wrote an item for each event and each evidence. Those are read where
the pages of a row do not reach back to its beginning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from parjanya_dagster.truth.dynamo import bodies, codec, keys, pages
from parjanya_dagster.truth.dynamo.base import Base
from parjanya_dagster.truth.dynamo.pages import EVENTS, Entry, Pointers
from parjanya_dagster.truth.models import Decided, Event, Evidence, ImageRow
from parjanya_dagster.truth.stages import STAGES, Status

DECIDING = STAGES[-1]
Found = tuple[str, str, str]
"""Image, stage, fingerprint."""


class Histories(Base):
    """The part of the store that tells what was."""

    def evidence(
        self, rows: Sequence[ImageRow], stages: Collection[str] | None = None
    ) -> dict[str, dict[str, Evidence]]:
        wanted = {
            (row.image_id, stage, fingerprint)
            for row in rows
            for stage, fingerprint in row.evidence.items()
            if stages is None or stage in stages
        }
        by_image: dict[str, dict[str, Evidence]] = {}
        for record in self._found(wanted).values():
            by_image.setdefault(record.image_id, {})[record.stage] = record
        return by_image

    def all_evidence(self, image_id: str) -> list[Evidence]:
        pk, _ = keys.image(image_id)
        records = bodies.unfold(self.wire, list(self.wire.query(pk, ("begins", "evidence#"))))
        trail = self._trails([image_id])[image_id]
        records += [entry.evidence for _, entry in reversed(trail) if entry.evidence]
        records.sort(key=lambda record: (record.created_at, record.stage))
        first: dict[Found, Evidence] = {}
        for record in records:
            first.setdefault(_of(record), record)
        return list(first.values())

    def history(self, image_id: str) -> list[Event]:
        return self._histories([image_id])[image_id]

    def decisions(self, image_ids: Sequence[str]) -> dict[str, list[Decided]]:
        decided = {
            image_id: [
                Decided.of(event.at, event.changes, event.run_id)
                for event in events
                if event.kind == "completed" and event.to_status == Status.CURATED
            ]
            for image_id, events in self._histories(image_ids).items()
        }
        return {image_id: made for image_id, made in decided.items() if made}

    def decided_under(
        self, image_ids: Sequence[str], policy_hash: str
    ) -> dict[str, Mapping[str, Any]]:
        last = self.evidence(self._rows(image_ids), {DECIDING})
        under = {
            image_id: found[DECIDING].body
            for image_id, found in last.items()
            if found[DECIDING].revision == policy_hash
        }
        # Most images were last decided under it. Of others the decision is looked for.
        others = self._trails([one for one in image_ids if one not in under])
        decisions = {one: _decisions(trail) for one, trail in others.items()}
        found = self._found({(i, DECIDING, made) for i, each in decisions.items() for made in each})
        for image_id, each in decisions.items():
            for made in each:
                record = found.get((image_id, DECIDING, made))
                if record is not None and record.revision == policy_hash:
                    under[image_id] = record.body
                    break
        left = [image_id for image_id in others if image_id not in under]
        return under | self._decided_before(left, policy_hash)

    def _decided_before(
        self, image_ids: Sequence[str], policy_hash: str
    ) -> dict[str, Mapping[str, Any]]:
        """The same of items that a version before 5 of the table wrote."""
        pointers = self.wire.get_all(keys.under(image_id, policy_hash) for image_id in image_ids)
        wanted = [
            keys.evidence(pk.partition("#")[2], DECIDING, codec.text(item, "fingerprint"))
            for (pk, _), item in pointers.items()
        ]
        records = bodies.unfold(self.wire, list(self.wire.get_all(wanted).values()))
        return {record.image_id: record.body for record in records}

    def _recorded_before(self, said: Sequence[tuple[ImageRow, Evidence]]) -> dict[str, str]:
        """Of which images this evidence was recorded before they had another of its stage, and the
        page it is in. The page is '' where it lies in an item of its own."""
        wanted = {
            row.image_id: _of(evidence)
            for row, evidence in said
            if row.evidence.get(evidence.stage, evidence.fingerprint) != evidence.fingerprint
        }
        if not wanted:
            return {}
        items = self.wire.get_all(keys.evidence(*one) for one in wanted.values())
        recorded = {
            image_id: "" for image_id, one in wanted.items() if keys.evidence(*one) in items
        }
        for image_id, trail in self._trails(list(wanted.keys() - recorded.keys())).items():
            for page, entry in trail:
                if entry.evidence and _of(entry.evidence) == wanted[image_id]:
                    recorded[image_id] = page  # of several the first one
        return recorded

    def _standing(self, said: Sequence[tuple[ImageRow, Evidence]]) -> set[Found]:
        """What of this evidence is what its row has already. It was lost where it is not found."""
        same = {
            _of(evidence)
            for row, evidence in said
            if row.evidence.get(evidence.stage) == evidence.fingerprint
        }
        return set(self._found(same, anew=True)) if same else set()

    # --- where it is ---

    def _found(self, wanted: Collection[Found], *, anew: bool = False) -> dict[Found, Evidence]:
        """Evidence by what it is of. Rows of a moment ago may point at the page of another.

        `anew`: whether the table has it, and not what this process knows.
        """
        pointers = self._pages_of({image_id for image_id, _, _ in wanted})
        there = {one: page for one in wanted if (page := pointers[one[0]].get(one[1]))}
        entries = pages.read(self.wire, there.values(), None if anew else self.shelf)
        found: dict[Found, Evidence] = {}
        for one, page in there.items():
            entry = entries.get(page, {}).get(one[0])
            if entry is not None and entry.evidence is not None and _of(entry.evidence) == one:
                found[one] = entry.evidence
        left = [one for one in wanted if one not in found]
        rows = self._read({one[0] for one in left})
        # A row keeps the name of each stage that ever found something: others are not looked for.
        left = [one for one in left if one[0] in rows and one[1] in rows[one[0]].row.evidence]
        items = self.wire.get_all(keys.evidence(*one) for one in left)
        found |= {_of(one): one for one in bodies.unfold(self.wire, list(items.values()))}
        if lost := {one[0] for one in left if one not in found}:
            for trail in self._trails(list(lost)).values():
                every = [entry.evidence for _, entry in trail if entry.evidence]
                found |= {_of(one): one for one in every if _of(one) in wanted}
        return found

    def _pages_of(self, image_ids: Collection[str]) -> dict[str, Pointers]:
        """Where the rows of these images point, or pointed a moment ago."""
        known = self.noted.of(image_ids)
        read = self._read(image_id for image_id in image_ids if image_id not in known)
        return (
            {image_id: {} for image_id in image_ids}
            | known
            | {image_id: stored.pages for image_id, stored in read.items()}
        )

    def _trails(self, image_ids: Sequence[str]) -> dict[str, list[tuple[str, Entry]]]:
        """What pages say of each image, the last first, with the page. Images share pages.

        What lies before a page that is lost is not known.
        """
        trails: dict[str, list[tuple[str, Entry]]] = {image_id: [] for image_id in image_ids}
        at = {i: stored.pages.get(EVENTS, "") for i, stored in self._read(image_ids).items()}
        while at := {image_id: page for image_id, page in at.items() if page}:
            read = pages.read(self.wire, at.values())
            for image_id, page in at.items():
                entry = read.get(page, {}).get(image_id)
                at[image_id] = entry.before if entry else ""
                if entry:
                    trails[image_id].append((page, entry))
        return trails

    def _histories(self, image_ids: Sequence[str]) -> dict[str, list[Event]]:
        trails = self._trails(image_ids)

        def events(image_id: str) -> list[Event]:
            trail = trails[image_id]
            whole = trail and trail[-1][1].first == 1
            before = [] if whole else self._events_before(image_id)
            return before + [event for _, entry in reversed(trail) for event in entry.events]

        return dict(zip(image_ids, self.wire.each(events, image_ids), strict=True))

    def _events_before(self, image_id: str) -> list[Event]:
        """What a version before 5 of the table wrote."""
        pk, _ = keys.image(image_id)
        return [codec.unpack(Event, item) for item in self.wire.query(pk, ("begins", "event#"))]


def _of(evidence: Evidence) -> Found:
    return evidence.image_id, evidence.stage, evidence.fingerprint


def _decisions(trail: Iterable[tuple[str, Entry]]) -> list[str]:
    """The fingerprints of the decisions of policies, the last first."""
    events = [event for _, entry in trail for event in reversed(entry.events)]
    return [
        event.changes["evidence"][DECIDING]
        for event in events
        if event.kind == "completed" and event.to_status == Status.CURATED
    ]
