"""Two tenants, their tokens, and the application that takes their uploads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.uploads import Token
from parjanya_dagster.uploads import tokens
from parjanya_dagster.web.uploads import create_app
from tests.support.clock import NOON
from tests.support.radosgw import Radosgw
from tests.support.serving import serving

ALLOWING = {
    "AllowedMethods": ["PUT"],
    "AllowedHeaders": ["content-type", "if-none-match"],
    "MaxAgeSeconds": 0,
}


@dataclass
class Site:
    """A platform with the tenants acme and bolt, and what their people hold."""

    place: Platform
    tokens: dict[str, str] = field(default_factory=dict)  # slug -> what to send
    ids: dict[str, Token] = field(default_factory=dict)

    def tenant(self, slug: str) -> Tenant:
        found = self.place.store.tenant(slug)
        assert found is not None
        return found

    def add_tenant(self, slug: str, bucket: str) -> None:
        self.place.store.put_tenant(
            Tenant(
                slug=slug, bucket=bucket, prefix="incoming/", policy="default@1", created_at=NOON
            )
        )
        self.ids[slug], self.tokens[slug] = tokens.issue(self.place.store, slug, "test", NOON)

    def headers(self, slug: str, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[slug]}", **more}


def with_settings(place: Platform, **settings: Any) -> Platform:
    return replace(place, settings=Settings(home=place.settings.home, **settings))


def files(*names: str, content_type: str = "image/jpeg", size: int = 3) -> dict[str, Any]:
    """The body of a request for uploads."""
    return {"files": [{"name": one, "content_type": content_type, "size": size} for one in names]}


def allow(radosgw: Radosgw, bucket: str, *rules: Mapping[str, Any]) -> None:
    """Give a bucket these CORS rules."""
    radosgw.client().put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": list(rules)})


@contextmanager
def served(place: Platform) -> Iterator[str]:
    """The application on a free port of 127.0.0.1, as a browser sees it."""
    with serving(create_app(place)) as address:
        yield address
