"""The dataset card of a release, README.md: it describes the release to its readers. Pure.

It does not say when or by whom the files were written, since equal releases must have equal cards.
Truth has that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from parjanya_dagster.release.frozen import Frozen
from parjanya_dagster.release.options import IMAGEFOLDER, ORIGINAL, PARQUET, WEBDATASET, Options
from parjanya_dagster.release.table import COLUMNS, IMAGE
from parjanya_dagster.truth.releases import Release

NOT_SAID = "Not stated. Ask whoever gave you this release before you use it."


def card(release: Release, frozen: Frozen) -> bytes:
    """The bytes of README.md."""
    options, counts = frozen.options, frozen.counts
    groups = counts["group"]
    sections = [
        _front_matter(options, counts["split"]),
        f"# {release.ref}\n\n{options.description or f'Images of {release.tenant}, curated.'}\n",
        f"Release `{frozen.release_id}`: {frozen.images} images. It never changes; what differs "
        "has another version. `SHA256SUMS` names every file: `sha256sum --check SHA256SUMS`.\n",
        "## What is in it\n\n"
        f"The images of the view `{_view(options)}` that were decided and not withdrawn.\n\n"
        + _diverse(options)
        + "".join(
            _table(title, counts[name])
            for title, name in (
                ("split", "split"),
                ("verdict", "verdict"),
                ("kind", "category"),
                ("format of the original", "format"),
            )
        ),
        "## Splits\n\n"
        f"Shares asked for: {', '.join(f'{name} {share:g}' for name, share in options.split)}. "
        "A hash of an image's group decides, so shares are met roughly, and images that are added "
        "in a later version move no others unless they show the same. "
        f"Images that show the same are one group, in one split: {groups.get('all', 0)} groups, "
        f"{groups.get('of several', 0)} of several images.\n",
        "## Who decided\n\n"
        + _table("decided by", counts["decided_by"])
        + (_table("person", counts["reviewer"]) if counts["reviewer"] else "")
        + _table("policy, and the hash of its content", counts["policy"]),
        f"## Files\n\n{_files(options)}\n{_columns(PARQUET in options.formats)}",
        "## Known limits\n\n" + "\n".join(f"- {limit}" for limit in _limits(options)) + "\n",
        f"## Licence\n\n{options.licence or NOT_SAID}\n",
        f"## Privacy\n\n{options.privacy or NOT_SAID}\n\n{_privacy(options)}\n",
    ]
    return "\n".join(sections).encode()


def _front_matter(options: Options, images: Mapping[str, int]) -> str:
    """What Hugging Face reads: which files are which split. It refuses a split without files."""
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split in (split for split, _ in options.split if split in images):
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    if options.licence:
        lines += [
            "license: other",
            f"license_name: {json.dumps(options.licence, ensure_ascii=False)}",
        ]
    return "\n".join([*lines, "---", ""])


def _view(options: Options) -> str:
    return "&".join(f"{name}={value}" for name, value in options.where)


def _diverse(options: Options) -> str:
    if not options.diverse:
        return ""
    return (
        f"Of them, the {options.diverse} that differ most from one another were chosen: farthest "
        f"first, by vectors of `{options.space}`. So rare kinds of images are more frequent here "
        "than in the view, and so are odd ones.\n\n"
    )


def _table(title: str, counts: Mapping[str, int]) -> str:
    rows = "".join(f"| {_cell(name)} | {count} |\n" for name, count in counts.items())
    return f"| {title} | images |\n|---|--:|\n{rows}\n"


def _files(options: Options) -> str:
    pictures = {
        ORIGINAL: "the original bytes"
        + ("" if options.keep_exif else ", without EXIF, places and comments"),
        "preview": "previews: JPEG, sRGB, upright, at most 1024 pixels on the longer side",
    }.get(
        options.pictures,
        f"resized: JPEG, sRGB, upright, at most {options.side} pixels on the longer side",
    )
    lines = [f"Pictures are {pictures}.\n", "| files | what |", "|---|---|"]
    told = f", and the pictures in the column `{IMAGE}`" if PARQUET in options.formats else ""
    lines.append(f"| `data/SPLIT-*.parquet` | everything that is known{told} |")
    if WEBDATASET in options.formats:
        lines.append(
            "| `webdataset/SPLIT-*.tar` | WebDataset: a picture and a JSON file for each image; at "
            f"most {options.shard_images} images and {options.shard_bytes} bytes of originals |"
        )
    if IMAGEFOLDER in options.formats:
        lines.append("| `imagefolder/SPLIT/` | pictures, and `metadata.parquet` about them |")
    lines += [
        "| `croissant.json` | this release in the Croissant format (MLCommons) |",
        "| `release.json` | its id, what was asked for, and counts |",
    ]
    return "\n".join(lines) + "\n"


def _columns(with_pictures: bool) -> str:
    rows = [f"| `{name}` | {meaning} |" for name, (_, meaning) in COLUMNS.items()]
    if with_pictures:
        rows.append(f"| `{IMAGE}` | the picture: `bytes`, and its name as `path` |")
    return "\n".join(["| column | meaning |", "|---|---|", *rows, ""])


def _limits(options: Options) -> Sequence[str]:
    limits = [
        "Categories, captions, texts and qualities are what models found. They may be wrong; "
        "`evidence` says which engine and how sure.",
        "A person's verdict counts before the policy's. `decided_by` says which it was, and "
        "images that no person saw are counted above under `policy`.",
        "Images that show the same are found by small pictures of them: copies that are strongly "
        "cropped, turned or drawn over may be in different splits.",
        "The view was asked of one tenant's images at one time. It is no sample of anything else.",
    ]
    if options.pictures == ORIGINAL:
        limits.append("Originals differ in size, format and colour space.")
    return limits


def _privacy(options: Options) -> str:
    told = (
        "EXIF was kept on request: it may say who took a picture, where and when."
        if options.pictures == ORIGINAL and options.keep_exif
        else "EXIF, places, comments and embedded thumbnails were left out of the pictures, and "
        "what EXIF said is not in the evidence."
    )
    return (
        f"{told} What a picture shows was not changed: faces, number plates and text are in it, "
        "and text that was read is in the table. Names of files are as tenants gave them."
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
