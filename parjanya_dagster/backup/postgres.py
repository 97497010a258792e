"""A server's store, by PostgreSQL's own programs. Dagster's tables beside ours are left out."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.dialects.postgresql import psycopg2

from parjanya_dagster.backup.contents import sync
from parjanya_dagster.errors import BackupRefused
from parjanya_dagster.truth.revisions import VERSION_TABLE
from parjanya_dagster.truth.sql import iam
from parjanya_dagster.truth.sql.schema import metadata
from parjanya_dagster.truth.sql.tally_triggers import postgres_functions

FILE = "truth.dump"
TABLES = (*sorted(metadata.tables), VERSION_TABLE)

_ASIDE = """
CREATE SCHEMA "{aside}";
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[{names}] LOOP
        EXECUTE format('ALTER TABLE IF EXISTS public.%I SET SCHEMA "{aside}"', name);
    END LOOP;
END $$;
"""


def dump(url: URL, target: Path) -> None:
    """Write one snapshot of our tables. Raises BackupRefused."""
    tables = [f"--table=public.{name}" for name in TABLES]
    _run(url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", *tables,
         f"--file={target}")  # fmt: skip
    sync(target)


def load(url: URL, source: Path, aside: str | None) -> None:
    """Bring the tables back in one transaction. Those that are there move into a schema `aside`."""
    work = source.parent if os.access(source.parent, os.W_OK) else Path.cwd()
    script = work / f".{source.name}.{os.getpid()}.sql"
    try:
        _run(url, "pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(source),
             connects=False)  # fmt: skip
        first = []
        if aside is not None:
            names = ", ".join(f"'{name}'" for name in TABLES)
            first.append(_ASIDE.format(aside=aside, names=names))
        first += postgres_functions()  # a dump of tables has their triggers, and not what these do
        before = [f"--command={command}" for command in first]
        _run(url, "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null",
             "--single-transaction", *before, f"--file={script}")  # fmt: skip
    finally:
        script.unlink(missing_ok=True)


def _run(url: URL, program: str, *arguments: str, connects: bool = True) -> None:
    found = shutil.which(program)
    if found is None:
        raise BackupRefused(
            f"{program} is not installed here. Install PostgreSQL's client programs (Debian: "
            "apt-get install postgresql-client), or use the snapshots of the managed server."
        )
    where, environment = _connection(url)
    place = [f"--dbname={where}"] if connects else []
    done = subprocess.run(
        [found, *place, *arguments], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.split())
        raise BackupRefused(f"{program} failed: {said[-800:]}")


def _connection(url: URL) -> tuple[str, dict[str, str]]:
    """As libpq reads it. The password goes by the environment: arguments can be seen by others."""
    from psycopg2.extensions import make_dsn

    if iam.wanted(url):
        url = iam.checked(url)
        url = url.set(drivername="postgresql", password=iam.token_of(url)())
    _, options = psycopg2.dialect().create_connect_args(url)  # type: ignore[no-untyped-call]
    environment = dict(os.environ)
    if (password := options.pop("password", None)) is not None:
        environment["PGPASSWORD"] = str(password)
    return make_dsn(**options), environment
