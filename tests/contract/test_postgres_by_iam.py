"""Logging in to PostgreSQL by IAM: a real server with TLS that takes each token once.

RDS is not here. The server knows a token as the password of the role, set when boto3 has signed it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError

from parjanya_dagster.aws.bucket_check import Mark
from parjanya_dagster.doctor import aws_database
from parjanya_dagster.errors import SettingsInvalid, TruthUnavailable
from parjanya_dagster.instance.home import dagster_config
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.revisions import VERSION_TABLE
from parjanya_dagster.truth.sql import SqlStore, iam
from parjanya_dagster.truth.sql.engine import open_engine, reading
from parjanya_dagster.truth.sql.users import EVERY, USERS, make_users
from parjanya_dagster.web.uploads import create_app
from tests.support.servers import PostgresServer
from tests.support.upload_site import Site, files
from tests.support.world import arrive, tenant

pytestmark = pytest.mark.server


@dataclass
class Tokens:
    """Signs as boto3 does, and tells the server what it signed."""

    server: PostgresServer
    signed: list[str] = field(default_factory=list)
    real: Any = field(init=False)

    def __post_init__(self) -> None:
        self.real = boto3.session.Session("AKIAEXAMPLE", "secret", region_name="eu-central-1")

    def generate_db_auth_token(self, host: str, port: int, user: str) -> str:
        if user != "parjanya_work":
            return "a token that IAM does not take"
        token: str = self.real.client("rds").generate_db_auth_token(host, port, user)
        token += f"#{len(self.signed)}"  # signed within one second they are alike
        self.server.execute(f"ALTER ROLE {user} PASSWORD '{token}'")
        self.signed.append(token)
        return token


def certificate(folder: Path, name: str) -> Path:
    """A certificate of its own authority, and its key beside it."""
    file = folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
               f"subjectAltName=DNS:{name}", "-keyout", str(folder / f"{name}.key"),
               "-out", str(file)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return file


@pytest.fixture(scope="module")
def server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """One that answers as `localhost` by TLS, and asks the role of workers for a password."""
    server = PostgresServer(postgres.binaries)
    try:
        file = certificate(server.home, "localhost")
        owner = server.data.stat()
        for one in (file, file.with_suffix(".key")):
            one.chmod(0o600)
            os.chown(one, owner.st_uid, owner.st_gid)
        rules = server.data / "pg_hba.conf"
        asked = "hostssl all parjanya_work all password\nhost all parjanya_work all reject\n"
        rules.write_text(asked + rules.read_text())
        key = str(file.with_suffix(".key"))
        server.start({"ssl": "on", "ssl_cert_file": str(file), "ssl_key_file": key})
        server.execute("CREATE ROLE parjanya_work LOGIN")
        yield server
    finally:
        server.remove()


@pytest.fixture
def tokens(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Tokens:
    made = Tokens(server)
    monkeypatch.setattr(iam, "_client", lambda: made)
    return made


@pytest.fixture
def known(server: PostgresServer, tmp_path: Path) -> Path:
    """The server's certificate, as a client has it."""
    return Path(shutil.copy(server.home / "localhost.pem", tmp_path / "known.pem"))


def address(server: PostgresServer, known: Path, host: str = "localhost") -> str:
    at = f"{host}:{server.port}/postgres"
    return f"postgresql+iam://parjanya_work@{at}?sslrootcert={known}"


def test_each_connection_has_a_token_of_its_own(
    server: PostgresServer, tokens: Tokens, known: Path
) -> None:
    engine = open_engine(address(server, known))
    said = text("SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    with reading(engine) as one, reading(engine) as other:
        assert tuple(one.execute(said).one()) == ("parjanya_work", True)
        assert tuple(other.execute(said).one()) == ("parjanya_work", True)
    with reading(engine) as again:
        again.execute(said)
    engine.dispose()
    assert len(set(tokens.signed)) == 2, "what is pooled needs no new one"
    assert tokens.signed[0].startswith(f"localhost:{server.port}/?Action=connect&DBUser=parjanya_w")
    assert "X-Amz-Expires=900" in tokens.signed[0]


def test_verify_logs_in_and_is_nobody_else(
    server: PostgresServer, tokens: Tokens, known: Path
) -> None:
    url = address(server, known)
    (finding,) = aws_database.login(url)
    assert (finding.mark, finding.said[:20]) == (Mark.OK, "It is parjanya_work,")
    server.execute("DROP ROLE IF EXISTS parjanya_look")
    (finding,) = aws_database.others(url)
    assert finding.mark is Mark.OK
    server.execute("CREATE ROLE parjanya_look LOGIN")  # let in by the rules of this server
    (finding,) = aws_database.others(url)
    assert (finding.mark, "parjanya_look" in finding.said) == (Mark.ERROR, True)


def test_the_stack_knows_the_users_and_where_the_certificates_are() -> None:
    deploy = Path(__file__).parents[2] / "deploy"
    for side in ("cpu", "gpu"):
        assert f" {iam.BUNDLE}\n" in (deploy / "images" / f"{side}.Dockerfile").read_text()
    assert f'"{iam.BUNDLE}"' in (deploy / "ecs" / "stack" / "stores.py").read_text()
    rights = (deploy / "ecs" / "rights.py").read_text()
    assert all(f'"{user}"' in rights for user in USERS)


@pytest.mark.parametrize("stranger", ["another certificate", "another name"])
def test_no_token_goes_to_a_stranger(
    server: PostgresServer, tokens: Tokens, known: Path, tmp_path: Path, stranger: str
) -> None:
    host, bundle = "localhost", known
    if stranger == "another name":
        host = "127.0.0.1"
    else:
        bundle = certificate(tmp_path, "elsewhere")
    engine = open_engine(address(server, bundle, host))
    with pytest.raises(TruthUnavailable, match="certificate"), reading(engine):
        pass


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql+iam://u:secret@db.example/truth", "tokens take its place"),
        ("postgresql+iam://db.example/truth", "names the user"),
        ("postgresql+iam://u@/truth?host=one&host=two", "names one host"),
        ("postgresql+iam://u@db.example/truth?sslmode=require", "sslmode is verify-full"),
        ("postgresql+iam://u@db.example/truth?sslrootcert=/nowhere.pem", "nowhere.pem is not"),
    ],
)
def test_an_address_that_could_lose_a_token_is_refused(url: str, why: str) -> None:
    with pytest.raises(SettingsInvalid, match=why) as raised:
        iam.checked(make_url(url))
    assert "secret" not in str(raised.value)


