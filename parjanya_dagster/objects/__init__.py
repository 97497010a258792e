"""Objects: where the bytes of images live. One interface for folders and for S3."""

from typing import Literal
from urllib.parse import unquote, urlparse

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.objects.store import Objects

Readers = Literal["owner", "group", "everyone"]
MODES: dict[Readers, int] = {"owner": 0o600, "group": 0o640, "everyone": 0o644}


def open_objects(url: str, settle: float = 1.0, readable: Readers = "owner") -> Objects:
    """Open `file:///folder` (one subfolder a bucket) or `s3://`. Raises SettingsInvalid.

    `readable`: who may read the files that are written into a folder.
    """
    parsed = urlparse(url)
    if parsed.scheme == "file":
        return FolderObjects(unquote(parsed.path), settle, mode=MODES[readable])
    if parsed.scheme == "s3":
        from parjanya_dagster.objects.s3 import S3Objects

        return S3Objects()
    raise SettingsInvalid(
        f"PARJANYA_OBJECTS__URL is {url!r}: it begins with file:/// or is s3:// alone."
    )
