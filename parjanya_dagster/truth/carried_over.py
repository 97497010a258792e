"""What heartbeats held before records had tables of their own, as rows of those tables.

It is part of the step to schema 0007, on every backend, and stays as it is: later code reads what
this wrote, and homes that skip versions still pass through here. Pure, and made of plain values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Beat = tuple[str, float, Mapping[str, Any]]
"""name, when, payload."""

Rows = dict[str, list[dict[str, Any]]]
"""table -> rows."""

_LOOP, _RUN = "reconciler", "run"  # these heartbeats stay: only what was not Belief is taken
_BOOK = "book:"


def carried_over(beats: Iterable[Beat]) -> tuple[Rows, list[str]]:
    """Rows by table, and the names of the heartbeats that they take the place of.

    A heartbeat of another kind, or one that makes no sense, is left alone.
    """
    by_name = {name: (at, payload) for name, at, payload in beats}
    pulses = {
        name.partition(":")[2]: {"at": at, **payload}
        for name, (at, payload) in by_name.items()
        if name.startswith(f"{_RUN}:")
    }
    rows: Rows = {}
    moved = []
    for name, (at, payload) in by_name.items():
        family, _, key = name.partition(":")
        try:
            row = _row(family, key, at, payload, pulses)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        if row is None:
            continue
        table, values = row
        rows.setdefault(table, []).append(values)
        if family != _LOOP:
            moved.append(name)
    return rows, moved


def _row(
    family: str, key: str, at: float, payload: Mapping[str, Any], pulses: Mapping[str, Any]
) -> tuple[str, dict[str, Any]] | None:
    if family == _LOOP and not key:
        return "reconciliations", {
            "at": at,
            "generation": int(payload.get("generation", 0)),
            "watching_since": float(payload.get("watching_since", at)),
            "totals": dict(payload.get("totals", {})),
            "heard": dict(pulses),
        }
    if family == "declared":
        return "declarations", {"lane": key, "identity": dict(payload), "at": at}
    if family == "running":
        lane, _, digest = key.partition("/")
        identity = {"identity": dict(payload["identity"]), "run_id": str(payload["run_id"])}
        return "identities", {"lane": lane, "digest": digest, **identity, "at": at}
    if family == "book":
        run_id, _, stage = key.rpartition("/")
        accounts = {name: dict(amounts) for name, amounts in payload["accounts"].items()}
        kept = {"accounts": accounts, "closed": bool(payload.get("closed"))}
        return "books", {"run_id": run_id, "stage": stage, **kept, "at": at}
    if family == "ledger":
        folded = [str(name).removeprefix(_BOOK) for name in payload["folded"]]
        amounts = dict(payload["account"])
        return "ledgers", {"account": key, "amounts": amounts, "folded": folded, "at": at}
    if family == "sent":
        return "messages", {
            "message_id": key,
            "lane": str(payload["lane"]),
            "stages": list(payload["stages"]),
            "batches": list(payload["batches"]),
            "regrade": bool(payload.get("regrade")),
            "sent_at": at,
            "taken_at": pulses[key]["at"] if key in pulses else None,
        }
    if family == "regrade":
        until = float(payload.get("hold_until", 0.0))
        return "regrade_holds", {"replay_id": key, "attended_at": at, "hold_until": until}
    if family == "preflight":
        since = payload.get("since")
        return "preflights", {
            "stage": key,
            "ok": bool(payload.get("ok")),
            "engine": str(payload.get("engine", "")),
            "problem": str(payload.get("problem", "")),
            "identity": dict(payload.get("identity", {})),
            "run_id": str(payload.get("run", "")),
            "host": str(payload.get("host", "")),
            "at": at,
            "since": None if since is None else float(since),
            "times": int(payload.get("times", 0)),
        }
    if family == "pace":
        seconds, rows = float(payload["seconds_per_row"]), int(payload.get("rows", 0))
        return "paces", {"stage": key, "seconds_per_row": seconds, "rows": rows, "at": at}
    if family == "group":
        nothing = payload.get("nothing_since")
        return "group_notes", {
            "lane": key,
            "group": str(payload["group"]),
            "desired": int(payload["desired"]),
            "in_service": int(payload["in_service"]),
            "nothing_since": None if nothing is None else float(nothing),
            "said": str(payload.get("said", "")),
            "quiet_since": float(payload.get("quiet_since", at)),
            "rows": int(payload.get("rows", 0)),
            "at": at,
        }
    return None
