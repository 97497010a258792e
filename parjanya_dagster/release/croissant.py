"""The description of a release in MLCommons' format Croissant 1.0 (JSON-LD). Pure.

https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from parjanya_dagster.release.frozen import Frozen
from parjanya_dagster.release.options import PARQUET
from parjanya_dagster.release.table import COLUMNS, IMAGE, Made
from parjanya_dagster.truth.releases import Release

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "equivalentProperty": "cr:equivalentProperty",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {"string": "sc:Text", "list": "sc:Text", "int64": "sc:Integer", "float64": "sc:Float"}


def croissant(release: Release, frozen: Frozen, tables: Sequence[Made]) -> bytes:
    """The bytes of croissant.json. `tables`: the Parquet files of the release."""
    options = frozen.options
    body: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": release.name,
        "version": f"{release.version}.0.0",
        "identifier": frozen.release_id,
        "description": options.description or f"Images of {release.tenant}, curated.",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": table.path,
                "name": table.path,
                "contentUrl": table.path,
                "contentSize": f"{table.size} B",
                "encodingFormat": "application/x-parquet",
                "sha256": table.sha256,
            }
            for table in tables
        ],
        "recordSet": [_record_set(table, PARQUET in options.formats) for table in tables],
    }
    if options.licence:
        body["license"] = options.licence
    if options.privacy:
        body["rai:personalSensitiveInformation"] = options.privacy
    return json.dumps(body, indent=1, ensure_ascii=False).encode() + b"\n"


def _record_set(table: Made, with_pictures: bool) -> dict[str, Any]:
    """The rows of one table: they are of one split, which is a column, too."""
    name = table.path.rpartition("/")[2].removesuffix(".parquet")
    fields = [
        _field(name, table, column, _TYPES[kind], meaning)
        | ({"repeated": True} if kind == "list" else {})
        for column, (kind, meaning) in COLUMNS.items()
    ]
    if with_pictures:
        picture = _field(name, table, IMAGE, "sc:ImageObject", "the picture")
        picture["source"]["transform"] = {"jsonPath": "bytes"}
        fields.append(picture)
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/name"},
        "field": fields,
    }


def _field(record_set: str, table: Made, column: str, kind: str, meaning: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column}",
        "name": column,
        "description": meaning,
        "dataType": kind,
        "source": {"fileObject": {"@id": table.path}, "extract": {"column": column}},
    }
