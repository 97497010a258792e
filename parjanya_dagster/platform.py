"""The platform of one process: settings, Truth, objects, policies and clock, wired together.

A room is imported when it is first entered: most commands need Truth and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

from parjanya_dagster import lanes
from parjanya_dagster.errors import HomeMissing, PolicyMissing, UnknownTenant
from parjanya_dagster.lanes.placement import placed
from parjanya_dagster.settings import Settings
from parjanya_dagster.settings import load as load_settings
from parjanya_dagster.truth import Hints, open_hints, open_probe, open_store

if TYPE_CHECKING:
    from parjanya_dagster.belief.snapshot import Belief
    from parjanya_dagster.execution.worker import Pace
    from parjanya_dagster.ingest.arrivals import Sweeper
    from parjanya_dagster.ingest.changed_files import ChangedFiles
    from parjanya_dagster.ingest.mailbox import Mailbox
    from parjanya_dagster.ingest.owners import BucketNames
    from parjanya_dagster.ingest.pacing import Pacing
    from parjanya_dagster.ingest.watch import Watch
    from parjanya_dagster.intent.eligibility import Eligibility
    from parjanya_dagster.intent.limits import Limits
    from parjanya_dagster.intent.loop import Loop
    from parjanya_dagster.intent.scaling_groups import ScalingGroups
    from parjanya_dagster.learning.tastes import Tastes
    from parjanya_dagster.objects.store import Objects
    from parjanya_dagster.policy import Policy
    from parjanya_dagster.queues.messages import Queue
    from parjanya_dagster.similar import Similar
    from parjanya_dagster.truth.models import ImageRow, Tenant
    from parjanya_dagster.truth.policy_registry import PolicyRegistry
    from parjanya_dagster.truth.probe import Probe
    from parjanya_dagster.truth.store import Store
    from parjanya_dagster.uploads.promises import Uploads


@dataclass(frozen=True)
class Platform:
    """What sensors, assets and the command line work with."""

    settings: Settings
    store: Store
    objects: Objects
    clock: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep

    @property
    def lanes(self) -> tuple[lanes.Lane, ...]:
        return lanes_of(self.settings)

    @property
    def limits(self) -> Limits:
        from parjanya_dagster.belief.drift import drifts
        from parjanya_dagster.intent.limits import Limits
        from parjanya_dagster.intent.liveness import Deadlines

        s = self.settings
        held = {drift.lane for drift in drifts(self.store)} if s.identity.hold_drifted else ()
        return Limits(
            run_rows=s.runs.rows,
            held_lanes=frozenset(held),
            queued_runs=s.runs.queued,
            queue_lanes=frozenset(s.lanes.queues),
            run_seconds=s.runs.seconds,
            lease=s.runs.lease,
            deadlines=Deadlines(
                start=s.runs.start_deadline, silence=s.runs.silence, stall=s.runs.stall
            ),
        )

    @property
    def pace(self) -> Pace:
        from parjanya_dagster.execution.worker import Pace

        return Pace(lease=self.settings.runs.lease)

    @cached_property
    def sweeper(self) -> Sweeper:
        from parjanya_dagster.ingest.arrivals import Sweeper
        from parjanya_dagster.ingest.owners import BucketNames

        sweeper = Sweeper(self.store, self.objects, self.clock, self.new_policy)
        if self.settings.objects_url.startswith("file:"):
            return sweeper  # every folder is a tenant's
        names = BucketNames(self.settings.tenants.buckets)
        return replace(sweeper, names=names, candidates=partial(_candidates, names))

    @cached_property
    def mailbox(self) -> Mailbox | None:
        """The notifications of buckets. None: there are none, and the sweep finds everything."""
        if not self.settings.arrivals.queue:
            return None
        from parjanya_dagster.aws.queues import SqsQueue
        from parjanya_dagster.ingest.mailbox import Mailbox

        return Mailbox(
            self.store,
            self.objects,
            SqsQueue(self.settings.arrivals.queue),
            SqsQueue(self.settings.arrivals.dead_letters),
            self.sweeper.names,
            self.sweeper.add_tenant,
            self.clock,
        )

    @cached_property
    def queues(self) -> dict[str, Queue]:
        """Lane -> the queue it works from. Other lanes work from Dagster's queue."""
        from parjanya_dagster.aws.queues import SqsQueue

        return {lane: SqsQueue(name) for lane, name in self.settings.lanes.queues.items()}

    @property
    def all_queues(self) -> dict[str, Queue]:
        """Every queue that the settings name, by its role."""
        from parjanya_dagster.aws.queues import SqsQueue
        from parjanya_dagster.queues.messages import DEAD_LETTERS

        queues: dict[str, Queue] = {}
        if self.mailbox is not None:
            queues = {"arrivals": self.mailbox.queue}
        if self.settings.arrivals.dead_letters:
            queues[DEAD_LETTERS] = SqsQueue(self.settings.arrivals.dead_letters)
        return queues | {f"lane {lane}": queue for lane, queue in self.queues.items()}

    @property
    def watch(self) -> Watch:
        """The loop of the sensor `arrivals`."""
        from parjanya_dagster.ingest.watch import Watch

        return Watch(
            store=self.store,
            sweeper=self.sweeper,
            mailbox=self.mailbox,
            changed=self.changed_files,
            follow_uploads=lambda deadline: self.uploads.settle(deadline).registered,
            sweep_every=self.settings.arrivals.sweep_every,
            clock=self.clock,
            pause=self.pause,
            landed=self._note_landed,
            pacing=self.pacing,
        )

    @cached_property
    def changed_files(self) -> ChangedFiles | None:
        """Files in folders that the operating system tells of. None: a queue or nothing tells."""
        if self.mailbox is not None or not self._in_folders:
            return None
        from parjanya_dagster.ingest.changed_files import ChangedFiles
        from parjanya_dagster.objects.folder_changes import FolderChanges

        return ChangedFiles(
            store=self.store,
            objects=self.objects,
            folders=FolderChanges(),
            pacing=self.pacing,
            clock=self.clock,
        )

    @cached_property
    def pacing(self) -> Pacing:
        """The pace of sweeps, kept from tick to tick."""
        from parjanya_dagster.ingest.pacing import PAID, Pacing

        return Pacing() if self._in_folders else Pacing(rate=PAID)

    @property
    def _in_folders(self) -> bool:
        return self.settings.objects_url.startswith("file:")

    @cached_property
    def landed(self) -> threading.Event:
        """Set where the watch of this process has registered something. A hint, no more."""
        return threading.Event()

    @cached_property
    def landed_alone_at(self) -> list[float]:
        """When that was, if nothing else was being written. Empty: more may follow."""
        return []

    def _note_landed(self, more_may_follow: bool) -> None:
        alone = self._in_folders and not more_may_follow  # elsewhere nobody sees what is written
        self.landed_alone_at[:] = [self.clock()] if alone else []
        self.landed.set()

    def _pause_unless_landed(self, seconds: float) -> None:
        """The reconciler looks sooner where the arrivals of the same process know of something."""
        if self.pause is not time.sleep:  # a test steps the time
            self.pause(seconds)
        elif self.landed.wait(seconds):
            self.landed.clear()

    def loop(self, dagster: Belief) -> Loop:
        """The loop of the sensor `pending_rows`, over what Dagster is believed to do."""
        from parjanya_dagster.intent.dispatch import Dispatcher
        from parjanya_dagster.intent.loop import NEVER, Loop
        from parjanya_dagster.regrade.rescue import Rescuer

        return Loop(
            store=self.store,
            belief=self.believing(dagster),
            lanes=self.lanes,
            limits=lambda: self.limits,
            eligibility=self.eligibility,
            dispatcher=Dispatcher(self.store, self.queues, self.clock),
            scaling_groups=self.scaling_groups,
            advance_regrades=Rescuer(self.store, self.registry.get, self.clock).advance,
            hints=self.hints,
            clock=self.clock,
            pause=self._pause_unless_landed,
            landed_alone=lambda: max(self.landed_alone_at, default=NEVER),
        )

    @property
    def eligibility(self) -> Eligibility:
        from parjanya_dagster.intent.eligibility import Eligibility

        lanes = self.settings.lanes
        costly = self.queues.keys() | lanes.scaling_groups.keys() | lanes.model_services.keys()
        return Eligibility(
            store=self.store, objects=self.objects, clock=self.clock, costly=frozenset(costly)
        )

    @cached_property
    def scaling_groups(self) -> ScalingGroups:
        """The Auto Scaling groups of lanes, and their model servers."""
        from parjanya_dagster.aws.groups import AutoScalingGroup
        from parjanya_dagster.aws.services import EcsService
        from parjanya_dagster.intent.autoscaling import Bounds
        from parjanya_dagster.intent.scaling_groups import Group, ScalingGroups

        s, most = self.settings, self.settings.scaling.max_instances
        groups: dict[str, Group] = {
            lane: AutoScalingGroup(name) for lane, name in s.lanes.scaling_groups.items()
        }
        for lane, name in s.lanes.model_services.items():
            groups[lane] = EcsService.named(name, most)
        return ScalingGroups(
            store=self.store,
            groups=groups,
            bounds=Bounds(most, idle=s.scaling.idle),
            clock=self.clock,
        )

    def believing(self, dagster: Belief) -> Belief:
        """What Dagster and the queues of lanes are believed to do."""
        from parjanya_dagster.belief.queue_depths import QueuedLanes

        return QueuedLanes(dagster, self.store, self.queues, self.lanes)

    @property
    def uploads(self) -> Uploads:
        from parjanya_dagster.uploads.promises import Uploads

        s = self.settings
        return Uploads(
            self.store,
            self.objects,
            self.clock,
            seconds=s.uploads.seconds,
            most_bytes=s.media.max_bytes,
        )

    @cached_property
    def similar(self) -> Similar:
        """Images that look alike. Its indexes are kept from question to question."""
        from parjanya_dagster.similar import Similar  # it imports NumPy

        return Similar(self.store, self.objects, self.settings, self.clock)

    def new_policy(self) -> str:
        """The policy that new tenants are pinned to. Raises PolicyMissing."""
        return self.registry.named(self.settings.tenants.policy).ref

    @cached_property
    def hints(self) -> Hints | None:
        """Hints of changes of Truth. None: there are no hints, so Truth itself is polled."""
        return open_hints(self.settings.truth_url, self.clock)

    @cached_property
    def probe(self) -> Probe:
        """Raises TruthUnavailable, within seconds, where Truth does not answer."""
        return open_probe(self.settings.truth_url)

    @cached_property
    def registry(self) -> PolicyRegistry:
        from parjanya_dagster.truth.policy_registry import PolicyRegistry

        return PolicyRegistry(self.store, self.clock)

    @cached_property
    def tastes(self) -> Tastes:
        """What tenants' tastes say of images."""
        from parjanya_dagster.embeddings import Space, embeddings_of  # they import NumPy
        from parjanya_dagster.learning.tastes import Tastes

        def vectors(space: Mapping[str, Any], rows: Sequence[ImageRow]) -> dict[str, Any]:
            found = embeddings_of(self.store, self.objects, Space(**space), rows)
            return dict(zip(found.image_ids, found.matrix, strict=True))

        def chosen() -> dict[str, Any] | None:
            from parjanya_dagster.execution.engines import chosen_space

            space = chosen_space(self.settings)
            return asdict(space) if space else None

        return Tastes(self.store, self.objects, vectors, chosen)

    def tenant(self, slug: str) -> Tenant:
        """The tenant of this name. Raises UnknownTenant."""
        tenant = self.store.tenant(slug)
        if tenant is None:
            raise UnknownTenant.named(slug)
        return tenant

    def policy_of(self, tenant: str) -> Policy:
        """The policy a tenant is pinned to. Raises UnknownTenant, PolicyMissing."""
        pinned = self.tenant(tenant).policy
        try:
            return self.registry.get(pinned)
        except PolicyMissing as error:
            raise PolicyMissing(f"Tenant {tenant!r} is pinned to {pinned!r}. {error}") from None