def test_dagsters_tables_are_not_kept_where_it_renews_no_token(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, truth={"url": "postgresql+iam://u@db.example/truth"})
    with pytest.raises(SettingsInvalid, match="renews no token"):
        dagster_config(settings)


@pytest.fixture
def owned(postgres: PostgresServer, postgres_url: str) -> Iterator[SqlStore]:
    """The store of the owner, with the users made."""
    if not postgres.execute("SELECT 1 FROM pg_roles WHERE rolname = 'rds_iam'"):
        postgres.execute("CREATE ROLE rds_iam")
    store: Any = open_store(postgres_url, migrating=True)
    make_users(store.engine)
    make_users(store.engine)  # a second migration
    yield store
    store.close()


def as_user(store: SqlStore, user: str) -> SqlStore:
    url = store.engine.url.set(username=user, drivername="postgresql")
    opened: Any = open_store(url.render_as_string(hide_password=False))
    return opened


def test_users_without_iam_are_not_made(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parjanya_dagster.truth.sql.users.IAM", "rds_of_nobody")
    store: Any = open_store(postgres_url, migrating=True)
    with pytest.raises(SettingsInvalid, match="IAM authentication"):
        make_users(store.engine)
    store.close()


def test_each_user_may_do_its_work_and_nothing_else(owned: SqlStore) -> None:
    allowed: dict[tuple[str, str], set[str]] = {}
    with reading(owned.engine) as connection:
        for user in USERS:
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"):
                for table in EVERY:
                    asked = text("SELECT has_table_privilege(:user, :table, :right)")
                    named = {"user": user, "table": table, "right": right}
                    if connection.execute(asked, named).scalar():
                        allowed.setdefault((user, right), set()).add(table)
    assert allowed.pop(("parjanya_uploads", "INSERT")) == {"uploads"}
    assert allowed.pop(("parjanya_uploads", "UPDATE")) == {"uploads"}
    assert len(allowed.pop(("parjanya_uploads", "SELECT"))) < 8
    ours = set(EVERY) - {VERSION_TABLE}
    assert allowed == {
        ("parjanya_work", "SELECT"): set(EVERY),
        ("parjanya_work", "INSERT"): ours,
        ("parjanya_work", "UPDATE"): ours,
        ("parjanya_work", "DELETE"): ours,
        ("parjanya_look", "SELECT"): set(EVERY),
    }
    for user in USERS:
        opened = as_user(owned, user)
        with pytest.raises(ProgrammingError, match="owner"), reading(opened.engine) as connection:
            connection.execute(text("DROP TABLE events"))
        opened.close()


def test_workers_work_and_who_looks_writes_nothing(owned: SqlStore) -> None:
    working, looking = as_user(owned, "parjanya_work"), as_user(owned, "parjanya_look")
    working.put_tenant(tenant())
    assert len(arrive(working, 3)) == 3
    assert len(looking.rows(looking.batches())) == 3
    with pytest.raises(ProgrammingError, match="permission denied"):
        looking.put_tenant(tenant("bolt"))
    working.close()
    looking.close()


def test_strangers_promise_uploads_and_write_nothing_else(
    platform: Platform, owned: SqlStore
) -> None:
    site = Site(replace(platform, store=owned))
    site.add_tenant("acme", "acme")
    headers = site.headers("acme")
    narrow = as_user(owned, "parjanya_uploads")
    with TestClient(create_app(replace(site.place, store=narrow))) as client:
        assert client.get("/v1/me", headers=headers).status_code == 200
        (made,) = client.post("/v1/uploads", json=files("a.jpg"), headers=headers).json()["uploads"]
        follow = f"/v1/uploads/{made['upload_id']}"
        assert client.get(follow, headers=headers).json()["status"] == "pending_upload"
        with TestClient(create_app(site.place)) as storage:  # on AWS it is S3
            storage.put(made["url"], content=b"abc", headers={**made["headers"], **headers})
        site.place.sweeper.sweep(1e12)
        assert client.get(follow, headers=headers).json()["status"] == "pending_validation"
        assert client.get("/v1/uploads", params={"id": [made["upload_id"]]}, headers=headers)
        assert client.post(f"{follow}/preflight", headers=headers).status_code == 200
    with pytest.raises(ProgrammingError, match="permission denied"):
        narrow.put_tenant(tenant("bolt"))
    narrow.close()
