"""Bearer tokens: who may upload for which tenant.

A token reads `pjy_<id>_<secret>`. The secret has 256 random bits and is shown once. Truth keeps its
SHA-256, which is enough for a secret that nobody can guess. A request never names a tenant: the
token belongs to one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from parjanya_dagster.errors import TokenRefused
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.store import Store, Tokens
from parjanya_dagster.truth.uploads import Token

_TOKEN = re.compile(r"pjy_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NOBODY = hashlib.sha256(b"").hexdigest()


def issue(store: Tokens, tenant: str, name: str, now: float) -> tuple[Token, str]:
    """A new token of a tenant, and the text to hand out. Raises UnknownTenant."""
    token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    token = Token(token_id=token_id, tenant=tenant, name=name, hash=_hash(secret), created_at=now)
    store.add_token(token)
    return token, f"pjy_{token_id}_{secret}"


def check(store: Store, text: str) -> tuple[Token, Tenant]:
    """The token and its tenant. Raises TokenRefused, always with the same words.

    The comparison takes the same time whatever the secret is, and also if the id is not known.
    """
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise TokenRefused
    token = store.token(match[1])
    same = hmac.compare_digest(_hash(match[2]), token.hash if token else _NOBODY)
    if token is None or not same or token.revoked_at is not None:
        raise TokenRefused
    tenant = store.tenant(token.tenant)
    if tenant is None or tenant.status != "active":
        raise TokenRefused
    return token, tenant


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
