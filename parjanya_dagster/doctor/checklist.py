"""The maintenance checklist, as checks that run: `parjanya doctor --maintenance`.

The doctor says what is wrong now. These checks say what will go wrong later: disks that fill,
retention that stopped, missing declarations, failures that nobody retried.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from parjanya_dagster.belief.drift import declared, drifts
from parjanya_dagster.doctor.facts import Facts
from parjanya_dagster.doctor.findings import OURS, Finding, Severity, some
from parjanya_dagster.errors import ParjanyaError, PolicyMissing
from parjanya_dagster.media import jail
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.recount import miscounted

DAY = 86_400.0
FREE_SHARE, FREE_BYTES = 0.10, 2 << 30
MOST_LOG_BYTES = 1 << 30
MOST_KEYS = 50_000  # half of what Dagster recommends as the most
RETENTION_LATE = 2.0  # days that its schedule may miss


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One line of the checklist."""

    name: str
    passed: bool | None  # None: it could not be checked
    said: str
    next_step: str = ""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What the checks look at."""

    platform: Platform
    examine: Callable[[], tuple[list[Finding], Facts]]
    oldest_run: Callable[[], float | None]  # when Dagster's oldest ended run was last changed
    disk: Callable[[Path], tuple[int, int]] = lambda path: (
        shutil.disk_usage(path).total,
        shutil.disk_usage(path).free,
    )

    @cached_property
    def examined(self) -> tuple[list[Finding], Facts]:
        return self.examine()


Check = Callable[[Ground], Checked]


def checklist(
    ground: Ground, progress: Callable[[str], None] = lambda check: None
) -> Iterator[Checked]:
    """Every check, in order. A check that raises could not be made, and gives the reason.

    `progress` hears what is checked next, such as "counters are right".
    """
    for check in CHECKS:
        progress(check.__name__.replace("_", " "))
        try:
            yield check(ground)
        except Exception as error:
            reason = str(error) if isinstance(error, ParjanyaError) else repr(error)
            yield Checked(
                name=check.__name__, passed=None, said=reason, next_step="parjanya doctor"
            )


def nothing_wrong_now(ground: Ground) -> Checked:
    findings, facts = ground.examined
    errors = [finding.code for finding in findings if finding.severity is Severity.ERROR]
    if facts.unread:
        raise ParjanyaError(f"Could not read {', '.join(facts.unread)}.")
    text = f"the doctor finds {', '.join(errors)}" if errors else "the doctor finds no error"
    return Checked(
        name="nothing_wrong_now", passed=not errors, said=text, next_step="parjanya doctor"
    )


def every_row_accounted_for(ground: Ground) -> Checked:
    counts = ground.platform.store.counted()  # the doctor believes the counters
    lost = {count.tenant: count.registered - count.rows - count.departed for count in counts}
    broken = ", ".join(tenant for tenant, rows in lost.items() if rows)
    rows = sum(count.rows for count in counts)
    text = f"the law is broken for {broken}" if broken else f"{some(rows, 'row')} add up"
    return Checked(
        name="every_row_accounted_for", passed=not broken, said=text, next_step="parjanya doctor"
    )


def counters_are_right(ground: Ground) -> Checked:
    wrong = ", ".join(kept.tenant for kept, _ in miscounted(ground.platform.store))
    return Checked(
        name="counters_are_right",
        passed=not wrong,
        said=f"counters differ from a count of all rows for {wrong}" if wrong else "they agree",
        next_step="parjanya recount --repair",
    )


def room_on_the_disk(ground: Ground) -> Checked:
    total, free = ground.disk(ground.platform.settings.home)
    enough = free >= FREE_BYTES and free >= FREE_SHARE * total
    text = f"{free / 2**30:.1f} GiB of {total / 2**30:.1f} GiB are free below the home"
    return Checked(
        name="room_on_the_disk", passed=enough, said=text, next_step="Free space, or move the home."
    )


def logs_are_small(ground: Ground) -> Checked:
    files = (ground.platform.settings.home / "logs").glob("*.log")
    size = sum(file.stat().st_size for file in files)
    text = f"logs of the processes have {size / 2**20:.0f} MiB"
    step = "Move them away and restart `parjanya up`; in a cluster, logs go to standard output."
    return Checked(name="logs_are_small", passed=size < MOST_LOG_BYTES, said=text, next_step=step)


def decoders_are_shut_in(ground: Ground) -> Checked:
    """Of this machine: workers on others may have another kernel."""
    offered = jail.offered()
    return Checked(
        name="decoders_are_shut_in",
        passed=offered.whole,
        said=f"the jail of decoders on this machine: {offered}",
        next_step="Allow seccomp(2) in the container, or run workers on Linux (x86-64, ARM64).",
    )


def old_runs_are_let_go(ground: Ground) -> Checked:
    days = ground.platform.settings.retention.runs_days
    if not days:
        return Checked(
            name="old_runs_are_let_go", passed=True, said="runs are kept for ever, by setting"
        )
    oldest = ground.oldest_run()
    age = 0.0 if oldest is None else (ground.platform.clock() - oldest) / DAY
    text = f"the oldest ended run is {age:.0f} days old, {days:.0f} are kept"
    step = "Launch the job retention_job in the UI, and switch retention_schedule on."
    return Checked(
        name="old_runs_are_let_go", passed=age <= days + RETENTION_LATE, said=text, next_step=step
    )


def partition_keys_are_few(ground: Ground) -> Checked:
    snapshot = ground.examined[1].snapshot
    if snapshot is None:
        raise ParjanyaError("Dagster's partitions could not be read.")
    keys = len(snapshot.keys)
    step = "Lower PARJANYA_RETENTION__KEYS_DAYS or raise PARJANYA_ARRIVALS__BATCH_SIZE."
    text = f"Dagster knows {some(keys, 'partition key')}"
    return Checked(
        name="partition_keys_are_few", passed=keys <= MOST_KEYS, said=text, next_step=step
    )


def lanes_are_declared(ground: Ground) -> Checked:
    store = ground.platform.store
    missing = [lane.name for lane in ground.platform.lanes if lane.name not in declared(store)]
    drifted = drifts(store)
    text = "every lane is declared, and runs as declared"
    if missing:
        text = f"nothing is declared for {', '.join(missing)}: drift cannot be seen"
    elif drifted:
        text = "; ".join(map(str, drifted))
    step = "parjanya declare --show; then parjanya declare in the image that should run"
    return Checked(
        name="lanes_are_declared", passed=not missing and not drifted, said=text, next_step=step
    )


def pinned_policies_are_published(ground: Ground) -> Checked:
    missing = []
    tenants = ground.platform.store.tenants()
    for tenant in tenants:
        try:
            ground.platform.policy_of(tenant.slug)
        except PolicyMissing:
            missing.append(f"{tenant.slug} ({tenant.policy})")
    text = f"not published: {', '.join(missing)}" if missing else f"{some(len(tenants), 'tenant')}"
    step = "parjanya policy publish FILE, or pin the tenant to one of `parjanya policy list`"
    return Checked(
        name="pinned_policies_are_published", passed=not missing, said=text, next_step=step
    )


def decided_under_the_pin(ground: Ground) -> Checked:
    others = ground.platform.store.mispinned()
    rows = sum(other.rows for other in others)
    text = f"{some(rows, 'image')} decided under another version than their tenant's pin"
    step = "parjanya regrade --tenant T --to POLICY --preview"
    return Checked(name="decided_under_the_pin", passed=not rows, said=text, next_step=step)


def failures_are_looked_at(ground: Ground) -> Checked:
    """Failures that were not the image's fault. The doctor reports them for one day only."""
    store, now = ground.platform.store, ground.platform.clock()
    old = {
        f"{count.tenant}: {failure_class}"
        for count in store.counts()
        for failure_class in OURS
        if count.by_failure.get(failure_class)
        and any(now - row.updated_at > DAY for row in store.failed(count.tenant, failure_class))
    }
    text = f"nobody did again: {', '.join(sorted(old))}" if old else "no old failure of ours"
    return Checked(
        name="failures_are_looked_at",
        passed=not old,
        said=text,
        next_step="parjanya replay --failed --preview",
    )


CHECKS: tuple[Check, ...] = (
    nothing_wrong_now,
    every_row_accounted_for,
    counters_are_right,
    room_on_the_disk,
    logs_are_small,
    decoders_are_shut_in,
    old_runs_are_let_go,
    partition_keys_are_few,
    lanes_are_declared,
    pinned_policies_are_published,
    decided_under_the_pin,
    failures_are_looked_at,
)
