"""Every exception of Parjanya. The class docstring is the default message.

``transient`` says whether the same work may succeed later without anybody changing anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar


class ParjanyaError(Exception):
    """Something went wrong in Parjanya."""

    transient: ClassVar[bool] = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class TransientError(ParjanyaError):
    """A dependency did not answer as it should; the same work may succeed later."""

    transient = True


class TruthUnavailable(TransientError):
    """The truth store cannot be reached. Check its address and that the server runs."""


class TruthCorrupt(ParjanyaError):
    """The truth store is damaged. Bring back a backup: docs/backup.md says how."""


class SchemaOutdated(ParjanyaError):
    """The truth store has another schema than this code. Run `parjanya migrate`."""


class StorageUnavailable(TransientError):
    """The object store cannot be read or written at present."""


class BucketMissing(StorageUnavailable):
    """There is no such bucket at present: it was never made, or its volume is away."""


class BucketUnknown(StorageUnavailable):
    """What lies where a bucket should be is not the bucket that Truth knows."""


class ListingIncomplete(StorageUnavailable):
    """Some folders of a bucket cannot be listed. Everything else of it was."""

    def __init__(self, bucket: str, hidden: Mapping[str, str]) -> None:
        """`hidden`: what all keys begin with that could not be listed, and why."""
        super().__init__(f"Some of {bucket!r} cannot be listed: {'; '.join(hidden.values())[:500]}")
        self.hidden = dict(hidden)


class ObjectGone(ParjanyaError):
    """The object is not in its bucket any more."""


class ObjectChanged(ParjanyaError):
    """The object in the bucket is another version than the row speaks of."""


class BeliefUnreadable(TransientError):
    """Dagster's runs or partitions cannot be read, so nothing may be concluded from them."""


class CloudUnavailable(TransientError):
    """A service of the cloud does not answer as it should."""


class CloudDenied(CloudUnavailable):
    """The cloud refuses a call. Grant the permission that the message names."""


class QueueMissing(CloudUnavailable):
    """There is no such queue."""


class MessageUnreadable(ParjanyaError):
    """A message says nothing that can be understood."""


class ArrivalRefused(ParjanyaError):
    """This object cannot be registered under its key."""


class UnknownTenant(ParjanyaError):
    """There is no such tenant. `parjanya tenant list` lists those that are registered."""

    @classmethod
    def named(cls, slug: str) -> UnknownTenant:
        return cls(
            f"There is no tenant {slug!r}. `parjanya tenant list` lists those that are registered, "
            "and `parjanya tenant add` registers one."
        )


class InvalidTenant(ParjanyaError):
    """A tenant is named by 2 to 63 characters: a-z, 0-9 and '-', not starting with '-'."""


class UnknownImage(ParjanyaError):
    """No image has this id or key. `parjanya status` lists tenants and counts."""


class AmbiguousImage(ParjanyaError):
    """Several images have this key. Name the tenant with --tenant, or use the image id."""


class InvalidPartition(ParjanyaError):
    """A partition key reads tenant/YYYY-MM-DD/NNN."""


class InvalidTransition(ParjanyaError):
    """A row cannot move this way."""


class ReviewRefused(ParjanyaError):
    """A person cannot decide this."""


class NotDecidedNow(ReviewRefused):
    """The policy has not decided the image, or decides it again just now. Try again in a moment."""

    transient = True


class DecisionStale(ReviewRefused):
    """The image was decided since it was shown. Look at it again."""

    def __init__(self, message: str, row: Any, newer: Any = None) -> None:
        """`row`: the image as it is now. `newer`: the last `Review`; None: a policy decided."""
        super().__init__(message)
        self.row, self.newer = row, newer


class QueryInvalid(ParjanyaError):
    """This asks for something that the catalog does not have."""


class LikenessUnknown(ParjanyaError):
    """There is nothing to compare this picture by."""


class EngineAway(TransientError):
    """The engine that makes vectors does not answer at present, or was replaced by another."""


class TokenRefused(ParjanyaError):
    """This is no valid token. `parjanya uploads token add TENANT` makes one."""


class TooManyRequests(TransientError):
    """Too many requests: wait a little."""

    def __init__(self, wait: float) -> None:
        """`wait`: seconds until the next one may come."""
        super().__init__(f"Too many requests. Try again in {math.ceil(wait)} s.")
        self.retry_after = max(1, math.ceil(wait))


class UploadRefused(ParjanyaError):
    """This cannot be uploaded."""


class UnknownUpload(ParjanyaError):
    """There is no such upload."""


class DeskUnavailable(TransientError):
    """The desk does not answer. Check its address, and that `parjanya web` runs."""


class DeskRefused(ParjanyaError):
    """The desk refused a request."""

    def __init__(self, message: str | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.status = status  # of HTTP; 0: nothing was sent


class DecisionNotMade(DeskRefused):
    """The desk did not make a decision."""

    def __init__(self, message: str, told: Any) -> None:
        super().__init__(message)
        self.told = told  # what became of it, as the desk says


class PolicyUnusable(ParjanyaError):
    """A published policy cannot be used. It stops those who decide under it, and nobody else."""


class PolicyMissing(PolicyUnusable):
    """The pinned policy is not published. `parjanya policy list` shows those that are."""


class PolicyConflict(PolicyUnusable):
    """This version is published with other content, and a published version never changes."""


class PolicyInvalid(PolicyUnusable):
    """The policy document is not valid."""


class TasteUnusable(PolicyUnusable):
    """A taste that a policy names cannot be used."""


class TasteMissing(TasteUnusable):
    """This taste is not there. `parjanya taste list` shows those that are."""


class TasteBroken(TasteUnusable):
    """The bytes of this taste are not what was written."""


class TooFewDecisions(ParjanyaError):
    """People decided too little for a taste."""


class BackupRefused(ParjanyaError):
    """This backup cannot be made or brought back this way."""


class BackupInvalid(ParjanyaError):
    """This is no whole backup."""


class RegradeInvalid(ParjanyaError):
    """This cannot be regraded."""


class ReleaseInvalid(ParjanyaError):
    """This cannot be released."""


class UnknownRelease(ParjanyaError):
    """There is no such release. `parjanya release list` names them."""


class ReleaseBroken(ParjanyaError):
    """The files of this release are not what was written."""


class BackfillRefused(ParjanyaError):
    """Dagster made no backfill."""


class WrongJob(ParjanyaError):
    """This run would land on the wrong nodes. Launch it from its lane's job."""


class Drifted(ParjanyaError):
    """This process is not what was declared to run here. `parjanya doctor` shows the difference."""


class ModelServerDied(ParjanyaError):
    """The model server ended, or did not begin to answer."""


class PreflightFailed(ParjanyaError):
    """Execution cannot realize Intent: an engine lacks what it needs."""


class PortBusy(ParjanyaError):
    """The port is in use. Choose another with --port."""


class HomeMissing(ParjanyaError):
    """There is no home here. `parjanya up` makes one; --home or PARJANYA_HOME names another."""


class HomeBusy(ParjanyaError):
    """Another `parjanya up` runs over this home. Stop it, or use another --home."""


class SettingsInvalid(ParjanyaError):
    """A setting is not valid."""