def _candidates(names: BucketNames) -> list[str]:
    """Buckets whose names look like those of tenants."""
    from parjanya_dagster.aws.buckets import buckets

    if not names.template:
        return []
    return [bucket for bucket in buckets(names.prefix) if names.tenant(bucket) is not None]


def lanes_of(settings: Settings) -> tuple[lanes.Lane, ...]:
    """The lanes of a layout, placed where they run."""
    chosen = placed(
        lanes.BY_NAME[settings.lanes.layout], settings.lanes.launcher, settings.lanes.by_name
    )
    patience = settings.runs.launch_deadline
    return tuple(replace(lane, launch_deadline=patience) for lane in chosen if patience) or chosen


def open_platform(settings: Settings | None = None, migrating: bool = False) -> Platform:
    """Open the platform. Only where `migrating` is anything made: the home, the schema, policies.

    Raises SettingsInvalid, HomeMissing, TruthUnavailable, SchemaOutdated.
    """
    from parjanya_dagster.objects import open_objects

    settings = settings or load_settings()
    objects = open_objects(
        settings.objects_url, settings.arrivals.settle, settings.objects.readable
    )
    if migrating:
        settings.home.mkdir(parents=True, exist_ok=True)
    else:
        require_home(settings)
    store = open_store(
        settings.truth_url,
        rules=settings.rules,
        batch_size=settings.arrivals.batch_size,
        migrating=migrating,
        objects=objects,
    )
    platform = Platform(settings, store, objects)
    if migrating:
        platform.registry.publish_builtin()
    return platform


def require_home(settings: Settings) -> None:
    """Raise HomeMissing where Truth should be in a file that is not there."""
    file = settings.truth_file
    if file is not None and not file.exists():
        raise HomeMissing(
            f"There is no home at {settings.home}: {file} is missing. `parjanya up` makes one; "
            "--home or PARJANYA_HOME names another. One that was here can be brought back: "
            "docs/backup.md."
        )


_opening = threading.Lock()


def shared_platform() -> Platform:
    """The platform of this process of Dagster, opened on first use. The same one for all threads:
    the sensors begin at the same moment, and one hears from the other what landed.

    A Truth in a file is made if need be: with `dagster dev` nobody else does.
    """
    with _opening:
        return _opened()


@cache
def _opened() -> Platform:
    settings = load_settings()
    platform = open_platform(settings, migrating=settings.truth_file is not None)
    platform.registry.publish_builtin()
    return platform
