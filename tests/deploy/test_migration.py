"""What the Job of a release migrates, on a real PostgreSQL: its own arguments, its own storage."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from shutil import ignore_patterns

import yaml
from sqlalchemy import create_engine, make_url, text

from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.revisions import newest_revision
from tests.deploy.objects import of
from tests.support.servers import PostgresServer
from tests.support.world import arrive

ROOT = Path(__file__).parents[2]


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
    (job,) = [one for name, one in of("Job", "team").items() if "migrate" in name]
    pod = job["spec"]["template"]["spec"]
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


LATER = '''
"""A column and a table more: all that this release adds."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{newest}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("images", sa.Column("later", sa.Text(), nullable=True))
    op.create_table("later", sa.Column("id", sa.Text(), primary_key=True))
'''


def test_a_release_that_only_adds_is_rolled_out_and_taken_back_under_work(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """Two versions of the code at once, over one Truth: this one, and a later one made of it."""
    newest = newest_revision()
    number = newest.partition(".")[0]
    revision = f"{int(number) + 1:04d}.{number}"
    later = tmp_path / "later"
    for package in ("parjanya_dagster", "gpu_ops"):
        shutil.copytree(ROOT / package, later / package, ignore=ignore_patterns("__pycache__"))
    versions = later / "parjanya_dagster" / "truth" / "sql" / "migrations" / "versions"
    (versions / f"{revision}_later.py").write_text(LATER.format(revision=revision, newest=newest))
    truth = postgres.url(postgres.create_database())

    def run(code: Path, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "parjanya_dagster.cli", command, "--home", tmp_path / "home"],
            env={**os.environ, "PYTHONPATH": str(code), "PARJANYA_TRUTH__URL": truth},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert run(ROOT, "migrate").returncode == 0
    before = open_store(truth)  # a process of this version, at work
    arrive(before, 3)
    assert f"needs {revision}" in run(later, "status").stderr  # it waits for its migration
    assert run(later, "migrate").returncode == 0
    arrive(before, 2, slug="other")  # goes on over the new schema
    for code in (later, ROOT):  # both start over it
        done = run(code, "status")
        assert done.returncode == 0, done.stderr
    done = run(ROOT, "migrate")  # the way back: its Job changes nothing
    assert done.returncode == 0, done.stderr
    assert _scalar(truth, "select version_num from parjanya_schema") == revision
    after = open_store(truth)
    assert sum(one.registered for one in after.counts()) == 5
    before.close()
    after.close()


def _storage(folder: Path, url: str) -> Path:
    """The dagster.yaml of the Job, with the server of this test in it."""
    folder.mkdir(parents=True)
    config = yaml.safe_load(
        of("ConfigMap", "team")["parjanya-dagster-storage"]["data"]["dagster.yaml"]
    )
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
