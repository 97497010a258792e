"""Objects: where the bytes of images live. One interface for folders and for S3."""

from urllib.parse import unquote, urlparse

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.objects.store import Objects


def open_objects(url: str, settle: float = 1.0) -> Objects:
    """Open `file:///folder` (one subfolder a bucket) or `s3://`. Raises SettingsInvalid."""
    parsed = urlparse(url)
    if parsed.scheme == "file":
        return FolderObjects(unquote(parsed.path), settle)
    if parsed.scheme == "s3":
        from parjanya_dagster.objects.s3 import S3Objects

        return S3Objects()
    raise SettingsInvalid(
        f"PARJANYA_OBJECTS__URL is {url!r}: it begins with file:/// or is s3:// alone."
    )
