"""`parjanya tenant` over a real S3 server (Ceph radosgw): buckets checked, CORS proved for real."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import command_line
from tests.support.radosgw import Radosgw

ORIGIN = "https://app.example"


class Shell:
    """The command line over a home of its own."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.environment = {**environment, "PARJANYA_HOME": str(home)}

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return command_line.parjanya("tenant", *arguments, environment=self.environment)

    def check(self, *arguments: str) -> dict[str, Any]:
        """What was looked at, by name; `status` is the exit status."""
        done = self("check", "acme", "--json", *arguments)
        said = {one["name"]: one for one in json.loads(done.stdout)}
        return {**said, "status": done.returncode}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    import os

    foreign = ("PARJANYA_", "DAGSTER_", "AWS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def test_tenants_are_added_listed_and_shown(tmp_path: Path, environment: dict[str, str]) -> None:
    parjanya = Shell(tmp_path, environment)
    assert "There is no home" in parjanya("list").stderr
    assert parjanya("add", "acme", "--bucket", "acme-uploads").returncode == 0
    assert parjanya("add", "acme").returncode == 0
    assert json.loads(parjanya("show", "acme", "--json").stdout)["bucket"] == "acme-uploads"
    (listed,) = json.loads(parjanya("list", "--json").stdout)
    assert listed["slug"] == "acme"
    for wrong in (("add", "No"), ("add", "acme", "--bucket", "b"), ("show", "bolt"),
                  ("add", "bolt", "--bucket", "acme-uploads")):  # fmt: skip
        done = parjanya(*wrong)
        assert done.returncode == 1
        assert done.stderr.startswith("parjanya: ")
        assert "Traceback" not in done.stderr


def test_a_bucket_is_checked_and_its_cors_proved_by_a_real_preflight(
    radosgw: Radosgw, tmp_path: Path, environment: dict[str, str]
) -> None:
    server = {**environment, **radosgw.environment(), "PARJANYA_OBJECTS__URL": "s3://"}
    parjanya = Shell(tmp_path, server)
    bucket, s3 = "tenant-check", radosgw.client()
    assert parjanya("add", "acme", "--bucket", bucket).returncode == 0
    missing = parjanya.check()
    assert (missing["exists"]["mark"], missing["status"]) == ("error", 1)

    s3.create_bucket(Bucket=bucket)
    bare = parjanya.check("--origin", ORIGIN)
    assert bare["exists"]["mark"] == "ok"
    assert bare[f"preflight from {ORIGIN}"]["mark"] == "error"
    assert bare["status"] == 1

    rule = {"AllowedMethods": ["PUT"], "AllowedHeaders": ["*"]}
    s3.put_bucket_cors(
        Bucket=bucket,
        CORSConfiguration={"CORSRules": [{**rule, "AllowedOrigins": ["https://other.example"]}]},
    )
    other = parjanya.check("--origin", ORIGIN)
    assert other["cors"]["mark"] == "error"
    assert other[f"preflight from {ORIGIN}"]["mark"] == "error"

    s3.put_bucket_cors(
        Bucket=bucket, CORSConfiguration={"CORSRules": [{**rule, "AllowedOrigins": [ORIGIN]}]}
    )
    fit = parjanya.check("--origin", ORIGIN)
    assert fit["cors"]["mark"] == "ok"
    assert fit[f"preflight from {ORIGIN}"]["mark"] == "ok"
