"""The options of a release: which images, which splits, which files. Pure.

All options go into the id of a release. Equal options and equal images give equal files.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from parjanya_dagster.catalog import Query
from parjanya_dagster.catalog.facets import BY_NAME
from parjanya_dagster.errors import QueryInvalid, ReleaseInvalid

EDITION = 2
"""Of what is written. It grows when equal options would give other files."""
PARQUET, WEBDATASET, IMAGEFOLDER = "parquet", "webdataset", "imagefolder"
FORMATS = (PARQUET, WEBDATASET, IMAGEFOLDER)
ORIGINAL, PREVIEW, RESIZED = "original", "preview", "resized"
PICTURES = (ORIGINAL, PREVIEW, RESIZED)
LARGEST_SIDE = 1024  # of a preview, from which pictures are resized
MB = 1_000_000
_SPLIT = re.compile(r"[a-z][a-z0-9_]{0,30}")
_MOST_SPLITS = 20
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_VIEWS = ("/images", "/releases")  # pages whose address has a view in it
_UNWRITABLE = frozenset({"Cc", "Cs"})  # control characters and lone surrogates
_ASIDE = frozenset({"sort", "after"})  # of a view: no part of which images it has


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a release is made of."""

    where: Sequence[tuple[str, str]] = (("verdict", "accept"),)  # a view of the catalog
    split: Sequence[tuple[str, float]] = (("train", 1.0),)  # shares that sum to 1
    formats: Sequence[str] = (PARQUET,)
    pictures: str = ORIGINAL
    side: int = LARGEST_SIDE  # of resized pictures, the longer one at most
    keep_exif: bool = False
    shard_images: int = 1000  # of a shard at most
    shard_bytes: int = 128 * MB  # of the originals of a shard at most, unless it has only one
    description: str = ""
    licence: str = ""
    privacy: str = ""
    diverse: int = 0  # so many images, those that differ most; 0: all
    space: str = ""  # of the vectors that they differ by; empty: all are released
    edition: int = field(default=EDITION)

    @property
    def query(self) -> Query:
        return Query.of(self.where)

    def body(self) -> dict[str, Any]:
        """As JSON has it. What was added later is left out where it is not asked for: ids stay."""
        asked = asdict(self)
        if not self.diverse:
            del asked["diverse"], asked["space"]
        return {
            **asked,
            "where": [list(pair) for pair in self.where],
            "split": [list(pair) for pair in self.split],
            "formats": list(self.formats),
        }

    @classmethod
    def of_body(cls, body: Mapping[str, Any]) -> Options:
        known = {
            **{one.name: body[one.name] for one in fields(cls) if one.name in body},
            "where": tuple((name, value) for name, value in body["where"]),
            "split": tuple((name, share) for name, share in body["split"]),
            "formats": tuple(body["formats"]),
        }
        return cls(**known)


def read_where(text: str, tenant: str) -> tuple[tuple[str, str], ...]:
    """A view as the desk's address says it: `category=photo&q=dog`, or the whole address.

    Without a verdict, accepted images. Raises ReleaseInvalid.
    """
    try:
        asked = _asked(text)
        given = parse_qsl(asked, keep_blank_values=True, strict_parsing=bool(asked))
    except ValueError:
        raise ReleaseInvalid(
            f"{text!r} is no view: write facet=value&facet=value, or the address of a page of "
            "images."
        ) from None
    unknown = {name for name, _ in given} - BY_NAME.keys() - {"q"} - _ASIDE
    if unknown:
        raise ReleaseInvalid(
            f"A view has no {', '.join(sorted(unknown))}: it has {', '.join(BY_NAME)} and q."
        )
    if any(name == "tenant" and value != tenant for name, value in given):
        raise ReleaseInvalid(f"A release has the images of one tenant, and this is {tenant!r}'s.")
    pairs = [(name, value) for name, value in given if name not in (*_ASIDE, "tenant")]
    if not any(name == "verdict" for name, _ in pairs):
        pairs.append(("verdict", "accept"))
    try:
        return tuple(Query.of(pairs).pairs())
    except QueryInvalid as error:
        raise ReleaseInvalid(str(error)) from error


def _asked(text: str) -> str:
    """What an address asks for. Raises ValueError where it is that of another page."""
    if not _ADDRESS.match(text):
        return text.lstrip("?")
    address = urlsplit(text)
    if not address.path.endswith(_VIEWS):
        raise ValueError(text)
    return address.query


def read_split(text: str) -> tuple[tuple[str, float], ...]:
    """Such as `train=0.8,val=0.1,test=0.1`. Raises ReleaseInvalid."""
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        try:
            number = float(share)
        except ValueError:
            number = math.nan
        if not _SPLIT.fullmatch(name) or name in shares or not 0 < number <= 1:
            raise ReleaseInvalid(
                f"{part.strip()!r} is no split: it reads NAME=SHARE, each name once, and a share "
                "is over 0 and at most 1."
            )
        shares[name] = number
    if not math.isclose(sum(shares.values()), 1.0, abs_tol=1e-9):
        raise ReleaseInvalid(f"The shares of {text!r} sum to {sum(shares.values()):g}, not 1.")
    if len(shares) > _MOST_SPLITS:
        raise ReleaseInvalid(f"A release has at most {_MOST_SPLITS} splits, not {len(shares)}.")
    return tuple(shares.items())


def read_formats(text: str) -> tuple[str, ...]:
    """Such as `parquet,webdataset`. Raises ReleaseInvalid."""
    named = {part.strip() for part in text.split(",")}
    if unknown := named - set(FORMATS):
        raise ReleaseInvalid(
            f"There is no format {', '.join(sorted(unknown))!r}: {', '.join(FORMATS)} are written."
        )
    return tuple(name for name in FORMATS if name in named)


def check(options: Options) -> Options:
    """Return the options. Raises ReleaseInvalid."""
    if options.pictures not in PICTURES:
        raise ReleaseInvalid(f"There are no bytes {options.pictures!r}: {', '.join(PICTURES)} are.")
    if not 16 <= options.side <= LARGEST_SIDE:
        raise ReleaseInvalid(
            f"Pictures are resized from previews, so --side is 16 to {LARGEST_SIDE}, "
            f"not {options.side}."
        )
    if options.diverse < 0:
        raise ReleaseInvalid(f"--diverse says how many images, so it is not {options.diverse}.")
    if options.shard_images < 1 or options.shard_bytes < 1:
        raise ReleaseInvalid("A shard has at least one image and one byte.")
    texts = {name: getattr(options, name) for name in ("description", "licence", "privacy")}
    for name, text in [*texts.items(), *options.where]:
        if any(c not in "\n\r\t" and unicodedata.category(c) in _UNWRITABLE for c in text):
            raise ReleaseInvalid(
                f"The {name} {text!r} has characters in it that no text file should have. Write "
                "it without control characters, in UTF-8."
            )
    return options
