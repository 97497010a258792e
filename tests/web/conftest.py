"""The desk in hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from tests.support.clock import Clock
from tests.support.desk_site import DeskSite


@pytest.fixture
def site(platform: Platform, clock: Clock) -> Iterator[DeskSite]:
    """A desk over an empty platform."""
    platform.registry.publish_builtin()
    site = DeskSite(platform)
    yield site
    site.desk.catalog.close()


@pytest.fixture
def shared_site(platform: Platform) -> Iterator[DeskSite]:
    """The same behind a proxy: anna and bert review for acme, bob looks at bolt, ops runs all."""
    web = {
        "identity_header": "X-Person",
        "trusted_proxies": "10.0.0.0/8 127.0.0.1/32",
        "roles": "anna=reviewer:acme bert=reviewer:acme bob=viewer:bolt ops=operator:*",
    }
    settings = Settings(home=platform.settings.home, web=web)
    site = DeskSite(replace(platform, settings=settings))
    yield site
    site.desk.catalog.close()
