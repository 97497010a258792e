"""The work queue: due, claim, extend, commit, release, expire leases."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from parjanya_dagster.errors import InvalidTransition
from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.dynamo import changes, codec, keys, queue
from parjanya_dagster.truth.dynamo.changes import Stored, Writing
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.filing_log import Image
from parjanya_dagster.truth.dynamo.held import holds
from parjanya_dagster.truth.dynamo.histories import Histories
from parjanya_dagster.truth.dynamo.holding import Holding
from parjanya_dagster.truth.dynamo.old_queue import adopt
from parjanya_dagster.truth.dynamo.pages import Pointers
from parjanya_dagster.truth.dynamo.wire import THREADS, Add, Put
from parjanya_dagster.truth.holders import is_dead, is_over, living
from parjanya_dagster.truth.models import DueBatch, ImageRow, parse_batch
from parjanya_dagster.truth.outcomes import Claim, Committed, Completed, Outcome
from parjanya_dagster.truth.records import Holder
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.stages import STAGE_OF, WAITS_FOR, Status

SEEN = 5.0  # seconds for which it is known which leases there are
SPARE = 16  # extra candidates that a claim reads, since other workers may take some first


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The leases that there are, and the records of their owners, as they were read at a time."""

    at: float
    taken: int  # leases that this process had taken by then
    leases: list[Item]
    holders: dict[str, Holder] = field(default_factory=dict)


NOTHING_SEEN = Seen(at=float("-inf"), taken=0, leases=[])


