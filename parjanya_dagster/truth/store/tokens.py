"""The tokens that allow their bearer to upload for a tenant."""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.uploads import Token


class Tokens(Protocol):
    """Upload tokens."""

    def add_token(self, token: Token) -> None:
        """Record who may upload for a tenant. Raises UnknownTenant."""

    def token(self, token_id: str) -> Token | None: ...

    def tokens(self, tenant: str) -> list[Token]:
        """A tenant's tokens, revoked ones too, the oldest first."""

    def revoke_token(self, tenant: str, token_id: str, now: float) -> bool:
        """False where the tenant has no such token, or it was revoked before."""
