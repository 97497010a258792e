"""Decisions from a file: CSV with a header, JSON lines, a JSON list, or an id on each line.

A line that cannot be understood is told, and the others go on. Each decision's request follows from
the file's bytes, who applies it, and the line, so a file that was interrupted may simply be applied
again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from parjanya_dagster.review.decide import Asked
from parjanya_dagster.truth.reviews import PEOPLES

IMAGE, VERDICT, NOTE, SEEN, REQUEST = "image", "verdict", "note", "seen", "request_id"
FIELDS = (IMAGE, VERDICT, NOTE, SEEN, REQUEST)
_ALSO = {"image_id": IMAGE, "id": IMAGE, "key": IMAGE, "action": VERDICT, "reviews": SEEN}
"""Other names of fields: those that `review list --json` and manifests have."""


def read_decisions(data: bytes, who: str, action: str = "", note: str = "") -> list[Asked]:
    """What a file asks for. `action` is that of lines that name none, and others are refused."""
    digest = hashlib.sha256(data + b"\0" + who.encode("utf-8", "replace")).hexdigest()[:24]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return [_wrong(0, who, f"The file is not UTF-8 text (byte {error.start}).")]
    return [
        _asked(line, fields, who, action, note, f"{digest}-{line}") for line, fields in _lines(text)
    ]


def _lines(text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Numbers of lines and their fields; a text says what is wrong with one."""
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip().startswith("{"):
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, _json(line)
        return
    if first.lstrip().startswith("["):
        yield from _json_list(text)
        return
    header = [name.strip().lower() for name in next(csv.reader([first]), [])]
    if not any(_ALSO.get(name, name) == IMAGE for name in header):
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.startswith("#"):
                yield number, {IMAGE: line.strip()}
        return
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    try:
        for row in reader:
            yield reader.line_num, {(name or "").strip().lower(): v for name, v in row.items()}
    except csv.Error as error:
        yield reader.line_num, f"The CSV cannot be read: {error}."


def _json(line: str) -> Mapping[str, Any] | str:
    try:
        fields = json.loads(line)
    except ValueError as error:
        return f"The line is no JSON: {error}."
    return fields if isinstance(fields, dict) else "The line is no JSON object."


def _json_list(text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    try:
        listed = json.loads(text)
    except ValueError as error:
        yield 0, f"The file is no JSON: {error}."
        return
    for number, fields in enumerate(listed, 1):
        yield number, fields if isinstance(fields, dict) else "The entry is no JSON object."


def _asked(
    line: int, fields: Mapping[str, Any] | str, who: str, action: str, note: str, request: str
) -> Asked:
    if isinstance(fields, str):
        return _wrong(line, who, fields)
    known: dict[str, str] = {}
    for name, value in fields.items():
        meant = _ALSO.get(name, name)
        if meant in FIELDS and value not in (None, "") and meant not in known:
            known[meant] = str(value).strip()
    says = known.get(VERDICT, action)
    wrong = ""
    if not known.get(IMAGE):
        wrong = f"The line names no image: give it a field {IMAGE!r}."
    elif says not in PEOPLES:
        wrong = f"{says!r} is no verdict: {', '.join(PEOPLES)} are."
    elif action and says != action:
        wrong = f"The line says {says}, and the command {action}."
    elif SEEN in known and not known[SEEN].isdigit():
        wrong = f"{SEEN} is the number of decisions that were shown, not {known[SEEN]!r}."
    return Asked(
        image=known.get(IMAGE, ""),
        who=who,
        action=says,
        request_id=known.get(REQUEST, request),
        note=known.get(NOTE, note),
        seen=int(known[SEEN]) if SEEN in known and not wrong else None,
        line=line,
        wrong=wrong,
    )


def _wrong(line: int, who: str, why: str) -> Asked:
    return Asked(image="", who=who, action="", request_id="", line=line, wrong=why)
