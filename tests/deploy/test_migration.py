"""What the Job of a release migrates, on a real PostgreSQL: its own arguments, its own storage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml
from sqlalchemy import create_engine, make_url, text

from parjanya_dagster.truth.sql.revisions import newest_revision
from tests.deploy.objects import BASE, of
from tests.support.servers import PostgresServer


def test_the_first_release_and_the_second_migrate_both_schemas(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    truth, dagster = (postgres.url(postgres.create_database()) for _ in range(2))
    home = tmp_path / "home"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PARJANYA_")},
        "PARJANYA_HOME": str(home),
        "PARJANYA_TRUTH__URL": truth,
        "DAGSTER_HOME": str(_storage(home / "dagster", dagster)),
        "DAGSTER_PG_PASSWORD": "any",
    }
    pod = of("Job")["parjanya-migrate"]["spec"]["template"]["spec"]
    for _release in range(2):
        for container in (*pod["initContainers"], *pod["containers"]):
            done = subprocess.run(
                [Path(sys.executable).parent / container["args"][0], *container["args"][1:]],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-3000:]
    assert _scalar(truth, "select version_num from parjanya_schema") == newest_revision()
    assert _scalar(dagster, "select version_num from alembic_version")


def _storage(folder: Path, url: str) -> Path:
    """The dagster.yaml of the Job, with the server of this test in it."""
    folder.mkdir(parents=True)
    config = yaml.safe_load((BASE / "dagster.yaml").read_text())
    where = make_url(url)
    config["storage"]["postgres"]["postgres_db"] |= {
        "hostname": where.host,
        "port": where.port,
        "username": where.username,
        "db_name": where.database,
        "params": {},
    }
    (folder / "dagster.yaml").write_text(yaml.safe_dump(config))
    return folder


def _scalar(url: str, statement: str) -> object:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))
    with engine.connect() as connection:
        found = connection.execute(text(statement)).scalar()
    engine.dispose()
    return found
