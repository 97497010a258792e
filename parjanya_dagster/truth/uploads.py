"""Records of uploads before there is an object: who may upload, and what was promised.

An upload is not an image row: an image is an object version, and there is none yet. Times are
seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

from parjanya_dagster.truth.stages import Status

ARRIVED, EXPIRED = "arrived", "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRow:
    """One promised object. Its status is `pending_upload`, `arrived` or `expired`."""

    upload_id: str
    tenant: str
    bucket: str
    key: str
    content_type: str
    size: int  # bytes, exactly
    requested_at: float
    expires_at: float  # the URL is good until then
    token_id: str  # the token that asked
    origin: str = ""  # the web origin of the browser that asked; empty: not a browser
    status: str = Status.PENDING_UPLOAD
    due_at: float | None = None  # when it is checked next; None: settled
    settled_at: float | None = None
    reason: str = ""  # why it expired
    image_id: str | None = None  # what it became


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Who may upload for a tenant. The secret itself is recorded nowhere."""

    token_id: str
    tenant: str
    name: str  # what an operator calls it
    hash: str  # sha256 of the secret, hex
    created_at: float
    revoked_at: float | None = None
