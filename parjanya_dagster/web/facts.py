"""Recorded evidence as people read it: what a camera noted, how light is spread, where text is.

Pure.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parjanya_dagster import media
from parjanya_dagster.web.languages import language
from parjanya_dagster.web.text import fact

BARS = 32  # of a histogram
WIDTH, HEIGHT = 240, 48  # of its plot
_LABELS = {
    "taken_at": "Taken", "camera_make": "Camera", "camera_model": "Model", "lens": "Lens",
    "exposure_time": "Exposure", "f_number": "Aperture", "iso": "ISO",
    "focal_length_mm": "Focal length",
}  # fmt: skip

_ASIDE = frozenset({"sources", "gps_present"})


def camera(exif: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Labels and values of EXIF, in the words and units of photographers."""
    known = [name for name in _LABELS if name in exif]
    others = [name for name in exif if name not in _LABELS and name not in _ASIDE]
    sidecar, of_sidecar, _ = str((exif.get("sources") or {}).get("position", "")).rpartition(": ")
    place = [("Place", f"recorded in {sidecar if of_sidecar else 'the file'}")]
    place = place if exif.get("gps_present") else []
    return place + [
        (_LABELS.get(name, name.replace("_", " ").capitalize()), _said(name, exif[name]))
        for name in (*known, *others)
        if exif[name] not in (None, "", [], {})
    ]


def _said(name: str, value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if name == "exposure_time" and number and value > 0:
        return f"1/{round(1 / value):,} s" if value < 0.3 else f"{fact(float(value))} s"
    if name == "f_number" and number:
        return f"f/{value:g}"
    if name == "focal_length_mm" and number:
        return f"{value:g} mm"
    if name == "taken_at":
        return fact(value).replace("T", " ")
    return fact(value)


def found(enriched: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What detectors found, in words. Nothing of those that did not look."""
    said = []
    if spoken := enriched.get("language"):
        sure = f", {_percent(spoken.get('probability'))} sure"
        code, why = spoken.get("code"), spoken.get("unknown")
        said.append(("Language", language(code) + sure if code else f"unknown: {why}"))
    if faces := enriched.get("faces"):
        doubtful = faces.get("doubtful") or 0
        more = f", and {doubtful} that may be one" if doubtful else ""
        said.append(("Faces", f"{fact(faces.get('count'))}{more}"))
    if overlay := enriched.get("overlay"):
        share = f"{_percent(overlay.get('area_share'))} of the picture"
        said.append(("Text laid over it", share if overlay.get("boxes") else "none found"))
    if nsfw := enriched.get("nsfw"):
        said.append(("Not safe for work", f"probability {fact(nsfw.get('probability'))}"))
    return said


def _percent(share: Any) -> str:
    return f"{100 * share:.3g} %" if isinstance(share, (int, float)) else "—"


def light(likeness: Mapping[str, Any]) -> str:
    """The outline of a histogram of luma, dark to bright, as the points of an SVG polygon.

    It is that of the small picture which `validated` recorded, 64 × 64. Empty: none was recorded.
    """
    side = media.LIKENESS_SIDE
    try:
        luma = base64.b64decode(likeness.get("thumbnail") or "", validate=True)[: side * side]
    except (ValueError, TypeError):
        return ""
    if len(luma) < side * side:
        return ""
    counts = [0] * BARS
    for level in luma:
        counts[level * BARS // 256] += 1
    most, step = max(counts), WIDTH / BARS
    tops = [
        f"{x:g},{HEIGHT - round(HEIGHT * count / most, 1):g}"
        for n, count in enumerate(counts)
        for x in (n * step, (n + 1) * step)
    ]
    return " ".join([f"0,{HEIGHT}", *tops, f"{WIDTH},{HEIGHT}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBox:
    """A box of text in a picture."""

    points: str  # of an SVG polygon, in pixels of the preview
    text: str  # what was read there; empty: nothing was


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBoxes:
    """Where text was found, over a preview of this size in pixels."""

    width: int
    height: int
    boxes: tuple[TextBox, ...]
    found: int  # boxes in all; of very many only the largest have a place


def text_boxes(enriched: Mapping[str, Any], validated: Mapping[str, Any]) -> TextBoxes | None:
    """None: there is no text, or evidence does not say where, as that of earlier engines."""
    text = enriched.get("text") or {}
    preview = validated.get("preview") or {}
    width, height = preview.get("width"), preview.get("height")
    places = [place for place in text.get("places") or () if len(place) == 8]
    if not places or not width or not height:
        return None
    read = {line.get("place"): str(line.get("text", "")) for line in text.get("lines") or ()}
    boxes = tuple(
        TextBox(
            points=" ".join(
                f"{place[n] * width:.1f},{place[n + 1] * height:.1f}" for n in range(0, 8, 2)
            ),
            text=read.get(number, ""),
        )
        for number, place in enumerate(places)
    )
    found = max(int(text.get("boxes") or 0), len(boxes))
    return TextBoxes(width=width, height=height, boxes=boxes, found=found)
