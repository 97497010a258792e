"""The options that many commands share, and the opening of the home that they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parjanya_dagster.errors import SettingsInvalid

if TYPE_CHECKING:
    from parjanya_dagster.platform import Platform
    from parjanya_dagster.settings import Places, Settings
    from parjanya_dagster.truth.image_reader import ImagesReadable
    from parjanya_dagster.truth.reader import Readable


def _home_of_program(context: typer.Context, home: Path | None) -> Path | None:
    """A command without `--home` has that of the program: `parjanya --home DIR status`."""
    if home is not None:
        return home
    given: Path | None = context.find_root().params.get("home")
    return given


Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        callback=_home_of_program,
        help="Where the instance lives. Default: PARJANYA_HOME or .parjanya.",
    ),
]
OneTenant = Annotated[str | None, typer.Option("--tenant", "-t", help="One tenant only.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TenantName = Annotated[str, typer.Argument(help="The tenant's name.")]


def login() -> str:
    """Who is logged in. Raises SettingsInvalid where that login has no name."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise SettingsInvalid("This login has no name: say --as WHO.") from None


def settings_of(home: Path | None) -> Settings:
    """The settings of a home. Raises SettingsInvalid."""
    from parjanya_dagster.settings import load

    return load(home)


def places_of(home: Path | None) -> Places:
    """Where everything of a home is, without reading settings that need more than a look.

    Raises SettingsInvalid where any of them is wrong.
    """
    from parjanya_dagster.settings import plain_places

    return plain_places(home) or settings_of(home).places


def platform_of(home: Path | None, *, migrating: bool = False, making: bool = False) -> Platform:
    """Open the platform of a home. Only where `migrating` is a store migrated, and
    only where `making` is a home made that is not there.

    Raises SettingsInvalid, HomeMissing, TruthUnavailable, SchemaOutdated.
    """
    from parjanya_dagster.platform import open_platform

    settings = settings_of(home)
    new = making and settings.truth_file is not None and not settings.truth_file.exists()
    return open_platform(settings, migrating=migrating or new)


def readable_of(home: Path | None) -> Readable:
    """What short commands read of Truth: over SQLite alone where that is enough, else the store.

    Raises what `platform_of` raises.
    """
    from parjanya_dagster.truth.reader import Reader, open_reader

    file = places_of(home).truth_file
    reader = open_reader(file, Reader) if file is not None else None
    return reader or platform_of(home).store


def images_readable_of(home: Path | None) -> ImagesReadable:
    """The same for commands that read images.

    Raises what `platform_of` raises.
    """
    from parjanya_dagster.truth.image_reader import ImageReader
    from parjanya_dagster.truth.reader import open_reader

    file = places_of(home).truth_file
    reader = open_reader(file, ImageReader) if file is not None else None
    return reader or platform_of(home).store


def answering_platform_of(home: Path | None) -> Platform:
    """The platform of a home whose Truth answered just now. It does not wait long for the answer.

    Raises what `platform_of` raises.
    """
    from parjanya_dagster.platform import require_home
    from parjanya_dagster.truth import open_probe

    settings = settings_of(home)
    require_home(settings)
    open_probe(settings.truth_url)()
    return platform_of(home)
