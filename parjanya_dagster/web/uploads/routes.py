"""The API. No request names a tenant: it is that of the bearer token."""

from __future__ import annotations

from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from parjanya_dagster.client.messages import Uploads, UploadStatus, UploadStatuses
from parjanya_dagster.errors import BucketMissing, ObjectGone, TokenRefused, TooManyRequests
from parjanya_dagster.ingest.known_buckets import KnownBuckets
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.uploads import Token
from parjanya_dagster.uploads import tokens
from parjanya_dagster.web.limits import Guesses
from parjanya_dagster.web.uploads.messages import (
    Preflight,
    UploadsWanted,
    Whoami,
    status_of,
    upload_of,
)

MOST_IDS = 100

router = APIRouter()
_bearer = HTTPBearer(auto_error=False, description="`parjanya uploads token add TENANT`")


def _platform(request: Request) -> Platform:
    platform: Platform = request.app.state.platform
    return platform


Served = Annotated[Platform, Depends(_platform)]
Origin = Annotated[str, Header(include_in_schema=False)]


def _caller(
    platform: Served,
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> tuple[Token, Tenant]:
    """Raises TokenRefused, TooManyRequests."""
    if credentials is None:
        raise TokenRefused
    guesses: Guesses = request.app.state.guesses
    guesses.require(request.state.sender, credentials.credentials)
    try:
        found = tokens.check(platform.store, credentials.credentials)
    except TokenRefused:
        guesses.wrong(request.state.sender)
        raise
    guesses.right(credentials.credentials)
    return found


Caller = Annotated[tuple[Token, Tenant], Depends(_caller)]


@router.get("/healthz", include_in_schema=False)
async def healthz(request: Request) -> dict[str, str]:
    """Whether Truth answers. It needs none of the threads in which requests wait for Truth."""
    await to_thread.run_sync(_platform(request).probe, limiter=CapacityLimiter(1))
    return {"status": "ok"}


@router.get("/v1/me")
def me(platform: Served, caller: Caller) -> Whoami:
    """Whose token this is."""
    return Whoami(tenant=caller[1].slug, most_bytes=platform.uploads.most_bytes)


@router.post("/v1/uploads", status_code=201)
def ask(
    platform: Served, caller: Caller, request: Request, body: UploadsWanted, origin: Origin = ""
) -> Uploads:
    """Ask for uploads. Each answer is good for one PUT of exactly that size and type."""
    token, tenant = caller
    wait = request.app.state.asked.take(token.token_id, len(body.files))
    if wait:
        raise TooManyRequests(wait)
    made = platform.uploads.promise(tenant, token, [file.wanted() for file in body.files], origin)
    return Uploads(
        uploads=[
            upload_of(promise, str(request.url_for("take", upload_id=promise.row.upload_id)))
            for promise in made
        ]
    )


@router.get("/v1/uploads")
def statuses(
    platform: Served,
    caller: Caller,
    ids: Annotated[list[str], Query(alias="id", max_length=MOST_IDS)],
) -> UploadStatuses:
    """How far several uploads have come."""
    uploads = platform.uploads.progress_of_many(caller[1], ids)
    return UploadStatuses(uploads=[status_of(upload) for upload in uploads])


@router.get("/v1/uploads/{upload_id}")
def status(platform: Served, caller: Caller, upload_id: str) -> UploadStatus:
    """How far an upload has come."""
    return status_of(platform.uploads.progress(caller[1], upload_id))


@router.post("/v1/uploads/{upload_id}/preflight")
def preflight(platform: Served, caller: Caller, upload_id: str, origin: Origin = "") -> Preflight:
    """Why a browser cannot PUT: the storage is asked as the browser on this web page asks it."""
    row = platform.uploads.own(caller[1], upload_id)
    return Preflight.of(platform.uploads.probe(row, origin))


@router.put("/v1/uploads/{upload_id}/content", status_code=201)
async def take(platform: Served, caller: Caller, upload_id: str, request: Request) -> Response:
    """Take the bytes in, where buckets are folders. Refuses what S3 would refuse."""
    row = await run_in_threadpool(platform.uploads.own, caller[1], upload_id)
    if platform.objects.presigned_put(row.bucket, row.key, row.content_type, row.size, 60):
        return _refused(404, "Buckets are in S3 here: PUT to the URL that you were given.")
    if platform.clock() > row.expires_at:
        return _refused(403, "It began too late. Ask for the upload again.")
    if request.headers.get("content-type") != row.content_type:
        return _refused(403, f"The content type is not {row.content_type}, which was asked for.")
    if await run_in_threadpool(_is_there, platform, caller[1], row.bucket, row.key):
        return _refused(412, "It is there already.")
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > row.size:
            break
    if len(data) != row.size:
        return _refused(403, f"It has not the {row.size} bytes that were asked for.")
    await run_in_threadpool(
        platform.objects.put, row.bucket, row.key, bytes(data), row.content_type
    )
    return Response(status_code=201)


def _is_there(platform: Platform, tenant: Tenant, bucket: str, key: str) -> bool:
    """Raises StorageUnavailable where the tenant's bucket is away, or another lies in its place."""
    buckets = KnownBuckets(platform.store, platform.objects, platform.clock)
    buckets.refresh()
    buckets.require(tenant)
    try:
        platform.objects.head(bucket, key)
    except ObjectGone:
        return False
    except BucketMissing:
        if bucket in buckets.known:
            raise
        return False  # a new tenant's bucket is made with its first image
    return True


def _refused(status_code: int, why: str) -> Response:
    return JSONResponse({"detail": why}, status_code)
