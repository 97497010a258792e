"""Which keys can be registered. A listing and an event get the same answer."""

from __future__ import annotations

INCOMING = "incoming/"
"""Uploads land under this prefix of a tenant's bucket."""


def refusal(key: str) -> str | None:
    """Why an object cannot be registered under its key, and what to do. None: it can."""
    if not key.isprintable():
        return "Its name is not printable UTF-8. Rename the file; nothing else is wrong."
    if {".", ".."} & set(key.split("/")):
        return "Its key has a part '.' or '..', which HTTP takes for a folder. Rename the object."
    return None


def is_folder(key: str) -> bool:
    """Whether a key only marks an empty folder, as consoles make it. It is not an image."""
    return key.endswith("/")


def shown(key: str) -> str:
    """A key with its undecodable bytes escaped, for heartbeats, logs and messages."""
    return key.encode("utf-8", "backslashreplace").decode()
