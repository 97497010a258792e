"""The application in hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from parjanya_dagster.web.uploads import create_app
from tests.support.upload_site import Site


@pytest.fixture
def client(site: Site) -> Iterator[TestClient]:
    with TestClient(create_app(site.place)) as client:
        yield client
