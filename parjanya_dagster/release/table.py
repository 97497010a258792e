"""The Parquet table of a part: all that is known of its images, and the pictures if asked for.

It is written as the last file of its part, and names the others with their hashes. So a part is
complete if its table is there and the files match these hashes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from parjanya_dagster.release.pictures import Picture

if TYPE_CHECKING:
    from pyarrow import ChunkedArray

MADE = b"parjanya.release"
"""In the file's metadata: the id of its release, and the files of its part."""
_TEXT, _NUMBER, _REAL, _LIST = "string", "int64", "float64", "list"
COLUMNS: dict[str, tuple[str, str]] = {
    "name": (_TEXT, "name of its files without their ending: the sha256 of the original"),
    "split": (_TEXT, "the split it is in"),
    "group": (_TEXT, "images that show the same have the same; a group is in one split"),
    "file_name": (_TEXT, "name of the released picture"),
    "file_sha256": (_TEXT, "of the released picture"),
    "file_bytes": (_NUMBER, "size of the released picture"),
    "key": (_TEXT, "where the original lay in the tenant's bucket"),
    "sha256": (_TEXT, "of the original"),
    "bytes": (_NUMBER, "size of the original"),
    "format": (_TEXT, "of the original"),
    "width": (_NUMBER, "pixels of the original, upright"),
    "height": (_NUMBER, "pixels of the original, upright"),
    "verdict": (_TEXT, "the verdict that counts: accept, reject or review"),
    "decided_by": (_TEXT, "whose that is: policy or person"),
    "reviewer": (_TEXT, "the person, where one decided"),
    "policy_verdict": (_TEXT, "the policy's verdict"),
    "reasons": (_LIST, "why, as the policy says it"),
    "policy": (_TEXT, "name@version of the policy that decided"),
    "policy_hash": (_TEXT, "hash of that policy's content"),
    "duplicate_of": (_TEXT, "sha256 of the image whose duplicate it is"),
    "category": (_TEXT, "what kind of picture it is"),
    "confidence": (_REAL, "of the category, 0 to 1"),
    "probabilities": (_TEXT, "of all categories, as JSON"),
    "caption": (_TEXT, "what a model says it shows"),
    "tags": (_LIST, "names of what is in it"),
    "text": (_TEXT, "what was read in the picture"),
    "language": (_TEXT, "of that text, as ISO 639 has it, where the detector could tell"),
    "faces": (_NUMBER, "how many were found, where the detector looked"),
    "overlaid_text": (_REAL, "share of the picture under text laid over it, if looked for"),
    "nsfw": (_REAL, "probability that it is not safe for work, where the detector looked"),
    "quality": (_REAL, "0 to 100"),
    "metrics": (_TEXT, "of quality, as JSON"),
    "engines": (_TEXT, "which engine, model and revision found it, by stage, as JSON"),
    "fingerprints": (_TEXT, "hashes of the evidence and its engine, by stage, as JSON"),
    "evidence": (_TEXT, "all of it by stage, as JSON"),
}
IMAGE = "image"  # the column of the picture: its bytes, and its name as `path`


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A file of a release."""

    path: str  # below the release
    sha256: str
    size: int


def record(picture: Picture) -> dict[str, Any]:
    """One row, as JSON has it. The picture itself is not in it."""
    item = picture.item
    enriched, scored = item.evidence.get("enriched", {}), item.evidence.get("scored", {})
    values = {
        "file_name": picture.name,
        "file_sha256": picture.sha256,
        "file_bytes": len(picture.data),
        "bytes": item.size,
        "reasons": list(item.reasons),
        "category": enriched.get("category"),
        "confidence": _real(enriched.get("confidence")),
        "probabilities": _json(enriched.get("probabilities")),
        "caption": enriched.get("caption"),
        "tags": _tags(enriched),
        "text": _text(enriched),
        "language": _found(enriched, "language", "code"),
        "faces": _found(enriched, "faces", "count"),
        "overlaid_text": _real(_found(enriched, "overlay", "area_share")),
        "nsfw": _real(_found(enriched, "nsfw", "probability")),
        "quality": _real(scored.get("quality")),
        "metrics": _json(scored.get("metrics")),
        "engines": _json(item.engines),
        "fingerprints": _json(item.fingerprints),
        "evidence": _json(item.evidence),
    }
    return {name: values[name] if name in values else getattr(item, name) for name in COLUMNS}


def as_parquet(
    release_id: str,
    records: Sequence[Mapping[str, Any]],
    data: Sequence[bytes],
    files: Sequence[Made],
) -> bytes:
    """The bytes of a table. Equal arguments give equal bytes. `data`: pictures, or none at all."""
    import pyarrow
    import pyarrow.parquet

    types = {
        _TEXT: pyarrow.string(),
        _NUMBER: pyarrow.int64(),
        _REAL: pyarrow.float64(),
        _LIST: pyarrow.list_(pyarrow.string()),
    }
    fields = [pyarrow.field(name, types[kind]) for name, (kind, _) in COLUMNS.items()]
    arrays = [pyarrow.array([one[field.name] for one in records], field.type) for field in fields]
    if data:
        arrays.append(picture_column(data, [known["file_name"] for known in records]))
        fields.append(pyarrow.field(IMAGE, arrays[-1].type))
    made = {"id": release_id, "files": [[file.path, file.sha256, file.size] for file in files]}
    metadata = {MADE: json.dumps(made).encode(), b"huggingface": _features(bool(data))}
    schema = pyarrow.schema(fields, metadata=metadata)
    table = pyarrow.Table.from_arrays(arrays, schema=schema)
    stream = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(
        table,
        stream,
        version="2.6",
        compression=dict.fromkeys(_leaves(schema), "zstd") | {f"{IMAGE}.bytes": "none"}
        if data
        else "zstd",
        use_dictionary=[name for name in COLUMNS if name in _REPEATED],
        row_group_size=100 if data else 1000,  # pictures of one group are read together
        write_page_checksum=True,
        write_statistics=[name for name in COLUMNS if name != "evidence"],
    )
    whole: bytes = stream.getvalue().to_pybytes()
    return whole


def picture_column(data: Sequence[bytes], names: Sequence[str], most: int = 2**30) -> ChunkedArray:
    """The column of the pictures. A chunk has at most `most` bytes, since Arrow counts to 2^31."""
    import pyarrow

    chunks, first, size = [], 0, 0
    for at, one in enumerate([*data, b""]):
        last = at == len(data)
        if at > first and (last or size + len(one) > most):
            bodies = pyarrow.array(data[first:at], pyarrow.binary())
            paths = pyarrow.array(names[first:at], pyarrow.string())
            chunks.append(pyarrow.StructArray.from_arrays([bodies, paths], ["bytes", "path"]))
            first, size = at, 0
        size += len(one)
    return pyarrow.chunked_array(chunks)


_REPEATED = frozenset(
    (
        "split",
        "format",
        "verdict",
        "decided_by",
        "reviewer",
        "policy",
        "policy_hash",
        "category",
        "language",
    )
)


def read_made(data: bytes, release_id: str) -> list[Made] | None:
    """The files that a table names. None: it is no table of this release, or is damaged."""
    import pyarrow
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_schema(io.BytesIO(data)).metadata or {}
        made = json.loads(metadata[MADE])
    except (pyarrow.ArrowException, OSError, ValueError, KeyError):
        return None
    if made["id"] != release_id:
        return None
    return [Made(path=path, sha256=sha256, size=size) for path, sha256, size in made["files"]]


def is_whole(data: bytes) -> bool:
    """Whether each page of a table is as it was written: its footer may be, and pages not."""
    import pyarrow
    import pyarrow.parquet

    try:
        pyarrow.parquet.read_table(io.BytesIO(data), page_checksum_verification=True)
    except (pyarrow.ArrowException, OSError, ValueError):
        return False
    return True


def read_records(data: bytes) -> list[dict[str, Any]]:
    """The rows of a table, without pictures."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO(data), columns=list(COLUMNS))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _leaves(schema: Sequence[Any]) -> list[str]:
    """Columns as Parquet's writer names them."""
    nested = {_LIST: ".list.element"}
    plain = [name + nested.get(COLUMNS[name][0], "") for name in COLUMNS]
    return [*plain, f"{IMAGE}.path"] if len(schema) > len(COLUMNS) else plain


def _features(with_pictures: bool) -> bytes:
    """What `datasets` of Hugging Face reads types from, that of pictures too."""
    kinds: dict[str, Any] = {
        name: {"feature": {"dtype": _TEXT, "_type": "Value"}, "_type": "Sequence"}
        if kind == _LIST
        else {"dtype": kind, "_type": "Value"}
        for name, (kind, _) in COLUMNS.items()
    }
    if with_pictures:
        kinds[IMAGE] = {"_type": "Image"}
    return json.dumps({"info": {"features": kinds}}).encode()


def _tags(enriched: Mapping[str, Any]) -> list[str]:
    tags = enriched.get("tags") or ()
    return [str(tag.get("name", "") if isinstance(tag, Mapping) else tag) for tag in tags]


def _found(enriched: Mapping[str, Any], detector: str, field: str) -> Any:
    """What a detector recorded; None where it did not look, or could not tell."""
    return (enriched.get(detector) or {}).get(field)


def _text(enriched: Mapping[str, Any]) -> str | None:
    lines = (enriched.get("text") or {}).get("lines") or ()
    read = [str(line.get("text", "") if isinstance(line, Mapping) else line) for line in lines]
    return "\n".join(read) or None


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _real(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
