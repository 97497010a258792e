"""Brings a backup back into a home. What is there is never overwritten: it is kept aside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import make_url

from parjanya_dagster import catalog
from parjanya_dagster.backup import postgres, sqlite
from parjanya_dagster.backup.contents import Contents, read_contents, sync
from parjanya_dagster.backup.write import DYNAMO
from parjanya_dagster.errors import BackupInvalid, BackupRefused
from parjanya_dagster.settings import ENV_FILE, Settings
from parjanya_dagster.truth.sql.engine import open_engine
from parjanya_dagster.truth.sql.revisions import check_known, current_revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was brought back, and what was put aside for it."""

    contents: Contents
    aside: tuple[str, ...]  # names of what was there before
    settings: str  # where the settings of the backup are now; empty: it had none


def restore_backup(
    settings: Settings, source: Path, replace: bool, now: float, progress: Callable[[str], None]
) -> Restored:
    """Put the Truth of a backup in the place that the settings name. Nothing may run over it.

    A Truth that is there is put aside where `replace`, and is a reason to refuse otherwise.
    `progress` hears what is done next, such as "bringing Truth back". Raises BackupInvalid,
    BackupRefused, HomeBusy, SchemaOutdated.
    """
    if settings.truth_url.startswith("dynamodb:"):
        raise BackupRefused(DYNAMO)
    progress("comparing the backup's files with their checksums")
    contents = read_contents(source)
    check_known(contents.schema)
    file = settings.truth_file
    here = "postgresql" if file is None else "sqlite"
    if contents.store != here:
        raise BackupInvalid(
            f"{source} is a backup of {contents.store}, and Truth is in {here} here. Set "
            "PARJANYA_TRUTH__URL to a store of the same kind."
        )
    progress("bringing Truth back")
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    before = f"before-restore-{stamp}"
    aside = []
    if file is not None:
        if file.exists():
            aside.append(str(file.with_name(f"{file.name}.{before}")))
            _allow(replace, str(file))
        file.parent.mkdir(parents=True, exist_ok=True)
        sqlite.load(source / sqlite.FILE, file, file.with_name(f"{file.name}.{before}"))
    else:
        name = before.replace("-", "_").lower() if _is_there(settings.truth_url) else None
        if name is not None:
            _allow(replace, "a Truth in this database")
            aside.append(f"the schema {name} of the database")
        postgres.load(make_url(settings.truth_url), source / postgres.FILE, name)
    catalog.remove(settings.home / catalog.FILE)  # it is of the time after the backup, too
    # What Dagster believes is of the time after the backup. It is made anew.
    believed = settings.home / "dagster" / "storage"
    if believed.exists():
        kept = believed.with_name(f"storage.{before}")
        os.rename(believed, kept)
        aside.append(str(kept))
    return Restored(contents=contents, aside=tuple(aside), settings=_settings(settings, source))


def _allow(replace: bool, what: str) -> None:
    if not replace:
        raise BackupRefused(
            f"There is {what}. With --replace it is put aside, and the backup takes its place."
        )


def _is_there(url: str) -> bool:
    engine = open_engine(url)
    try:
        return current_revision(engine) is not None
    finally:
        engine.dispose()


def _settings(settings: Settings, source: Path) -> str:
    """The settings of the backup: in force where the home has none, beside its own otherwise."""
    saved, place = source / ENV_FILE, settings.home / ENV_FILE
    if not saved.exists():
        return ""
    if place.exists() and place.read_bytes() == saved.read_bytes():
        return str(place)
    if place.exists():
        place = place.with_name(f"{ENV_FILE}.of-backup")
    settings.home.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.part")
    shutil.copyfile(saved, part)
    os.chmod(part, 0o600)
    sync(part)
    os.replace(part, place)
    return str(place)
