"""Who a request comes from, and what that person may do.

On one machine, whoever knows the token of the home is its operator: `parjanya web` prints an
address with it, as Jupyter does, and the browser keeps a session in its place. In a cluster a proxy
signs people in and names them in a header, which is believed only from the proxies that the
settings name. Knows nothing of requests: `web.door` asks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from parjanya_dagster.errors import SettingsInvalid

Role = Literal["viewer", "reviewer", "operator"]
ROLES: tuple[Role, ...] = ("viewer", "reviewer", "operator")
"""Each may do what those before it may: look; decide about images; run the platform."""
EVERY = "*"  # tenant
SESSION = 7 * 86_400.0  # seconds that a session lasts
LEAST_SECRET = 32  # characters of one that is set
SECRET_FILE, TOKEN_FILE = "web.secret", "web.token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, with a role for each tenant. A tenant without one does not exist to them."""

    name: str
    roles: Mapping[str, Role]
    session: str  # what addresses and forms of this session are bound to

    def role(self, tenant: str) -> Role | None:
        """What they are to a tenant. None: it does not exist to them."""
        return self.roles.get(tenant) or self.roles.get(EVERY)

    def may(self, role: Role, tenant: str) -> bool:
        has = self.role(tenant)
        return has is not None and ROLES.index(has) >= ROLES.index(role)

    @property
    def operates(self) -> bool:
        return self.roles.get(EVERY) == "operator"

    @property
    def operates_some(self) -> bool:
        return "operator" in self.roles.values()

    @property
    def tenants(self) -> Sequence[str] | None:
        """The tenants that exist to this person. None: all."""
        return None if EVERY in self.roles else sorted(self.roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What the web application signs with, and the token that opens it."""

    secret: bytes = field(repr=False)
    token: str = field(repr=False)

    @property
    def cookie(self) -> str:
        """The name of the session's cookie. Browsers share cookies between ports of a host."""
        return f"parjanya-{hashlib.sha256(self.secret).hexdigest()[:8]}"

    def signature(self, *parts: str) -> str:
        message = "\0".join(parts).encode("utf-8", "surrogateescape")
        digest = hmac.new(self.secret, message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:18]).decode()

    def signed(self, signature: str, *parts: str) -> bool:
        return hmac.compare_digest(
            self.signature(*parts).encode(), signature.encode("utf-8", "replace")
        )

    def opens(self, token: str) -> bool:
        return hmac.compare_digest(self.token.encode(), token.encode("utf-8", "surrogateescape"))

    def session(self, name: str, now: float) -> str:
        """The text of a new session's cookie."""
        body = json.dumps([name, now + SESSION, secrets.token_urlsafe(9)]).encode()
        text = base64.urlsafe_b64encode(body).decode()
        return f"{text}.{self.signature('session', text)}"

    def person(self, cookie: str, now: float) -> Person | None:
        """Whose session this is. None: it is not ours, or it has ended."""
        text, _, signature = cookie.rpartition(".")
        if not self.signed(signature, "session", text):
            return None
        name, until, _ = json.loads(base64.urlsafe_b64decode(text))
        if now > until:
            return None
        return Person(name=name, roles={EVERY: "operator"}, session=signature)

    def form_token(self, person: Person) -> str:
        """What every form of a session must carry: another site cannot know it."""
        return self.signature("form", person.session)


def open_keys(home: Path, shared: str = "") -> Keys:
    """The keys of a home, made on first use. Only its owner reads them.

    `shared`: the secret of desks that serve side by side, each over a home of its own. What one
    has signed, the others accept. Raises SettingsInvalid where it could be guessed.
    """
    if shared and len(shared) < LEAST_SECRET:
        raise SettingsInvalid(
            f"PARJANYA_WEB__SECRET has fewer than {LEAST_SECRET} characters: sessions could be "
            "forged. `openssl rand -hex 32` makes one."
        )
    if shared:
        secret = hashlib.sha256(shared.encode()).digest()
    else:
        secret = bytes.fromhex(_kept(home / SECRET_FILE, secrets.token_hex(32)))
    return Keys(secret=secret, token=_kept(home / TOKEN_FILE, secrets.token_urlsafe(24)))


def entrance(home: Path, url: str) -> str:
    """The address that opens the desk of a home which is served at `url`."""
    return f"{url}/?token={open_keys(home).token}"


def _kept(path: Path, new: str) -> str:
    """The text of a file. It is written if need be; of several writers, the first one's stands."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    if not path.exists():
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_text().strip()


def read_roles(text: str) -> dict[str, dict[str, Role]]:
    """Person -> tenant -> role, from `anna=reviewer:acme,globex bob=operator:*`.

    Raises SettingsInvalid.
    """
    people: dict[str, dict[str, Role]] = {}
    for word in text.split():
        person, _, right = word.rpartition("=")
        named, _, tenants = right.partition(":")
        role = next((one for one in ROLES if one == named), None)
        if not person or role is None or not tenants:
            raise SettingsInvalid(
                f"PARJANYA_WEB__ROLES: {word!r} does not read person=role:tenant,tenant. A role is "
                f"{', '.join(ROLES)}; the tenant * means all."
            )
        people.setdefault(person, {}).update(dict.fromkeys(tenants.split(","), role))
    return people
