"""The API over a folder of buckets: asking, putting, watching, and every refusal."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.uploads.promises import GRACE
from parjanya_dagster.web.limits import GUESSES
from parjanya_dagster.web.uploads import create_app
from parjanya_dagster.web.uploads.body_limit import MOST
from tests.support.clock import Clock
from tests.support.upload_site import Site, files, with_settings
from tests.support.world import carry


def ask(client: TestClient, site: Site, slug: str = "acme", name: str = "a.jpg") -> dict:  # type: ignore[type-arg]
    answer = client.post("/v1/uploads", json=files(name), headers=site.headers(slug))
    assert answer.status_code == 201, answer.text
    (made,) = answer.json()["uploads"]
    return dict(made)


def put(client: TestClient, site: Site, made: dict, data: bytes = b"abc", **headers: str) -> int:  # type: ignore[type-arg]
    given = {**made["headers"], **site.headers("acme"), **headers}
    return client.put(made["url"], content=data, headers=given).status_code


def test_a_file_is_asked_for_put_and_followed(client: TestClient, site: Site) -> None:
    made = ask(client, site, name="ä b.jpg")
    assert made["authorize"] is True
    assert put(client, site, made) == 201
    assert site.place.objects.get("acme", made["key"]).data == b"abc"
    site.place.sweeper.sweep(1e12)
    url = f"/v1/uploads/{made['upload_id']}"
    seen = client.get(url, headers=site.headers("acme")).json()
    assert (seen["status"], seen["done"]) == ("pending_validation", False)
    carry(site.place.store, now=site.place.clock())
    seen = client.get(url, headers=site.headers("acme")).json()
    assert (seen["status"], seen["done"], seen["key"]) == ("curated", True, made["key"])


def test_many_are_followed_at_once(client: TestClient, site: Site) -> None:
    ids = [ask(client, site)["upload_id"] for _ in range(3)]
    answer = client.get("/v1/uploads", params={"id": ids}, headers=site.headers("acme"))
    assert [one["upload_id"] for one in answer.json()["uploads"]] == ids
    many = client.get("/v1/uploads", params={"id": ids * 40}, headers=site.headers("acme"))
    assert many.status_code == 422


def test_an_expired_upload_says_why(client: TestClient, site: Site, clock: Clock) -> None:
    made = ask(client, site)
    clock.pass_by(site.place.uploads.seconds + GRACE)
    site.place.uploads.settle(1e12)
    url = f"/v1/uploads/{made['upload_id']}"
    seen = client.get(url, headers=site.headers("acme")).json()
    assert (seen["status"], seen["done"]) == ("expired", True)
    assert seen["reasons"][0].startswith("the browser never reached PUT")


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        pytest.param(b"abcd", {}, id="longer"),
        pytest.param(b"ab", {}, id="shorter"),
        pytest.param(b"", {}, id="empty"),
        pytest.param(b"abc", {"Content-Type": "text/html"}, id="another type"),
    ],
)
def test_a_put_of_anything_else_is_refused(
    client: TestClient, site: Site, data: bytes, headers: dict[str, str]
) -> None:
    made = ask(client, site)
    assert put(client, site, made, data, **headers) == 403
    assert list(site.place.objects.listing("acme", "incoming/")) == []


def test_a_put_is_good_once_and_for_a_while(client: TestClient, site: Site, clock: Clock) -> None:
    made, late = ask(client, site), ask(client, site)
    assert put(client, site, made) == 201
    assert put(client, site, made, b"xyz") == 412
    assert site.place.objects.get("acme", made["key"]).data == b"abc"
    clock.pass_by(site.place.uploads.seconds + 1)
    assert put(client, site, late) == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer pjy_" + "0" * 16 + "_" + "A" * 43},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/me"),
        ("GET", "/v1/uploads?id=x"),
        ("GET", "/v1/uploads/x"),
        ("POST", "/v1/uploads"),
        ("POST", "/v1/uploads/x/preflight"),
        ("PUT", "/v1/uploads/x/content"),
    ],
)
def test_nothing_is_answered_without_a_token(
    client: TestClient, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = client.request(method, path, headers=headers, json=files("a.jpg"))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"files": []},
        {"files": [{"name": "a.jpg"}]},
        files("../a.jpg"),
        files("a.jpg", size=-1),
        files("a.jpg", size=1 << 40),
        files("a.jpg", content_type="text/html"),
        files("a" * 1001),
        {**files("a.jpg"), "tenant": "bolt"},  # nobody chooses whose files they are
        {"files": [{"name": "a.jpg", "content_type": "image/jpeg", "size": 3, "key": "x"}]},
    ],
)
def test_a_request_that_cannot_be_met_is_refused_with_a_reason(
    client: TestClient, site: Site, body: dict[str, object]
) -> None:
    answer = client.post("/v1/uploads", json=body, headers=site.headers("acme"))
    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert site.place.store.uploads_due(1e12) == []


def test_a_body_that_is_too_long_is_cut_off(client: TestClient, site: Site) -> None:
    given = {**site.headers("acme"), "Content-Type": "application/json"}
    chunks = (b" " * 65_536 for _ in range(2 * MOST // 65_536))  # of a length that nobody tells
    assert client.post("/v1/uploads", content=chunks, headers=given).status_code == 413
    body = b" " * (MOST + 1)
    assert client.post("/v1/uploads", content=body, headers=given).status_code == 413


def test_a_storage_that_is_away_says_when_to_try_again(
    client: TestClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parjanya_dagster.errors import StorageUnavailable

    made = ask(client, site)

    def away(*_: object) -> None:
        raise StorageUnavailable

    monkeypatch.setattr(FolderObjects, "put", away)
    given = {**made["headers"], **site.headers("acme")}
    answer = client.put(made["url"], content=b"abc", headers=given)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_the_api_describes_itself(client: TestClient) -> None:
    found = client.get("/openapi.json").json()
    assert set(found["paths"]) == {
        "/v1/me",
        "/v1/uploads",
        "/v1/uploads/{upload_id}",
        "/v1/uploads/{upload_id}/content",
        "/v1/uploads/{upload_id}/preflight",
    }
    assert found["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for path in found["paths"].values():
        for operation in path.values():
            assert operation["security"] == [{"HTTPBearer": []}]


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert "//" not in page.text.replace("<!doctype html>", "")
    for name in ("page.js", "page.css"):
        assert client.get(f"/page/{name}").status_code == 200
    for name in ("index.html", "..%2fapp.py", "%2e%2e/app.py", "../app.py", "app.py"):
        assert client.get(f"/page/{name}").status_code == 404


def test_other_pages_may_ask_only_where_they_are_named(site: Site) -> None:
    place = with_settings(
        site.place, uploads={"origins": "https://app.example http://localhost:3000"}
    )
    with TestClient(create_app(place)) as client:
        for origin, allowed in [("https://app.example", True), ("https://evil.example", False)]:
            asked = {"Origin": origin, "Access-Control-Request-Method": "POST",
                     "Access-Control-Request-Headers": "authorization,content-type"}  # fmt: skip
            answer = client.options("/v1/uploads", headers=asked)
            assert (answer.headers.get("Access-Control-Allow-Origin") == origin) is allowed


@pytest.mark.parametrize("origins", ["*", "app.example", "https://app.example/"])
def test_an_origin_that_is_none_is_refused_at_start(site: Site, origins: str) -> None:
    with pytest.raises(SettingsInvalid, match="PARJANYA_UPLOADS__ORIGINS"):
        create_app(with_settings(site.place, uploads={"origins": origins}))


def test_it_says_whether_truth_answers(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_the_first_upload_of_a_new_tenant_makes_its_bucket(site: Site, client: TestClient) -> None:
    site.add_tenant("cyan", "cyan")
    answer = client.post("/v1/uploads", json=files("a.jpg"), headers=site.headers("cyan"))
    assert answer.status_code == 201, answer.text
    (made,) = answer.json()["uploads"]
    made_for = {**made["headers"], **site.headers("cyan")}
    assert client.put(made["url"], content=b"abc", headers=made_for).status_code == 201


def test_an_empty_folder_without_a_marker_takes_its_first_upload(
    site: Site, client: TestClient
) -> None:
    """Somebody made it by hand, and no image of it was ever known."""
    site.add_tenant("cyan", "cyan")
    assert isinstance(site.place.objects, FolderObjects)
    (site.place.objects.root / "cyan").mkdir(parents=True)
    answer = client.post("/v1/uploads", json=files("a.jpg"), headers=site.headers("cyan"))
    (made,) = answer.json()["uploads"]
    made_for = {**made["headers"], **site.headers("cyan")}
    assert client.put(made["url"], content=b"abc", headers=made_for).status_code == 201


def test_who_guesses_tokens_has_to_wait_and_who_has_one_has_not(site: Site) -> None:
    app = create_app(site.place)
    thief = TestClient(app, client=("192.0.2.1", 5000))
    thief.get("/v1/me", headers=site.headers("acme"))
    guess = {"Authorization": f"Bearer {site.tokens['acme'][:-1]}x"}
    answers = [thief.get("/v1/me", headers=guess) for _ in range(GUESSES + 1)]
    assert [one.status_code for one in answers] == [401] * GUESSES + [429]
    assert answers[-1].headers["retry-after"] == "3"
    assert thief.get("/v1/me", headers=site.headers("acme")).status_code == 200, "was right before"
    assert thief.get("/v1/me", headers=site.headers("bolt")).status_code == 429
    other = TestClient(app, client=("192.0.2.2", 5000))
    assert other.get("/v1/me", headers=site.headers("bolt")).status_code == 200


@pytest.mark.parametrize(("peer", "scheme"), [("127.0.0.1", "https"), ("192.0.2.1", "http")])
def test_only_a_trusted_proxy_says_that_browsers_come_by_tls(
    site: Site, peer: str, scheme: str
) -> None:
    client = TestClient(create_app(site.place), client=(peer, 5000))
    headers = site.headers("acme", **{"X-Forwarded-Proto": "https"})
    made = client.post("/v1/uploads", json=files("a.jpg"), headers=headers).json()
    assert made["uploads"][0]["url"].startswith(f"{scheme}://")


def test_a_token_may_ask_for_so_many_files_a_minute(site: Site, clock: Clock) -> None:
    client = TestClient(create_app(with_settings(site.place, uploads={"files_per_minute": 6})))

    def asked(slug: str, n: int) -> int:
        names = files(*(f"{one}.jpg" for one in range(n)))
        return client.post("/v1/uploads", json=names, headers=site.headers(slug)).status_code

    assert [asked("acme", 5), asked("acme", 2), asked("bolt", 5)] == [201, 429, 201]
    clock.pass_by(10)
    assert asked("acme", 2) == 201
