"""The platform of one process: settings, Truth, object bytes, policies, clock, wired together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property

from parjanya_dagster import lanes, policy
from parjanya_dagster.errors import PolicyMissing, UnknownTenant
from parjanya_dagster.execution.worker import Pace
from parjanya_dagster.ingest.arrivals import Sweeper
from parjanya_dagster.ingest.uploads import Uploads
from parjanya_dagster.intent.liveness import Deadlines
from parjanya_dagster.intent.plan import Limits
from parjanya_dagster.registry import PolicyRegistry
from parjanya_dagster.settings import Settings
from parjanya_dagster.settings import load as load_settings
from parjanya_dagster.truth.objects import Objects, open_objects
from parjanya_dagster.truth.sql import open_store
from parjanya_dagster.truth.store import Store


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
        chosen = lanes.BY_NAME[self.settings.lanes]
        patience = self.settings.launch_deadline
        return (
            tuple(replace(lane, launch_deadline=patience) for lane in chosen if patience) or chosen
        )

    @property
    def limits(self) -> Limits:
        s = self.settings
        return Limits(
            s.run_rows,
            queued_runs=s.queued_runs,
            run_seconds=s.run_seconds,
            deadlines=Deadlines(start=s.start_deadline, silence=s.run_silence, stall=s.run_stall),
        )

    @property
    def pace(self) -> Pace:
        s = self.settings
        return Pace(s.micro_batch_rows, s.micro_batch_seconds, s.lease)

    @property
    def sweeper(self) -> Sweeper:
        return Sweeper(self.store, self.objects, self.clock, self.new_policy)

    @property
    def uploads(self) -> Uploads:
        s = self.settings
        return Uploads(
            self.store,
            self.objects,
            self.clock,
            seconds=s.upload_seconds,
            most_bytes=s.max_image_bytes,
        )

    def new_policy(self) -> str:
        """The policy that new tenants are pinned to. Raises PolicyMissing."""
        return self.registry.named(self.settings.new_tenants_policy).ref

    @cached_property
    def registry(self) -> PolicyRegistry:
        return PolicyRegistry(self.store, self.clock)

    def policy_of(self, tenant: str) -> policy.Policy:
        """The policy a tenant is pinned to. Raises UnknownTenant, PolicyMissing."""
        found = self.store.tenant(tenant)
        if found is None:
            raise UnknownTenant(f"There is no tenant {tenant!r}.")
        try:
            return self.registry.get(found.policy)
        except PolicyMissing as error:
            raise PolicyMissing(
                f"Tenant {tenant!r} is pinned to {found.policy!r}. {error}"
            ) from None


def open_platform(settings: Settings | None = None, migrating: bool = False) -> Platform:
    """Open the platform. Raises SettingsInvalid, TruthUnavailable, SchemaOutdated."""
    settings = settings or load_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    store = open_store(
        settings.truth,
        rules=settings.rules,
        batch_size=settings.batch_size,
        migrating=migrating,
    )
    platform = Platform(settings, store, open_objects(settings.objects, settings.settle))
    platform.registry.publish_builtin()
    return platform


@cache
def shared_platform() -> Platform:
    """The platform of this process, opened on first use."""
    return open_platform()
