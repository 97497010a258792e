"""The requests and answers of the API."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from parjanya_dagster.client.messages import Upload, UploadStatus
from parjanya_dagster.uploads.cors import Verdict
from parjanya_dagster.uploads.promises import MOST_FILES, Progress, Promise, Wanted


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FileWanted(_Message):
    """A file that shall be uploaded."""

    name: str = Field(min_length=1, max_length=1000, examples=["IMG_0042.jpg"])
    content_type: str = Field(max_length=100, examples=["image/jpeg"])
    size: int = Field(ge=1, description="Bytes, exactly.")

    def wanted(self) -> Wanted:
        return Wanted(self.name, self.content_type, self.size)


class UploadsWanted(_Message):
    """Files that shall be uploaded. All are refused where one is."""

    files: list[FileWanted] = Field(min_length=1, max_length=MOST_FILES)


def upload_of(promise: Promise, ours: str) -> Upload:
    """Where to put a promised file. `ours`: where this application takes it in itself."""
    row, put = promise.row, promise.put
    return Upload(
        upload_id=row.upload_id,
        key=row.key,
        url=put.url if put else ours,
        headers=dict(put.headers) if put else {"Content-Type": row.content_type},
        authorize=put is None,
        expires_at=row.expires_at,
    )


def status_of(progress: Progress) -> UploadStatus:
    row, image = progress.row, progress.image
    if image is None:
        reasons = [row.reason] if row.reason else []
    elif image.failure_reason:
        reasons = [image.failure_reason]
    else:
        reasons = list(image.reasons)
    return UploadStatus(
        upload_id=row.upload_id,
        key=row.key,
        status=progress.status,
        done=progress.done,
        image_id=image.image_id if image else None,
        verdict=image.effective_verdict if image else None,
        reasons=reasons,
    )


class Preflight(_Message):
    """Whether the storage lets this web page upload, asked for real."""

    passed: bool
    reason: str

    @classmethod
    def of(cls, verdict: Verdict) -> Preflight:
        return cls(passed=verdict.passed, reason=verdict.reason)


class Whoami(_Message):
    tenant: str
    most_bytes: int = Field(description="Of one file.")
