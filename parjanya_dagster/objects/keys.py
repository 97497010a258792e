"""Which keys can be registered. A listing and an event get the same answer."""

from __future__ import annotations

MOST_BYTES = 1024
"""Of a key, in UTF-8: the limit of S3. PostgreSQL's indexes hold no more than about 2,700 bytes."""
MOST_SHOWN = 300  # characters
INCOMING = "incoming/"
"""Uploads land under this prefix of a tenant's bucket."""


def refusal(key: str) -> str | None:
    """Why an object cannot be registered under its key, and what to do. None: it can."""
    if (why := too_long(key)) is not None:
        return why
    if not key.isprintable():
        return "Its name is not printable UTF-8. Rename the file; nothing else is wrong."
    if {".", ".."} & set(key.split("/")):
        return "Its key has a part '.' or '..', which HTTP takes for a folder. Rename the object."
    return None


def too_long(key: str) -> str | None:
    """Why a key is too long for S3 and for Truth, and what to do. None: it is not."""
    size = len(key.encode("utf-8", "surrogateescape"))
    if size <= MOST_BYTES:
        return None
    return f"Its key has {size} bytes, and S3 allows {MOST_BYTES}. Shorten its names or folders."


def is_folder(key: str) -> bool:
    """Whether a key only marks an empty folder, as consoles make it. It is not an image."""
    return key.endswith("/")


def shown(key: str) -> str:
    """A key with its undecodable bytes escaped, for heartbeats, logs and messages.

    One that is too long to be registered is cut.
    """
    text = key.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