class Work(Histories, Holding):
    """The part of the store that workers and the reconciler use."""

    _seen = NOTHING_SEEN

    def due(
        self,
        now: float,
        stages: Sequence[str] | None = None,
        *,
        exact: bool = False,
        batches: Collection[str] | None = None,
    ) -> list[DueBatch]:
        wanted = {str(WAITS_FOR[stage]) for stage in stages} if stages is not None else {""}
        groups = keys.groups() if batches is None else sorted({*map(keys.group, batches)})
        places = [(group, status) for status in sorted(wanted) for group in groups]
        found = self.wire.each(
            lambda place: queue.lines(self.wire, place[0], now, status=place[1], whole=exact),
            places,
        )
        rows: Counter[queue.Of] = Counter()
        oldest: dict[queue.Of, float] = {}
        cut: set[queue.Of] = set()
        for line in chain.from_iterable(found):
            of = keys.line_of(line.head)
            if batches is not None and of[1] not in batches:
                continue
            if line.due:
                rows[of] += line.due
                oldest[of] = min(line.oldest, oldest.get(of, line.oldest))
            if line.cut:
                cut.add(of)
        rows.update(self._about({of: rows[of] for of in cut}, rows))
        for row in self._lapsed(now):
            of = str(row.pipeline_status), row.batch
            if (stages is None or of[0] in wanted) and (batches is None or of[1] in batches):
                since = now if row.due_at is None else row.due_at
                rows[of] += 1
                oldest[of] = min(since, oldest.get(of, since))
        due = [
            DueBatch(
                batch=batch,
                tenant=parse_batch(batch)[0],
                stage=STAGE_OF[Status(status)],
                rows=number,
                oldest=oldest[status, batch],
            )
            for (status, batch), number in rows.items()
        ]
        return sorted(due, key=lambda batch: (batch.oldest, batch.batch, batch.stage))

    def _about(self, cut: Mapping[queue.Of, int], due: Mapping[queue.Of, int]) -> Counter[queue.Of]:
        """How many more rows are due, about, of batches with more than a look reads."""
        tallies = self.wire.get_all(keys.tally(batch) for _, batch in cut)
        totals = {
            (status, batch): codec.number(tallies.get(keys.tally(batch), {}), f"status:{status}")
            for status, batch in cut
        }
        guessed = queue.about(cut, due, totals)
        return Counter({of: max(0, min(n, self.batch_size) - cut[of]) for of, n in guessed.items()})

    def _lapsed(self, now: float) -> list[ImageRow]:
        """Rows whose lease ran out, and that nobody freed yet: they are in no index of due work."""
        names = [
            keys.image(queue.image_id(item))
            for item in self._look(now).leases
            if _until(item) <= now
        ]
        rows = [changes.stored_of(item).row for item in self.wire.get_all(names).values()]
        return [row for row in rows if row.lease_owner is not None and _due(row, now)]

    def _look(self, now: float) -> Seen:
        """Leases as the index had them within the last seconds, and after what this process took.

        A tick asks many times, and each time costs 16 requests. They are candidates: a lease may
        have been prolonged or given back. One that another process took a moment ago is seen as
        much later, as where the index is late. A worker has heartbeats meanwhile.
        """
        if not 0 <= now - self._seen.at < SEEN or self._seen.taken != self.recent.taken:
            taken, leases = self.recent.taken, self._leased()
            # They were written before the leases, and without these they say nothing.
            holders = self.holders() if leases else {}
            self._seen = Seen(at=now, taken=taken, leases=leases, holders=holders)
        return self._seen

    def due_rows(
        self, batches: Sequence[str], stages: Sequence[str], now: float, limit: int
    ) -> list[ImageRow]:
        statuses = {str(WAITS_FOR[stage]) for stage in stages}
        places = [
            [_line(WAITS_FOR[stage], batch, suspect) for suspect in (False, True)]
            for stage in stages
            for batch in dict.fromkeys(batches)
        ]
        seen: queue.Seen = {}
        rows: list[ImageRow] = []
        for start in range(0, len(places), THREADS):
            if len(rows) >= limit:
                break
            streams = [
                chain.from_iterable(self._candidates(one, limit + SPARE, now, seen) for one in pair)
                for pair in places[start : start + THREADS]
            ]
            heads = self.wire.each(lambda stream: list(islice(stream, limit)), streams)
            named = chain.from_iterable(map(chain, heads, streams))
            some = list(islice(named, limit - len(rows)))
            while some:
                rows += [
                    row
                    for row in self._rows(some)
                    if row.pipeline_status in statuses and _is_free(row, now)
                ]
                # Others may have taken these, whatever the index says. More are behind them.
                left = limit - len(rows)
                some = list(islice(named, max(left, SPARE))) if left > 0 else []
        return rows[:limit]

    # --- claims ---

    def claim(self, request: ClaimRequest, now: float) -> list[Claim]:
        if request.limit <= 0 or not request.batches:
            return []
        self._expire(now, request.limit, frozenset(request.batches))
        seen: queue.Seen = {}
        rows = self._take(request, False, now, seen=seen)
        if not rows and self._any_suspect(request, now, seen):
            # A row that was in flight in a crash goes alone.
            rows = self._take(replace(request, limit=1), True, now, self._oldest_calm(request, now))
        return [
            Claim(row, request.stage, request.owner)
            for row in sorted(rows, key=lambda row: (row.landed_at, row.image_id))
        ]

    def _any_suspect(self, request: ClaimRequest, now: float, seen: queue.Seen) -> bool:
        status = WAITS_FOR[request.stage]
        places = [_line(status, batch, True) for batch in dict.fromkeys(request.batches)]
        heads = self.wire.each(
            lambda line: next(self._candidates(line, 1, now, seen), None), places
        )
        return any(head is not None for head in heads)

    def _oldest_calm(self, request: ClaimRequest, now: float) -> float:
        """Since when the longest waiting row is due that would die with a suspect."""
        places = [
            _line(WAITS_FOR[stage], batch, False)
            for stage in request.ahead
            for batch in dict.fromkeys(request.batches)
        ]
        heads = self.wire.each(
            lambda line: next(iter(queue.head(self.wire, line, now, 1)), None), places
        )
        return min((since for head in heads if head for since in head[1:]), default=now)

    def _take(
        self,
        request: ClaimRequest,
        suspect: bool,
        now: float,
        due_by: float | None = None,
        seen: queue.Seen | None = None,
    ) -> list[ImageRow]:
        """Lease rows of a request, one batch after the other, each by a conditional write."""
        due_by = now if due_by is None else due_by
        status, limit = WAITS_FOR[request.stage], request.limit
        page = limit + SPARE
        taken: list[ImageRow] = []
        wanted = list(dict.fromkeys(request.batches))
        for start in range(0, len(wanted), THREADS):
            group = wanted[start : start + THREADS]
            places = [_line(status, batch, suspect) for batch in group]
            streams = [self._candidates(line, page, due_by, seen) for line in places]
            heads = self.wire.each(lambda stream: list(islice(stream, page)), streams)
            for stream, head in zip(streams, heads, strict=True):
                # Others may have taken all of these, whatever the index says. More are behind them.
                while head and len(taken) < limit:
                    rest = replace(request, limit=limit - len(taken))
                    taken += self._lease(head, rest, suspect, now)
                    full = len(head) == page
                    head = list(islice(stream, page)) if full and len(taken) < limit else []
                if len(taken) == limit:
                    return taken
        return taken

    def _candidates(
        self, line: queue.Place, page: int, now: float, seen: queue.Seen | None = None
    ) -> Iterator[str]:
        """Rows that may be had: what the index says, the longest due first, then our own latest."""
        named: set[str] = set()
        for image_id, _ in queue.head(self.wire, line, now, page, seen):
            named.add(image_id)
            yield image_id
        yield from (one for one in self.recent.due(line[1], now) if one not in named)

    def _lease(
        self, image_ids: Sequence[str], request: ClaimRequest, suspect: bool, now: float
    ) -> list[ImageRow]:
        """Lease the first of these rows that are free, as they are now."""
        status, limit = str(WAITS_FOR[request.stage]), request.limit
        taken: list[ImageRow] = []
        read = self._read(image_ids)
        free = [
            stored
            for image_id in image_ids
            if (stored := read.get(image_id)) is not None
            and stored.row.pipeline_status == status
            and stored.row.suspect == suspect
            and _is_free(stored.row, now)
        ]
        while free and len(taken) < limit:
            first, free = free[: limit - len(taken)], free[limit - len(taken) :]
            leased = self.wire.each(lambda stored: self._lease_one(stored, request, now), first)
            taken += [row for row in leased if row is not None]
        return taken

    def _lease_one(self, stored: Stored, request: ClaimRequest, now: float) -> ImageRow | None:
        row = replace(
            stored.row,
            lease_owner=request.owner,
            lease_until=now + request.lease,
            due_at=now + request.lease,
            fence=stored.row.fence + 1,
            attempts=stored.row.attempts + 1,
        )
        # If an answer is lost the write is sent again, and then fails on our own first write.
        nonce = secrets.token_hex(8)
        item = changes.item_of(replace(stored, row=row), nonce=nonce)
        there = self.wire.write(Put(keys.image(row.image_id), item, stored.unchanged))
        ours = there is None or there.get("nonce") == {"S": nonce}
        return row if ours else None

    def extend(self, claims: Sequence[Claim], lease: float, now: float) -> frozenset[str]:
        until = codec.attributes({"lease_until": now + lease, "due_at": now + lease})

        def prolong(claim: Claim) -> bool:
            ours = {"fence": claim.row.fence, "lease_owner": claim.owner}
            return self.wire.write(Add(keys.image(claim.image_id), {}, until, ours)) is None

        held = self.wire.each(prolong, claims)
        return frozenset(claim.image_id for claim, ours in zip(claims, held, strict=True) if ours)

    # --- outcomes ---

    def commit(
        self,
        outcomes: Sequence[tuple[Claim, Outcome]],
        now: float,
        run_id: str,
        keep: float | None = None,
    ) -> Committed:
        by_id = {claim.image_id: (claim, outcome) for claim, outcome in outcomes}
        if len(by_id) < len(outcomes):
            raise InvalidTransition("There are two outcomes for one image in this commit.")
        alike: dict[str, Completed] = {}  # what is to be filed: before the rows
        filed: set[str] = set()
        kept: dict[str, Claim] = {}
        found = {i: one.evidence for i, (_, one) in by_id.items() if isinstance(one, Completed)}
        said = [(by_id[i][0].row, one) for i, one in found.items()]
        standing = {image_id for image_id, _, _ in self._standing(said)}
        earlier = self._recorded_before(said)

        def decide(stored: Stored) -> Writing | None:
            claim, outcome = by_id[stored.row.image_id]
            if not holds(claim, stored):
                return None
            change = transitions.finish(claim, outcome, now, run_id, self.rules, self.rng)
            onward = None if keep is None else transitions.go_on(claim, change, keep, now)
            if onward is not None:
                change = onward
                kept[claim.image_id] = transitions.kept(claim, onward)
            evidence = found.get(claim.image_id)
            if claim.image_id in standing:
                evidence = None  # it is never written again
            elif isinstance(outcome, Completed) and outcome.likeness:
                alike[claim.image_id] = outcome
            if evidence and claim.image_id in earlier:
                page = earlier[claim.image_id]
                stored = replace(stored, pages=_points(stored.pages, evidence.stage, page))
                evidence = None
            return changes.change(stored, change, expect=stored.held, evidence=evidence)

        def before() -> None:
            self._file([by_id[image][0].row for image in alike.keys() - filed], alike)
            filed.update(alike)

        ours = self.held.of({image_id: claim for image_id, (claim, _) in by_id.items()})
        applied = frozenset(self._change(by_id, decide, before, ours))
        going_on = tuple(claim for image_id, claim in kept.items() if image_id in applied)
        return Committed(applied, frozenset(by_id.keys() - applied), going_on)

    def _file(self, rows: Sequence[ImageRow], outcomes: Mapping[str, Completed]) -> None:
        """File images under their keys of likeness. So many would crowd their transactions.

        If the commit never comes, a reader finds no evidence of the image. The next try files the
        same again, and the first one counts.
        """
        by_tenant: dict[str, list[Image]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row.image_id):
            image = row.image_id, row.landed_at, outcomes[row.image_id].likeness
            by_tenant[row.tenant].append(image)
        for tenant, images in by_tenant.items():
            self.filings.append(tenant, images)

    def release(self, claims: Sequence[Claim], now: float, reason: str, run_id: str) -> int:
        by_id = {claim.image_id: claim for claim in claims}

        def decide(stored: Stored) -> Writing | None:
            claim = by_id[stored.row.image_id]
            if not holds(claim, stored):
                return None
            change = transitions.release(claim, now, reason, run_id)
            return changes.change(stored, change, expect=stored.held)

        return len(self._change(by_id, decide, known=self.held.of(by_id)))

    # --- leases ---

    def leases(self, now: float, *, anew: bool = False) -> dict[str, float]:
        if anew:
            self._seen = NOTHING_SEEN
        seen = self._look(now)
        return living(((_owner(item), _until(item)) for item in seen.leases), seen.holders, now)

    def expire_leases(self, now: float, limit: int = 500) -> int:
        if self.adopts:
            adopt(self.wire)
        return self._expire(now, limit)

    def _expire(self, now: float, limit: int, batches: frozenset[str] | None = None) -> int:
        """Free up to `limit` rows whose lease ran out, of these batches where they are given.

        Without batches it looks at the records of owners too.
        """
        holders: dict[str, Holder] = {}
        if batches is None:
            seen = self._look(now)
            holders = seen.holders
            owners = {_owner(item) for item in seen.leases}
            for holder in holders.values():
                if is_over(holder, now) and holder.owner not in owners:
                    self.drop_holder(holder)
            ended = [
                item
                for item in seen.leases
                if _until(item) <= now or is_dead(holders.get(_owner(item)), now)
            ]
        else:
            groups = sorted({keys.group(batch) for batch in batches})
            ended = self._leased(("<=", now), groups=groups)
        expired = sorted(ended, key=_until)
        ours = [
            queue.image_id(item)
            for item in expired
            if batches is None or codec.text(item, "batch") in batches
        ]

        def decide(stored: Stored) -> Writing | None:
            holder = holders.get(stored.row.lease_owner or "")
            change = transitions.free(stored.row, holder, now, self.rules)
            return changes.change(stored, change) if change else None

        freed = len(self._change(ours[:limit], decide)) if ours else 0
        if freed:
            self._seen = NOTHING_SEEN
        return freed

    def due_later(self, than: float, limit: int = 500) -> list[ImageRow]:
        waiting = self.wire.each(
            lambda group: queue.later(self.wire, group, than, limit), keys.groups()
        )
        leased = [queue.image_id(item) for item in self._leased((">", than), limit)]
        ids = dict.fromkeys(chain(*waiting, leased))
        found = self._read(islice(ids, limit))
        return [
            stored.row
            for stored in found.values()
            if stored.row.due_at is not None and stored.row.due_at > than
        ]

    def pull_back(self, image_ids: Sequence[str], now: float, lease: float, than: float) -> int:
        def decide(stored: Stored) -> Writing | None:
            change = transitions.pull_back(stored.row, now, lease, than)
            return changes.change(stored, change) if change else None

        return len(self._change(image_ids, decide))

    def _leased(
        self,
        where: tuple[str, float] | None = None,
        most: int | None = None,
        groups: Sequence[str] | None = None,
    ) -> list[Item]:
        """Leases by their end; `most` of each group. Without `groups`: of all."""

        def read(group: str) -> list[Item]:
            return list(self.wire.query(group, where, index="leased", most=most))

        wanted = keys.groups() if groups is None else groups
        return list(chain.from_iterable(self.wire.each(read, wanted)))


def _line(status: str, batch: str, suspect: bool) -> queue.Place:
    """Where the queue has rows of a batch: the partition, and what their sort keys begin with."""
    return keys.group(batch), keys.line(status, batch, suspect)


def _until(lease: Item) -> float:
    return float(lease["lease_until"]["N"])


def _owner(lease: Item) -> str:
    return codec.text(lease, "lease_owner")


def _is_free(row: ImageRow, now: float) -> bool:
    return row.lease_owner is None and _due(row, now)


def _due(row: ImageRow, now: float) -> bool:
    return row.due_at is not None and row.due_at <= now


def _points(pages: Pointers, stage: str, page: str) -> Pointers:
    """Pointers of which that of a stage leads to a page. Empty: it leads nowhere."""
    others = {name: to for name, to in pages.items() if name != stage}
    return {**others, stage: page} if page else others
