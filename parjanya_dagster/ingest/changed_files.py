"""Files that are taken in at once, since the operating system told of them (decision 0054).

A large bucket is swept seldom, because a sweep of it is dear (see `pacing`). What is written there
is told by the operating system, and looked at alone. A hint that is lost costs time and no image:
the sweep finds every file, and it alone says what is gone, refused or set aside.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from parjanya_dagster.errors import BucketUnknown, ObjectGone, StorageUnavailable
from parjanya_dagster.ingest.known_buckets import KnownBuckets
from parjanya_dagster.ingest.pacing import Pacing
from parjanya_dagster.ingest.recognition import Recognition
from parjanya_dagster.ingest.registering import arrival_of, register
from parjanya_dagster.ingest.results import SweepResult
from parjanya_dagster.objects.folder_changes import FolderChanges
from parjanya_dagster.objects.keys import is_unfinished, refusal, set_aside
from parjanya_dagster.objects.store import ObjectInfo, Objects
from parjanya_dagster.truth.models import Tenant, image_id
from parjanya_dagster.truth.store import Store

SECONDS = 5.0  # of one look, for reading files that may be known images
AGAIN = 60.0
"""A file that is not complete is looked at again where it was written in these last seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFiles:
    """Registers what is written into buckets that are swept seldom."""

    store: Store
    objects: Objects
    folders: FolderChanges
    pacing: Pacing
    clock: Callable[[], float]

    def take(self) -> SweepResult:
        """Follow the buckets that a sweep is too dear for, and register what was told of them.

        A bucket that does not answer is left to the sweep, which tells of it. Raises
        TruthUnavailable.
        """
        taken = SweepResult()
        slow = self.pacing.next_sweep
        tenants = [one for one in self.store.tenants() if one.slug in slow] if slow else []
        by_folder = {self._folder(one): one for one in tenants if one.status == "active"}
        self.folders.follow(by_folder)
        for folder, paths in self.folders.take().items():
            tenant = by_folder.get(folder)
            if tenant is None:
                continue
            keys = [tenant.prefix + os.path.relpath(path, folder) for path in sorted(paths)]
            try:
                unfinished = self._look(tenant, keys, taken)
            except (BucketUnknown, StorageUnavailable):
                continue
            self.folders.again(
                folder, (self.objects.place(tenant.bucket, key) for key in unfinished)
            )
        return taken

    def _folder(self, tenant: Tenant) -> str:
        return self.objects.place(tenant.bucket, tenant.prefix)

    def _look(self, tenant: Tenant, keys: list[str], taken: SweepResult) -> list[str]:
        """Register what lies at these keys. Returns those that may be complete in a moment."""
        buckets = KnownBuckets(self.store, self.objects, self.clock)
        buckets.refresh()
        buckets.require(tenant)
        infos: dict[str, ObjectInfo] = {}  # image -> its object
        unfinished = []
        for key in keys:
            if is_unfinished(key) or set_aside(key) is not None or refusal(key) is not None:
                continue  # one that is renamed is told of again
            try:
                info = self.objects.head(tenant.bucket, key)
            except ObjectGone:
                continue
            now = self.clock()
            if self.objects.complete(tenant.bucket, info, now):
                infos[image_id(tenant.bucket, key, info.version)] = info
            elif abs(now - info.modified_at) < AGAIN:  # later its end is told
                unfinished.append(key)
        new = sorted(infos.keys() - self.store.known(infos))
        arrivals = [arrival_of(tenant, infos[image]) for image in new]
        recognition = Recognition(
            store=self.store, objects=self.objects, clock=self.clock, seconds=SECONDS
        )
        told = recognition.recognize(tenant.bucket, arrivals) if arrivals else []
        registered, _ = register(self.store, told, self.clock())
        taken.add(row.batch for row in registered if row.created)
        return unfinished
