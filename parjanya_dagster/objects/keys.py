"""The one rule of names: which can be registered, which are set aside, which are refused.

A listing, an event, files that are ingested by hand and uploads get the same answer. A name is
refused only where it cannot be told to a person or to another program: control characters, ends of
lines, bytes that are no UTF-8. Every other character is somebody's (docs/decisions/0033).
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum

MOST_BYTES = 1024
"""Of a key, in UTF-8: the limit of S3. PostgreSQL's indexes hold no more than about 2,700 bytes."""
MOST_SHOWN = 300  # characters
INCOMING = "incoming/"
"""Uploads land under this prefix of a tenant's bucket."""
UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".download", ".swp", "~")
"""Endings of files that a program is still writing."""

_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Controls, surrogates (how Python holds bytes that are no UTF-8), separators of lines."""
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that change the direction of what follows them. They are escaped where shown."""


class Aside(StrEnum):
    """What is set aside: left where it lies, counted and told. It gets no row."""

    HIDDEN = "hidden"
    SIDECAR = "sidecar"
    FILM = "film"
    SYSTEM = "system file"
    LINK = "link to a folder"
    NO_FILE = "not a file"
    UNREADABLE = "folder that cannot be read"


_SIDECARS = (".xmp", ".aae", ".json", ".thm", ".pp3", ".dop", ".arp", ".vrd", ".nks", ".cos")
_FILMS = (
    *(".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp"),
    *(".3g2", ".mts", ".m2ts", ".vob", ".ogv", ".insv", ".lrv", ".braw", ".r3d"),
)
_SYSTEM = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "icon\r"})


def set_aside(key: str) -> Aside | None:
    """What an object is that is no image by its name. None: it may be one."""
    parts = key.split("/")
    if any(part.startswith(".") and part not in (".", "..") for part in parts):
        return Aside.HIDDEN
    name = parts[-1].lower()
    if name in _SYSTEM:
        return Aside.SYSTEM
    if name.endswith(_SIDECARS):
        return Aside.SIDECAR
    return Aside.FILM if name.endswith(_FILMS) else None


def refusal(key: str) -> str | None:
    """Why an object cannot be registered under its key, and what to do. None: it can."""
    if (why := too_long(key)) is not None:
        return why
    if (why := untellable(key)) is not None:
        return f"Its name has {why}. Rename the file; nothing else is wrong."
    if {".", ".."} & set(key.split("/")):
        return "Its key has a part '.' or '..', which HTTP takes for a folder. Rename the object."
    return None


def untellable(name: str) -> str | None:
    """What a name has in it that cannot be told. None: nothing."""
    for character in name:
        match unicodedata.category(character):
            case "Cs":
                return "bytes in it that are not UTF-8"
            case "Cc":
                return f"the control character U+{ord(character):04X} in it"
            case "Zl" | "Zp":
                return f"the line separator U+{ord(character):04X} in it"
    return None


def is_unfinished(key: str) -> bool:
    """Whether a file's name says that a program is still writing it."""
    return key.lower().endswith(UNFINISHED)


def too_long(key: str) -> str | None:
    """Why a key is too long for S3 and for Truth, and what to do. None: it is not."""
    size = len(key.encode("utf-8", "surrogatepass"))
    if size <= MOST_BYTES:
        return None
    return f"Its key has {size} bytes, and S3 allows {MOST_BYTES}. Shorten its names or folders."


def is_folder(key: str) -> bool:
    """Whether a key only marks an empty folder, as consoles make it. It is not an image."""
    return key.endswith("/")


def shown(key: str) -> str:
    """A key as one line of text that reads as it is written, for heartbeats and messages.

    What cannot be told is escaped, and so is what turns the direction of the text. One that is too
    long to be registered is cut.
    """
    text = "".join(_escaped(character) for character in key)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _escaped(character: str) -> str:
    if character in _TURNS or unicodedata.category(character) in _REFUSED:
        return character.encode("unicode_escape", "surrogatepass").decode()
    return character
