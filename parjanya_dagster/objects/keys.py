"""Which keys can be taken in. The same answer for a listing and for an event."""

from __future__ import annotations

INCOMING = "incoming/"
"""Uploads land under this prefix of a tenant's bucket."""


def refusal(key: str) -> str | None:
    """Why an object cannot be taken in under its key, and what to do; None: it can."""
    if not key.isprintable():
        return "Its name is not printable UTF-8. Rename the file; nothing else is wrong."
    if {".", ".."} & set(key.split("/")):
        return "Its key has a part '.' or '..', which HTTP takes for a folder. Rename the object."
    return None


def is_folder(key: str) -> bool:
    """Whether a key is what consoles make to show an empty folder: nobody's image."""
    return key.endswith("/")


def shown(key: str) -> str:
    """A key as heartbeats, logs and messages can hold it."""
    return key.encode("utf-8", "backslashreplace").decode()
