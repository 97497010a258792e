"""`parjanya review`: what waits for a person, and deciding it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parjanya_dagster.cli.options import Home, Json, OneTenant, login, platform_of
from parjanya_dagster.cli.output import ATTENTION, BAD, GOOD, print_json, print_title
from parjanya_dagster.errors import ReviewRefused

if TYPE_CHECKING:
    from parjanya_dagster.platform import Platform
    from parjanya_dagster.review.decide import Asked, Told
    from parjanya_dagster.truth.models import ImageRow

app = typer.Typer(no_args_is_help=True, help="What waits for a person, and deciding it.")

SHORT = 12  # characters of an id that are shown

Images = Annotated[
    list[str] | None,
    typer.Argument(help="Ids, the beginning of one, or keys such as holiday/a.jpg."),
]
File = Annotated[
    Path | None,
    typer.Option("--from", help="A file of images: an id on each line, CSV, or JSON lines."),
]
Note = Annotated[str, typer.Option("--note", help="Why, for whoever reads the history.")]
As = Annotated[
    str, typer.Option("--as", help="Who decides. Default: the name you are logged in with.")
]
Copies = Annotated[
    bool, typer.Option("--copies", help="Decide the other images with the same bytes too.")
]
Order = Annotated[
    str,
    typer.Option(
        "--order",
        help="oldest; doubt: the least certain first; alike: look-alikes together; teach: what a "
        "taste would learn most from.",
    ),
]


@app.command("list")
def list_(
    tenant: OneTenant = None,
    order: Order = "oldest",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Images at most.")] = 50,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """The images that wait for a person."""
    from parjanya_dagster.review.queue import ORDERS, WINDOW, in_order

    if order not in ORDERS:
        raise ReviewRefused(f"{order!r} is no order: {', '.join(ORDERS)} are.")
    platform = platform_of(home)
    store = platform.store
    slugs = [platform.tenant(tenant).slug] if tenant else [t.slug for t in store.tenants()]
    waiting = {slug: store.waiting_for_review(slug) for slug in slugs}
    rows: list[ImageRow] = []
    for slug in slugs:
        # Only the oldest are put in order: see `review.queue`.
        first = store.to_review(slug, limit if order == "oldest" else WINDOW)
        rows += in_order(store, first, order, platform.tastes)
    if as_json:
        print_json([_waits(row) for row in rows[:limit]])
        return
    for slug, count in waiting.items():
        print_title(f"{slug}: {count} wait")
        for row in (row for row in rows[:limit] if row.tenant == slug):
            why = "; ".join(row.reasons)
            if row.lapsed:
                why = f"a person is asked again ({row.policy} says {row.verdict}). {why}"
            typer.echo(f"  {row.image_id[:SHORT]}  {row.key}  {why}")


def _command(action: str, what: str) -> None:
    @app.command(action, help=what)
    def command(
        images: Images = None,
        file: File = None,
        note: Note = "",
        who: As = "",
        tenant: OneTenant = None,
        copies: Copies = False,
        as_json: Json = False,
        home: Home = None,
    ) -> None:
        _decide(action, images, file, note, who, tenant, copies, as_json, home)


_command("accept", "Accept images, whatever their policy says.")
_command("reject", "Reject images, whatever their policy says.")
_command("undo", "Take the last decision of a person back. What stood before it counts again.")


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines with the fields image, verdict.")],
    note: Note = "",
    who: As = "",
    tenant: OneTenant = None,
    copies: Copies = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Make the decisions of a file. Applying it again makes none twice."""
    _decide("", None, file, note, who, tenant, copies, as_json, home)


def _decide(
    action: str,
    images: list[str] | None,
    file: Path | None,
    note: str,
    who: str,
    tenant: str | None,
    copies: bool,
    as_json: bool,
    home: Path | None,
) -> None:
    from parjanya_dagster.review.decide import Asked
    from parjanya_dagster.review.files import read_decisions

    who = who or login()
    asked = [
        Asked(image=image, who=who, action=action, request_id=uuid.uuid4().hex, note=note)
        for image in images or ()
    ]
    if file is not None:
        asked += read_decisions(file.read_bytes(), who, action, note)
    if not asked:
        raise ReviewRefused("Name images, or a file of them with --from.")
    platform = platform_of(home)
    if tenant:
        platform.tenant(tenant)
    told = _carried_out(platform, asked, tenant, copies)
    if as_json:
        every = list(told)
        print_json([one.body() for one in every])
    else:
        every = [_shown(one) for one in told]
    if not all(one.good for one in every):
        raise typer.Exit(1)


def _carried_out(
    platform: Platform, asked: Iterable[Asked], tenant: str | None, copies: bool
) -> Iterator[Told]:
    from parjanya_dagster.doctor.find import find_image
    from parjanya_dagster.review.decide import decide_copies, decide_many
    from parjanya_dagster.review.find import by_id

    store = platform.store

    def find(name: str) -> ImageRow:
        return by_id(store, name, tenant) or find_image(store, name, tenant)

    for one in decide_many(store, asked, platform.clock, find):
        yield one
        if copies:
            yield from decide_copies(store, one, platform.clock)


def _shown(told: Told) -> Told:
    """Print what became of a decision."""
    colours = {"done": GOOD, "done_before": GOOD, "stale": ATTENTION, "not_now": ATTENTION}
    where = f"line {told.asked.line}: " if told.asked.line is not None else ""
    row = told.row
    named = f"{row.image_id[:SHORT]} {row.key}" if row else told.asked.image
    typer.secho(f"{where}{told.result:<11} {named}  {told.says}",
                fg=colours.get(told.result, BAD))  # fmt: skip
    return told


def _waits(row: ImageRow) -> dict[str, Any]:
    return {
        "image_id": row.image_id,
        "tenant": row.tenant,
        "key": row.key,
        "batch": row.batch,
        "policy": row.policy,
        "policy_verdict": row.verdict,
        "reasons": list(row.reasons),
        "asked_again": row.lapsed,
        "landed_at": row.landed_at,
        "reviews": row.reviews,
    }
