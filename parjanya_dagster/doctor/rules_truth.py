"""Rules that compare Truth with what exists: rows, objects, refused names, clocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from parjanya_dagster.doctor.case import ARRIVALS, Case, Rule
from parjanya_dagster.doctor.facts import Missing
from parjanya_dagster.doctor.findings import Finding, finding, some
from parjanya_dagster.truth.models import ImageRow


def _rows_missing(case: Case) -> Iterator[Finding]:
    for counts in case.facts.counts:
        lost = counts.registered - counts.rows - counts.departed
        if lost:
            yield finding(
                "rows_missing",
                f"{counts.tenant}: {counts.registered} rows were registered, but {counts.rows} are "
                f"present and {counts.departed} departed: {abs(lost)} "
                f"{'missing' if lost > 0 else 'too many'}",
                tenant=counts.tenant,
                registered=counts.registered,
                present=counts.rows,
                departed=counts.departed,
            )


def _rows_stranded(case: Case) -> Iterator[Finding]:
    for tenant, rows in case.facts.stranded.items():
        yield finding(
            "rows_stranded",
            f"{tenant}: {some(rows, 'row')} pending that no claim can reach",
            tenant=tenant,
            rows=rows,
        )


def _objects_unregistered(case: Case) -> Iterator[Finding]:
    for bucket in case.facts.buckets:
        if bucket.unregistered:
            yield finding(
                "objects_unregistered",
                f"{bucket.tenant}: {some(bucket.unregistered, 'object')} of {bucket.objects} "
                f"without a row, such as {bucket.example}",
                bucket.oldest,
                tenant=bucket.tenant,
                bucket=bucket.bucket,
                objects=bucket.objects,
                without_row=bucket.unregistered,
            )


def _objects_absent(case: Case) -> Iterator[Finding]:
    for bucket in case.facts.buckets:
        if bucket.absent:
            yield finding(
                "rows_without_object",
                f"{bucket.tenant}: {some(bucket.absent, 'row')} present in Truth but without an "
                f"object in the bucket {bucket.bucket!r}, such as {bucket.absent_example}",
                tenant=bucket.tenant,
                bucket=bucket.bucket,
                objects=bucket.objects,
                rows_without_object=bucket.absent,
            )


def _places(case: Case) -> Iterator[Finding]:
    kinds: dict[tuple[str, str, str], list[Missing]] = defaultdict(list)
    for missing in case.facts.missing:
        code = "preview_missing" if missing.what == "preview" else "object_missing"
        if missing.found_in is not None:
            code = "object_elsewhere"
        kinds[code, missing.row.tenant, missing.found_in or ""].append(missing)
    for (code, tenant, where), alike in kinds.items():
        row = alike[0].row
        bucket = row.preview_bucket if alike[0].what == "preview" else row.bucket
        share = f"{len(alike)} of {case.facts.places_checked} places looked at"
        evidence: dict[str, float | int | str] = {"found_in": where} if where else {}
        state = f"is in the bucket {where!r}" if where else "is not there"
        yield finding(
            code,
            f"{tenant}: the {alike[0].what} of {row.key} should be in the bucket {bucket!r} and "
            f"{state} ({share})",
            tenant=tenant,
            rows=len(alike),
            looked_at=case.facts.places_checked,
            bucket=bucket or "none",
            image=row.image_id,
            **evidence,
        )


def _decided_from_other_evidence(case: Case) -> Iterator[Finding]:
    alike: dict[tuple[str, str], list[ImageRow]] = defaultdict(list)
    for row in case.facts.unfit:
        alike[row.tenant, row.policy or ""].append(row)
    for (tenant, policy), rows in alike.items():
        yield finding(
            "decided_from_other_evidence",
            f"{tenant}: {some(len(rows), 'image')} of a sample decided under {policy} from "
            "evidence made by another prompt or other metrics than it names",
            min(row.updated_at for row in rows),
            tenant=tenant,
            policy=policy,
            rows=len(rows),
            image=rows[0].image_id,
        )


def _refused(case: Case) -> Iterator[Finding]:
    """By tenant: a bucket or folder that keeps its arrivals out, and names that are refused."""
    beat = (case.facts.loops or {}).get(ARRIVALS)
    by_tenant: Mapping[str, Any] = beat.payload.get("refused", {}) if beat else {}
    for tenant, refused in by_tenant.items():
        if not isinstance(refused, Mapping):  # a heartbeat of another version
            continue
        whose = {"tenant": tenant} if tenant else {}
        names: dict[str, str] = dict(refused["such_as"])
        blocked = {name: why for name, why in names.items() if name.endswith("/")}
        for name, why in blocked.items() if tenant else ():
            yield finding(
                "arrivals_blocked",
                f"{tenant}: nothing below {name} is taken in: {why}",
                tenant=tenant,
                place=name,
            )
        left = {name: why for name, why in names.items() if not tenant or name not in blocked}
        if left:
            name, why = next(iter(left.items()))
            count = int(refused["names"]) - (len(blocked) if tenant else 0)
            yield finding(
                "arrivals_refused",
                f"{tenant or 'no tenant'}: {some(count, 'name')} refused, such as {name}: {why}",
                names=count,
                example=name,
                **whose,
            )


def _clock_skew(case: Case) -> Iterator[Finding]:
    facts, most = case.facts, case.grace.clock_skew
    if facts.ahead is not None and abs(facts.ahead) > most:
        way = "ahead of" if facts.ahead > 0 else "behind"
        yield finding(
            "clock_skew",
            f"Truth's server is {abs(facts.ahead):.0f} s {way} this machine; leases assume "
            f"{most:.0f} s at most",
            seconds=round(facts.ahead, 1),
        )
    ahead = {name: beat.at - facts.now for name, beat in (facts.loops or {}).items()}
    future = {name: seconds for name, seconds in ahead.items() if seconds > most}
    if future:
        name = max(future, key=lambda loop: future[loop])
        yield finding(
            "clock_skew",
            f"The last heartbeat of {name} is {future[name]:.0f} s in the future",
            heartbeat=name,
            seconds=round(future[name], 1),
        )


TRUTH_RULES: tuple[Rule, ...] = (
    _rows_missing,
    _rows_stranded,
    _objects_unregistered,
    _objects_absent,
    _places,
    _decided_from_other_evidence,
    _refused,
    _clock_skew,
)
