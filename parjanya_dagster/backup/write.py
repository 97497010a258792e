"""Writes a backup of a home."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import make_url

from parjanya_dagster import __version__
from parjanya_dagster.backup import postgres, sqlite
from parjanya_dagster.backup.contents import Contents, digest, sync, write_contents
from parjanya_dagster.errors import BackupRefused
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import ENV_FILE
from parjanya_dagster.truth.sql.engine import open_engine
from parjanya_dagster.truth.sql.revisions import current_revision

DYNAMO = (
    "Truth is in DynamoDB, which keeps its own backups: point-in-time recovery (`parjanya migrate` "
    "turns it on) and on-demand backups. docs/backup.md says how to bring one back."
)


def write_backup(
    platform: Platform, target: Path, progress: Callable[[int, int], None]
) -> Contents:
    """Write a backup into a folder that is not there yet. Raises BackupRefused, TruthCorrupt.

    `progress` hears how many pages of how many are copied, where that can be known.
    """
    url = platform.settings.truth_url
    if url.startswith("dynamodb:"):
        raise BackupRefused(DYNAMO)
    if target.exists():
        raise BackupRefused(f"{target} is there already. Name a new folder.")
    part = target.with_name(f"{target.name}.part")
    if part.exists():  # of a backup that was killed
        shutil.rmtree(part)
    part.mkdir(parents=True, mode=0o700)  # settings hold passwords
    if (file := platform.settings.truth_file) is not None:
        sqlite.dump(file, part / sqlite.FILE, progress)
        kept, store = f"sqlite:///{part / sqlite.FILE}", "sqlite"
    else:
        postgres.dump(make_url(url), part / postgres.FILE)
        kept, store = url, "postgresql"
    settings = platform.settings.home / ENV_FILE
    if settings.exists():
        shutil.copyfile(settings, part / ENV_FILE)
        os.chmod(part / ENV_FILE, 0o600)
        sync(part / ENV_FILE)
    contents = _contents(platform, part, kept, store)
    write_contents(part, contents)
    sync(part)
    os.rename(part, target)
    sync(target.parent)
    return contents


def _contents(platform: Platform, part: Path, kept: str, store: str) -> Contents:
    engine = open_engine(kept)
    try:
        schema = current_revision(engine) or ""
    finally:
        engine.dispose()
    known = platform.store.known_buckets()
    images = {counts.tenant: counts.rows for counts in platform.store.counts()}
    return Contents(
        made_at=platform.clock(),
        parjanya=__version__,
        store=store,
        schema=schema,
        tenants={
            tenant.slug: {
                "bucket": tenant.bucket,
                "identity": known[tenant.bucket].identity if tenant.bucket in known else None,
                "images": images.get(tenant.slug, 0),
                "policy": tenant.policy,
            }
            for tenant in platform.store.tenants()
        },
        policies={published.ref: published.hash for published in platform.store.policies()},
        files={path.name: digest(path) for path in sorted(part.iterdir())},
    )
