"""Who the customers are and which policy each is pinned to."""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.models import Tenant


class Tenants(Protocol):
    """Tenants and their pins."""

    def put_tenant(self, tenant: Tenant) -> Tenant:
        """Register a tenant. An existing tenant is left as it is. Returns the recorded one."""

    def tenant(self, slug: str) -> Tenant | None: ...

    def tenants(self) -> list[Tenant]: ...

    def pin(self, slug: str, policy: str) -> None:
        """Pin a tenant to a policy version. Raises UnknownTenant."""
