"""Clients of AWS where the environment is what ECS gives, and where it is another server's."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from parjanya_dagster.aws.clients import client
from parjanya_dagster.objects.s3 import S3Objects
from parjanya_dagster.truth.dynamo import open_wire


@pytest.fixture
def as_on_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_DYNAMODB",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_REGION", "eu-central-2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.usefixtures("as_on_aws")
def test_the_name_that_aws_gives_the_region_is_enough_for_every_service() -> None:
    wire = open_wire("dynamodb://table")
    assert wire.client.meta.region_name == "eu-central-2"
    for service in ("sqs", "s3", "autoscaling"):
        assert client(service).meta.region_name == "eu-central-2"


@pytest.mark.usefixtures("as_on_aws")
def test_a_region_in_the_url_of_truth_wins() -> None:
    wire = open_wire("dynamodb://table?region=us-west-2")
    assert wire.client.meta.region_name == "us-west-2"


@pytest.mark.usefixtures("as_on_aws")
def test_browsers_are_sent_to_the_regions_own_host() -> None:
    """The global host answers a newer region's preflight with a redirect or an error."""
    put = S3Objects().presigned_put("acme-uploads", "incoming/a.jpg", "image/jpeg", 3, 60)
    assert put is not None
    assert urlsplit(put.url).netloc == "acme-uploads.s3.eu-central-2.amazonaws.com"


@pytest.mark.usefixtures("as_on_aws")
def test_a_bucket_whose_name_no_certificate_covers_is_named_in_the_path() -> None:
    put = S3Objects().presigned_put("acme.uploads", "incoming/a.jpg", "image/jpeg", 3, 60)
    assert put is not None
    assert put.url.startswith("https://s3.eu-central-2.amazonaws.com/acme.uploads/incoming/a.jpg?")


@pytest.mark.usefixtures("as_on_aws")
def test_a_server_that_is_not_aws_has_no_host_for_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://storage.example:9000")
    put = S3Objects().presigned_put("acme-uploads", "incoming/a.jpg", "image/jpeg", 3, 60)
    assert put is not None
    assert put.url.startswith("http://storage.example:9000/acme-uploads/incoming/a.jpg?")
