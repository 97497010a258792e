"""Logging in to PostgreSQL on RDS or Aurora by a role of IAM: `postgresql+iam://USER@HOST/DATABASE`.

Each connection is opened with a token of its own, which AWS signs for 15 minutes. A token is as
good as a password while it lasts, so it goes only to a server whose certificate is checked.
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.IAMDBAuth.html
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import URL

from parjanya_dagster.errors import SettingsInvalid, TruthUnavailable
from parjanya_dagster.objects.aws_environment import region

SCHEME = "postgresql+iam"
BUNDLE = "/opt/parjanya/rds.pem"
"""Where images have the certificates of RDS, which are signed by no public authority."""
PORT = 5432

Token = Callable[[], str]


def wanted(url: URL) -> bool:
    return url.drivername == SCHEME


def checked(url: URL) -> URL:
    """The same address with the server's certificate checked.

    Raises SettingsInvalid for one that could hand a token to somebody else, or to two servers.
    """
    for wrong, why in _objections(url):
        if wrong:
            shown = url.render_as_string(hide_password=True)
            raise SettingsInvalid(f"{shown}: {why}")
    certificates = str(url.query.get("sslrootcert", BUNDLE))
    if certificates != "system" and not os.path.isfile(certificates):
        raise SettingsInvalid(
            f"{certificates} is not there: certificates of RDS, without which no token is sent. "
            "Fetch https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem and name the "
            "file in the address: ?sslrootcert=FILE"
        )
    query = {**url.query, "sslmode": "verify-full", "sslrootcert": certificates}
    return url.set(query=query)


def _objections(url: URL) -> list[tuple[bool, str]]:
    several = "host" in url.query or not url.host
    return [
        (several, "it names one host, as a token is for one: the writer's, which fails over"),
        (not url.username, f"it names the user of the database: {SCHEME}://USER@HOST/DATABASE"),
        (url.password is not None, "it has a password, and tokens take its place: leave it out"),
        (
            url.query.get("sslmode", "verify-full") != "verify-full",
            "sslmode is verify-full, or a token may go to a stranger: leave it out",
        ),
    ]


def token_of(url: URL) -> Token:
    """What signs a token for this address. Raises SettingsInvalid if boto3 is not installed."""
    client = _client()
    host, port, user = url.host, url.port or PORT, url.username

    def sign() -> str:
        from botocore.exceptions import BotoCoreError

        try:
            return str(client.generate_db_auth_token(host, port, user))
        except BotoCoreError as error:  # no credentials at present
            raise TruthUnavailable(f"No token for {user} at {host}: {error}") from error

    return sign


@cache
def _client() -> Any:
    """It calls nobody: tokens are signed here. Its credentials are renewed by boto3."""
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise SettingsInvalid(
            f"{SCHEME} needs boto3. Install the extra: pip install 'parjanya[aws]'."
        ) from None
    try:
        return boto3.session.Session().client("rds", region_name=region())
    except (BotoCoreError, ValueError) as error:
        raise SettingsInvalid(f"AWS is not set up for {SCHEME}: {error}") from error
