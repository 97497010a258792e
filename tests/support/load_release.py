"""Loads a release with a library, and prints what came of it as JSON: `… LIBRARY FOLDER`.

It is run by an interpreter that has the library, and imports nothing of ours.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from glob import glob
from pathlib import Path
from typing import Any

Loaded = dict[str, Any]


def with_pandas(folder: str) -> Loaded:
    import pandas

    known = pandas.read_parquet(f"{folder}/data")
    return {"splits": known.groupby("split").size().to_dict(), "sizes": []}


def with_duckdb(folder: str) -> Loaded:
    import duckdb

    found = duckdb.sql(
        f"select split, count(*) from '{folder}/data/*.parquet' where verdict = 'accept' group by 1"
    )
    return {"splits": dict(found.fetchall()), "sizes": []}


def with_datasets(folder: str) -> Loaded:
    return _hugging_face(folder)


def with_imagefolder(folder: str) -> Loaded:
    return _hugging_face("imagefolder", data_dir=f"{folder}/imagefolder")


def with_webdataset(folder: str) -> Loaded:
    import webdataset

    splits: dict[str, int] = {}
    sizes = set()
    for shard in sorted(glob(f"{folder}/webdataset/*.tar")):
        for sample in webdataset.WebDataset(shard, shardshuffle=False).decode("pil"):
            known = sample["json"]
            splits[known["split"]] = splits.get(known["split"], 0) + 1
            sizes.add(sample["jpg"].size)
    return {"splits": splits, "sizes": sorted(sizes)}


def with_mlcroissant(folder: str) -> Loaded:
    import mlcroissant

    dataset = mlcroissant.Dataset(f"{folder}/croissant.json")
    splits: dict[str, int] = {}
    sizes = set()
    for records in dataset.metadata.record_sets:
        for record in dataset.records(records.id):
            split = record[f"{records.id}/split"].decode()
            splits[split] = splits.get(split, 0) + 1
            sizes.add(record[f"{records.id}/image"].size)
    return {"splits": splits, "sizes": sorted(sizes)}


def _hugging_face(*given: str, **more: str) -> Loaded:
    import datasets

    loaded = datasets.load_dataset(*given, **more)
    return {
        "splits": {split: len(rows) for split, rows in loaded.items()},
        "sizes": sorted({row["image"].size for rows in loaded.values() for row in rows}),
    }


LIBRARIES: dict[str, tuple[str, Callable[[str], Loaded]]] = {
    "pandas": ("pandas", with_pandas),
    "duckdb": ("duckdb", with_duckdb),
    "datasets": ("datasets", with_datasets),
    "imagefolder": ("datasets", with_imagefolder),
    "webdataset": ("webdataset", with_webdataset),
    "mlcroissant": ("mlcroissant", with_mlcroissant),
}
"""Name -> the package that it needs, and the loading."""

if __name__ == "__main__":
    # Its folder has modules of ours that are named as others are.
    sys.path = [path for path in sys.path if Path(path).resolve() != Path(__file__).parent]
    print(json.dumps(LIBRARIES[sys.argv[1]][1](sys.argv[2])))
