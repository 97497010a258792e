"""Uploads from outside: promised, presigned, and followed until they arrive or expire.

A promise is recorded before its URL is handed out. It is kept when an image row of its key exists,
whether an event, the sweep or this module made that row. So nothing has to happen on arrival, and a
crash at any point loses nothing.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from parjanya_dagster.errors import (
    ArrivalRefused,
    BucketMissing,
    ObjectGone,
    StorageUnavailable,
    UnknownTenant,
    UnknownUpload,
    UploadRefused,
)
from parjanya_dagster.lines import get_logger
from parjanya_dagster.objects.store import ObjectInfo, Objects, PresignedPut
from parjanya_dagster.truth.models import Arrival, ImageRow, Tenant
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.uploads import ARRIVED, EXPIRED, Token, UploadRow
from parjanya_dagster.uploads import cors
from parjanya_dagster.uploads.names import key_of

log = get_logger(__name__)

GRACE = 900.0
"""Seconds that an upload may go on after its URL expired: S3 checks only at its start."""

WAITS = (60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0)
"""Seconds until uploads are looked for again in a bucket that did not answer."""

MOST_FILES = 200
"""Files of one request."""

NEVER_CAME = "the browser never reached PUT"

CONTENT_TYPES = frozenset(
    {
        "image/jpeg", "image/png", "image/webp", "image/tiff", "image/bmp", "image/gif",
        "image/avif", "image/heic", "image/heif", "image/x-adobe-dng", "image/dng", "image/x-raw",
        "image/x-canon-cr2", "image/x-canon-cr3", "image/x-nikon-nef", "image/x-sony-arw",
        "image/x-fuji-raf", "image/x-olympus-orf", "image/x-panasonic-rw2",
        "application/octet-stream",  # what a browser says of RAW files
    }
)  # fmt: skip
"""Types that may be promised. They are not trusted: validation looks at the bytes."""

Preflight = Callable[[str, str], cors.Verdict]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that somebody would like to upload."""

    name: str
    content_type: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Promise:
    """A recorded upload, and where to put it. None: the storage has no URLs of its own."""

    row: UploadRow
    put: PresignedPut | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload has come. `status` is that of the upload, then that of its image."""

    row: UploadRow
    image: ImageRow | None

    @property
    def status(self) -> str:
        return self.image.pipeline_status if self.image else self.row.status

    @property
    def done(self) -> bool:
        return Status(self.status).terminal if self.image else self.row.status == EXPIRED


@dataclass(slots=True)
class Settled:
    """What one pass over due uploads did."""

    arrived: int = 0
    registered: list[str] = field(default_factory=list)  # batches of images nobody had seen
    expired: int = 0
    left: int = 0  # the storage did not answer, or there was no time


@dataclass(frozen=True, slots=True)
class Uploads:
    """Promises uploads, and follows them."""

    store: Store
    objects: Objects
    clock: Callable[[], float]
    preflight: Preflight = cors.preflight
    seconds: int = 900  # that a URL is good for
    most_bytes: int = 256 << 20

    def promise(
        self, tenant: Tenant, token: Token, wanted: Sequence[Wanted], origin: str = ""
    ) -> list[Promise]:
        """Record uploads and say where to put them. If one is refused, all are.

        `origin`: the web origin of the browser that asks. Empty: it is not a browser. Raises
        UploadRefused, StorageUnavailable, TruthUnavailable.
        """
        if not 0 < len(wanted) <= MOST_FILES:
            raise UploadRefused(f"Ask for 1 to {MOST_FILES} files at a time.")
        now = self.clock()
        rows = [self._row(tenant, token, file, origin, now) for file in wanted]
        promises = [
            Promise(
                row,
                self.objects.presigned_put(
                    row.bucket, row.key, row.content_type, row.size, self.seconds
                ),
            )
            for row in rows
        ]
        self.store.add_uploads(rows)
        return promises

    def _row(
        self, tenant: Tenant, token: Token, file: Wanted, origin: str, now: float
    ) -> UploadRow:
        if file.content_type not in CONTENT_TYPES:
            raise UploadRefused(f"{file.content_type!r} is no type of image that is taken in.")
        if not 0 < file.size <= self.most_bytes:
            raise UploadRefused(
                f"{file.name[:60]!r} has {file.size} bytes: 1 to {self.most_bytes} are taken in."
            )
        upload_id = secrets.token_hex(16)
        return UploadRow(
            upload_id=upload_id,
            tenant=tenant.slug,
            bucket=tenant.bucket,
            key=key_of(tenant.prefix, upload_id, file.name),
            content_type=file.content_type,
            size=file.size,
            requested_at=now,
            expires_at=now + self.seconds,
            token_id=token.token_id,
            origin=origin if cors.is_origin(origin) else "",
            due_at=now + self.seconds + GRACE,
        )

    def own(self, tenant: Tenant, upload_id: str) -> UploadRow:
        """A tenant's upload. Raises UnknownUpload, for another tenant's too."""
        return self._owned(tenant, upload_id, self.store.upload(upload_id))

    def _owned(self, tenant: Tenant, upload_id: str, row: UploadRow | None) -> UploadRow:
        if row is None or row.tenant != tenant.slug:
            raise UnknownUpload(f"There is no upload {upload_id[:40]!r}.")
        return row

    def progress(self, tenant: Tenant, upload_id: str) -> Progress:
        """How far an upload has come. Raises UnknownUpload."""
        return self.progress_of_many(tenant, [upload_id])[0]

    def progress_of_many(self, tenant: Tenant, upload_ids: Sequence[str]) -> list[Progress]:
        """How far uploads have come, in their order. Raises UnknownUpload.

        Pages ask for many every few seconds, so many cost hardly more than one.
        """
        known = self.store.uploads_named(list(dict.fromkeys(upload_ids)))
        rows = [self._owned(tenant, upload_id, known.get(upload_id)) for upload_id in upload_ids]
        images = self.store.get_many([row.image_id for row in rows if row.image_id])
        landed = self._landed([row for row in rows if row.image_id is None])
        progress = []
        for row in rows:
            image = landed.get((row.bucket, row.key))
            if image is not None:
                self.store.upload_arrived(row.upload_id, image.image_id, self.clock())
                row = replace(row, status=ARRIVED, image_id=image.image_id)
            elif row.image_id is not None:
                image = images.get(row.image_id)
            progress.append(Progress(row, image))
        return progress

    def _landed(self, rows: Sequence[UploadRow]) -> dict[tuple[str, str], ImageRow]:
        """The newest image of each promised bucket and key: of the size that was promised."""
        sizes: dict[str, dict[str, int]] = {}
        for row in rows:
            sizes.setdefault(row.bucket, {})[row.key] = row.size
        images = [
            image
            for bucket, of_bucket in sizes.items()
            for image in self.store.versions(bucket, of_bucket)
        ]
        images.sort(key=lambda image: (image.landed_at, image.arrived_at))
        return {(image.bucket, image.key): image for image in images}

    def probe(self, row: UploadRow, origin: str) -> cors.Verdict:
        """Whether a browser on a page of `origin` may put this upload: a real preflight."""
        put = self.objects.presigned_put(row.bucket, row.key, row.content_type, row.size, 60)
        if put is None:
            return cors.Verdict(True, "Files are taken in here, so there is no preflight.")
        if not cors.is_origin(origin):
            return cors.Verdict(False, f"{origin[:60]!r} is no web origin.")
        return self.preflight(put.url, origin)

    def settle(self, deadline: float, limit: int = 200) -> Settled:
        """Settle uploads whose time is up: each has arrived, or expires with its reason.

        Those of a bucket that does not answer are postponed together, so that they keep nobody
        else's waiting. None of them expires.
        """
        settled = Settled()
        verdicts: dict[tuple[str, str], cors.Verdict] = {}
        silent: set[str] = set()  # buckets that did not answer in this pass
        while due := self.store.uploads_due(self.clock(), limit):
            before = settled.arrived + settled.expired
            for row in _by_turns(due):
                if self.clock() > deadline:
                    settled.left += 1
                elif row.bucket not in silent and not self._answers(row, settled, verdicts):
                    silent.add(row.bucket)
            postponed = self._postpone([row for row in due if row.bucket in silent])
            settled.left += postponed
            progress = settled.arrived + settled.expired - before + postponed
            if self.clock() > deadline or not progress:
                break
        return settled

    def _postpone(self, rows: Sequence[UploadRow]) -> int:
        """Look at uploads later. The longer they have waited, the later. Returns how many."""
        now = self.clock()
        by_wait: dict[float, list[str]] = {}
        for row in rows:
            waited = now - row.expires_at - GRACE
            wait = next((step for step in WAITS if step >= waited), WAITS[-1])
            by_wait.setdefault(wait, []).append(row.upload_id)
        for wait, ids in by_wait.items():
            self.store.postpone_uploads(ids, now + wait)
        return len(rows)

    def _answers(
        self, row: UploadRow, settled: Settled, verdicts: dict[tuple[str, str], cors.Verdict]
    ) -> bool:
        """Settle an upload. False where its bucket does not answer."""
        try:
            self._settle(row, settled, verdicts)
        except StorageUnavailable:
            return False
        return True

    def _settle(
        self, row: UploadRow, settled: Settled, verdicts: dict[tuple[str, str], cors.Verdict]
    ) -> None:
        image = self._image(row)
        try:
            image_id = image.image_id if image else self._take_in(row, settled)
        except (ObjectGone, ArrivalRefused, UnknownTenant) as error:
            gone = isinstance(error, ObjectGone)
            reason = self._why_not(row, verdicts) if gone else str(error)
            log.warning("upload_expired", tenant=row.tenant, upload=row.upload_id, reason=reason)
            settled.expired += self.store.upload_expired(row.upload_id, reason, self.clock())
            return
        settled.arrived += self.store.upload_arrived(row.upload_id, image_id, self.clock())

    def _take_in(self, row: UploadRow, settled: Settled) -> str:
        """Register an object that neither an event nor the sweep has registered."""
        info = self._look_for(row)
        arrival = Arrival(
            tenant=row.tenant,
            bucket=row.bucket,
            key=row.key,
            version=info.version,
            size=info.size,
            landed_at=info.modified_at,
        )
        (done,) = self.store.register([arrival], self.clock())
        if done.created:
            settled.registered.append(done.batch)
        return done.image_id

    def _look_for(self, row: UploadRow) -> ObjectInfo:
        """Raises ObjectGone where nothing arrived, and StorageUnavailable."""
        try:
            return self.objects.head(row.bucket, row.key)
        except BucketMissing as error:
            if row.bucket in self.store.known_buckets():
                raise
            # A new tenant's bucket is made with its first image, and nothing came yet.
            raise ObjectGone(f"{row.key!r} is not in the bucket {row.bucket!r}.") from error

    def _why_not(self, row: UploadRow, verdicts: dict[tuple[str, str], cors.Verdict]) -> str:
        if not row.origin:
            return f"{NEVER_CAME}: what asked for it was no browser, or never sent the file."
        known = verdicts.get((row.bucket, row.origin))
        if known is None:
            known = verdicts[row.bucket, row.origin] = self.probe(row, row.origin)
        if known.passed:
            return f"{NEVER_CAME}, and the preflight passes: {known.reason} It gave up by itself."
        if not known.answered:
            return f"{NEVER_CAME}, and its preflight cannot be asked: {known.reason}"
        return f"{NEVER_CAME}: its preflight fails. {known.reason} Mend the bucket's CORS rules."

    def _image(self, row: UploadRow) -> ImageRow | None:
        """The newest image of the promised key."""
        for image in self.store.find(row.key, row.tenant):
            if image.bucket == row.bucket:
                return image
        return None


def _by_turns(rows: Sequence[UploadRow]) -> list[UploadRow]:
    """One of each bucket after the other, so that a slow bucket keeps no other waiting."""
    seen: Counter[str] = Counter()
    turns = []
    for row in rows:
        turns.append((seen[row.bucket], row))
        seen[row.bucket] += 1
    return [row for _, row in sorted(turns, key=lambda turn: turn[0])]
