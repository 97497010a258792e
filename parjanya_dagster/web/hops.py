"""The address that a request comes from, if there are proxies in front of the desk.

A proxy appends the address of its peer to `X-Forwarded-For`. Only proxies in the networks of the
settings are believed. So the sender is the last address that is in none of these networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.lines import get_logger

log = get_logger(__name__)
Networks = Sequence[IPv4Network | IPv6Network]


def read_networks(text: str) -> Networks:
    """From `10.0.3.0/24 ::1/128`. Raises SettingsInvalid."""
    try:
        return [ip_network(word) for word in text.split()]
    except ValueError as error:
        raise SettingsInvalid(f"PARJANYA_WEB__TRUSTED_PROXIES: {error}.") from error


def within(address: str, networks: Networks) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)


def sender(peer: str, forwarded_for: Sequence[str], networks: Networks) -> str:
    """Who sent a request. `peer` made the connection; `forwarded_for`: the headers as they came."""
    at = peer
    hops = [hop.strip() for header in forwarded_for for hop in header.split(",")]
    while within(at, networks) and hops:
        before = hops.pop()
        if not _is_address(before):
            break
        at = before
    return at


class Hops:
    """Middleware: `state.sender` is who sent it, and the scheme is the one that they used.

    `client` stays who made the connection, since a proxy's header is believed for that.
    """

    def __init__(self, app: ASGIApp, networks: Networks) -> None:
        self.app, self.networks = app, networks
        self._told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers, client = Headers(scope=scope), scope.get("client")
            peer = client[0] if client else ""
            state = scope.setdefault("state", {})
            state["sender"] = sender(peer, headers.getlist("x-forwarded-for"), self.networks)
            if "x-forwarded-for" in headers and not within(peer, self.networks):
                self._tell(peer)
            if within(peer, self.networks) and headers.get("x-forwarded-proto") == "https":
                scope["scheme"] = "https"
        await self.app(scope, receive, send)

    def _tell(self, peer: str) -> None:
        """Say once that a proxy may stand before us that nobody named: senders look like one."""
        if not self._told:
            self._told = True
            log.warning("proxy_not_named", peer=peer, setting="PARJANYA_WEB__TRUSTED_PROXIES")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
