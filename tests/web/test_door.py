"""Who gets in, and what exists to whom."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.settings import Settings
from parjanya_dagster.web.access import SECRET_FILE, SESSION, TOKEN_FILE, open_keys, read_roles
from parjanya_dagster.web.app import create_app, open_desk
from parjanya_dagster.web.limits import GUESSES
from parjanya_dagster.web.uploads.body_limit import MOST
from tests.support.clock import Clock
from tests.support.desk_site import DeskSite, served_desk

PAGES = ("/", "/images", "/images/x", "/api/v1/images", "/api/v1/facets", "/api/v1/openapi.json",
         "/media/thumbnail/x/1-y")  # fmt: skip


def stranger(site: DeskSite, host: str = "10.1.2.3") -> TestClient:
    return TestClient(create_app(site.desk, ["testserver"]), client=(host, 5000))


@pytest.mark.parametrize("path", PAGES)
def test_without_a_token_nothing_is_shown(site: DeskSite, path: str) -> None:
    site.add("acme", "secret.jpg")
    answer = stranger(site).get(path)
    assert answer.status_code == 401
    assert "secret" not in answer.text
    assert stranger(site).get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert stranger(site).get(f"{path}?token=wrong").status_code == 403


def test_the_token_of_the_address_becomes_a_session_that_ends(site: DeskSite, clock: Clock) -> None:
    client = stranger(site)
    answer = client.get(f"/images?verdict=review&token={site.desk.keys.token}")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert 'url=/images?verdict=review"' in answer.text
    assert client.get("/images").status_code == 200
    clock.pass_by(SESSION + 1)
    assert client.get("/images").status_code == 401


def test_a_session_that_was_tampered_with_is_none(site: DeskSite) -> None:
    client = stranger(site)
    name, cookie = site.desk.keys.cookie, site.desk.keys.session("anna", site.place.clock())
    for wrong in (cookie[:-1] + "A", "x" + cookie, cookie.partition(".")[0], ".", "é.é", ""):
        sent = {"Cookie": f"{name}={wrong}".encode()}
        assert client.get("/images", headers=sent).status_code == 401


def test_a_form_of_another_site_changes_nothing(site: DeskSite) -> None:
    client = stranger(site)
    client.get(f"/?token={site.desk.keys.token}")
    assert client.post("/images").status_code == 403
    assert client.post("/images", headers={"X-Form": "wrong"}).status_code == 403
    token = client.get("/images").text.partition('name="form-token" content="')[2].partition('"')[0]
    assert client.post("/images", headers={"X-Form": token}).status_code == 405


def test_a_request_that_is_too_long_is_refused(site: DeskSite) -> None:
    answer = site.client().post("/api/v1/reviews", content=b" " * (MOST + 1))
    assert answer.status_code == 413


def test_the_keys_of_a_home_are_made_once_and_read_by_their_owner_alone(site: DeskSite) -> None:
    home = site.place.settings.home
    assert open_keys(home) == site.desk.keys
    for name in (SECRET_FILE, TOKEN_FILE):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600


def test_desks_side_by_side_open_each_others_pages(site: DeskSite, tmp_path: Path) -> None:
    homes = [tmp_path / name for name in ("a", "b")]
    for home in homes:
        home.mkdir()
    one, other = (open_keys(home, "s" * 32) for home in homes)
    assert other.person(one.session("anna", 0.0), 1.0) is not None
    assert open_keys(homes[0]).person(one.session("anna", 0.0), 1.0) is None
    with pytest.raises(SettingsInvalid, match="32 characters"):
        open_keys(homes[0], "short")
    settings = Settings(home=site.place.settings.home, web={"processes": 2})
    with pytest.raises(SettingsInvalid, match="PARJANYA_WEB__SECRET must be set"):
        open_desk(replace(site.place, settings=settings))


def test_a_load_balancer_asks_by_address_whether_the_desk_is_well(site: DeskSite) -> None:
    by_address = {"Host": "10.0.7.9:3100"}
    assert stranger(site).get("/healthz", headers=by_address).json() == {"status": "ok"}
    assert stranger(site).get("/images", headers=by_address).status_code == 400


def test_a_proxy_is_believed_only_where_it_is_trusted(shared_site: DeskSite) -> None:
    named = {"X-Person": "ops"}
    assert stranger(shared_site).get("/images", headers=named).status_code == 200
    assert stranger(shared_site, "192.0.2.1").get("/images", headers=named).status_code == 401
    assert stranger(shared_site).get("/images", headers={"X-Person": "eve"}).status_code == 401
    assert stranger(shared_site).get("/images").status_code == 401
    token = shared_site.desk.keys.token
    assert stranger(shared_site).get(f"/images?token={token}").status_code == 401


def test_another_tenants_image_does_not_exist(shared_site: DeskSite) -> None:
    (ours,) = shared_site.add("acme", "ours.jpg")
    (theirs,) = shared_site.add("bolt", "theirs-unmistakable.jpg")
    anna = stranger(shared_site)
    anna.headers["X-Person"] = "anna"
    assert anna.get(f"/images/{ours}").status_code == 200
    missing = anna.get("/images/0123456789abcdef01234567")
    for path in (f"/images/{theirs}", f"/images/{theirs}?tenant=bolt"):
        answer = anna.get(path)
        assert (answer.status_code, answer.text) == (404, missing.text)
    for path in (f"/api/v1/images/{theirs}", f"/api/v1/images/{theirs}/media"):
        assert anna.get(path).json() == anna.get(path.replace(theirs, "0" * 24)).json()
    for path in ("/images", "/images?q=unmistakable", "/", "/api/v1/images", "/api/v1/facets"):
        text = anna.get(path).text
        assert theirs not in text
        assert "theirs" not in text
        assert "bolt" not in text
    assert anna.get("/api/v1/images?tenant=bolt").json()["total"] == 0
    assert anna.get("/api/v1/facets?tenant=bolt").json()["facets"]["tenant"] == {"acme": 1}
    assert "theirs" not in anna.get("/images?tenant=bolt").text
    signed = shared_site.desk.media.address(shared_site.person("ops"), "bolt", theirs, "thumbnail")
    assert anna.get(signed).status_code == 404


def test_roles_are_read_or_refused() -> None:
    roles = read_roles("anna=reviewer:acme,bolt bob@x.example=operator:*")
    assert roles == {
        "anna": {"acme": "reviewer", "bolt": "reviewer"},
        "bob@x.example": {"*": "operator"},
    }
    for wrong in ("anna", "anna=boss:acme", "anna=viewer", "=viewer:acme"):
        with pytest.raises(SettingsInvalid):
            read_roles(wrong)


def test_who_guesses_tokens_has_to_wait_and_locks_nobody_out(site: DeskSite, clock: Clock) -> None:
    app = create_app(site.desk, ["testserver"])
    thief = TestClient(app, client=("192.0.2.1", 5000))
    answers = [thief.get("/?token=guess") for _ in range(GUESSES + 1)]
    assert [one.status_code for one in answers] == [403] * GUESSES + [429]
    assert answers[-1].headers["retry-after"] == "3"
    assert thief.get("/images", headers={"Authorization": "Bearer guess"}).status_code == 429
    assert thief.get(f"/?token={site.desk.keys.token}").status_code == 200, "the right one opens"
    other = TestClient(app, client=("192.0.2.2", 5000))
    assert other.get("/?token=guess").status_code == 403
    clock.pass_by(3)
    thief.cookies.clear()
    assert thief.get("/?token=guess").status_code == 403


def test_behind_a_local_proxy_people_are_known_and_senders_told_apart(site: DeskSite) -> None:
    web = {"identity_header": "X-Person", "roles": "ops=operator:*"}
    place = replace(site.place, settings=Settings(home=site.place.settings.home, web=web))
    shared = DeskSite(place)
    with served_desk(shared) as address:
        url = address.partition("/?")[0]
        headers = {"X-Person": "ops", "X-Forwarded-For": "203.0.113.9"}
        assert httpx.get(f"{url}/api/v1/me", headers=headers).status_code == 200
    shared.desk.catalog.close()
