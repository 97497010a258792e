"""Where the small picture of an image is: inside its preview, so that both are one object.

A request to S3 that writes costs as much as eight write units of DynamoDB. Thumbnails of before,
and those that are too large for it, are objects of their own.
"""

from __future__ import annotations

from parjanya_dagster.errors import ObjectGone
from parjanya_dagster.media.embedded_thumbnail import BEGINNING, thumbnail_of, with_thumbnail
from parjanya_dagster.objects.store import NewObject, Objects
from parjanya_dagster.truth.models import ImageRow

JPEG = "image/jpeg"


def as_objects(image_id: str, preview: bytes, thumbnail: bytes) -> tuple[NewObject, ...]:
    """The objects to write: the preview is in the first, the thumbnail in the last."""
    key = f"previews/{image_id}.jpg"
    both = with_thumbnail(preview, thumbnail)
    if both is not None:
        return (NewObject(key=key, data=both, content_type=JPEG),)
    return (
        NewObject(key=key, data=preview, content_type=JPEG),
        NewObject(key=f"thumbnails/{image_id}.jpg", data=thumbnail, content_type=JPEG),
    )


def thumbnail(objects: Objects, row: ImageRow) -> bytes:
    """The JPEG. It is the preview itself where that holds none, as older workers write it.

    Raises ObjectGone, StorageUnavailable.
    """
    bucket, key = row.preview_bucket or row.bucket, row.thumbnail_key
    if key is None:
        raise ObjectGone(f"{row.image_id} has no thumbnail.")
    if key != row.preview_key:
        return objects.get(bucket, key).data
    found = thumbnail_of(objects.beginning(bucket, key, BEGINNING))
    return found if found is not None else objects.get(bucket, key).data
