"""Pictures: only by an address that was given to this session, and never as a page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.web.media import WINDOW
from tests.support.clock import Clock
from tests.support.desk_site import DeskSite


def addresses(site: DeskSite, image_id: str) -> dict[str, str]:
    found: dict[str, str] = site.client().get(f"/api/v1/images/{image_id}/media").json()
    return found


def test_each_kind_is_served_with_what_lets_a_browser_keep_it(site: DeskSite) -> None:
    (one,) = site.add("acme", "a.jpg")
    client = site.client()
    for kind, address in addresses(site, one).items():
        answer = client.get(address)
        assert answer.status_code == 200, kind
        assert answer.headers["content-type"] == "image/jpeg"
        assert "immutable" in answer.headers["cache-control"]
        assert "private" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        again = client.get(address, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert "acme/" not in address
        assert "incoming" not in address


def test_ranges_are_those_of_http(site: DeskSite) -> None:
    (one,) = site.add("acme", "a.jpg")
    address = addresses(site, one)["original"]
    client = site.client()
    whole = client.get(address).content
    for wanted, part in {
        "bytes=0-9": whole[:10],
        "bytes=10-": whole[10:],
        "bytes=-7": whole[-7:],
        f"bytes=5-{len(whole) + 99}": whole[5:],
    }.items():
        answer = client.get(address, headers={"Range": wanted})
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["content-range"].endswith(f"/{len(whole)}")
    assert client.get(address, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    assert client.get(address, headers={"Range": "lines=1-2"}).content == whole


def test_an_address_is_good_for_a_while_for_its_session_for_what_it_says(
    site: DeskSite, clock: Clock
) -> None:
    one, two = site.add("acme", "a.jpg", "b.jpg")
    client = site.client()
    address = addresses(site, one)["preview"]
    assert address == addresses(site, one)["preview"], "a browser keeps the picture under it"
    for wrong in (
        address.replace(one, two),
        address.replace("preview", "original"),
        address[:-1] + ("A" if address[-1] != "A" else "B"),
        address.replace("/preview/", "/else/"),
        address.rpartition("/")[0] + "/99999999999-x",
        site.desk.media.address(site.person("bob"), "acme", one, "preview"),
    ):
        assert client.get(wrong).status_code == 404, wrong
    assert client.get(address).status_code == 200
    clock.pass_by(2 * WINDOW)
    expired = client.get(address)
    assert expired.status_code == 410
    assert expired.headers["cache-control"] == "no-store"
    assert client.get(addresses(site, one)["preview"]).status_code == 200


@pytest.mark.parametrize(
    "data", [b"<html><script>alert(1)</script>", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b""]
)
def test_what_is_no_picture_is_only_ever_downloaded(site: DeskSite, data: bytes) -> None:
    site.add_tenant("acme")
    site.place.objects.put("acme", "incoming/page.jpg", data, "image/jpeg")
    site.place.sweeper.sweep(1e12)
    (row,) = site.place.store.present("acme")
    answer = site.client().get(addresses(site, row.image_id)["original"])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.content == data


def test_an_original_that_is_another_by_now_is_not_served_in_its_place(site: DeskSite) -> None:
    (one,) = site.add("acme", "a.jpg")
    row = site.place.store.get(one)
    assert row is not None
    address = addresses(site, one)["original"]
    site.place.objects.put("acme", row.key, b"\xff\xd8\xff other", "image/jpeg")
    assert site.client().get(address).status_code == 404


def test_a_name_that_would_break_a_header_does_not(site: DeskSite) -> None:
    names = ['a"; filename=evil.html', "Käse \u202egpj.exe", "a\u00a0b'.jpg"]
    for name in names:
        row = replace(  # such names cannot be registered everywhere; the header must hold anyway
            site.place.store.get(site.add("acme", "a.jpg")[0]),  # type: ignore[type-var]
            key=f"incoming/{name}",
        )
        from parjanya_dagster.web.media import _described

        header = _described(row, "original", b"")["Content-Disposition"]  # type: ignore[arg-type]
        assert header.isascii()
        assert '"' not in header
        assert header.count(";") == 1


def test_downloads_come_from_the_storage_where_that_is_wanted_and_right(
    site: DeskSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = site.add("acme", "Käse.jpg")
    given: list[tuple[str, str]] = []

    def presigned(_self: object, bucket: str, key: str, disposition: str, seconds: int) -> str:
        given.append((key, disposition))
        return f"https://s3.example/{bucket}/{key}?for={seconds}"

    monkeypatch.setattr(FolderObjects, "presigned_download", presigned)
    web = site.place.settings.web.model_copy(update={"storage_downloads": True})
    settings = site.place.settings.model_copy(update={"web": web})
    direct = site.client(replace(site.desk, platform=replace(site.place, settings=settings)))
    found = addresses(site, one)
    assert site.client().get(found["download"]).status_code == 200, "not by itself"
    answer = direct.get(found["download"], follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "https://s3.example/acme/incoming/K%C3%A4se.jpg?for=60"
    assert answer.headers["cache-control"] == "no-store"
    assert given == [("incoming/Käse.jpg", "attachment; filename*=UTF-8''K%C3%A4se.jpg")]
    assert direct.get(found["original"], follow_redirects=False).status_code == 200
    forged = found["preview"].replace("preview", "download")
    assert direct.get(forged, follow_redirects=False).status_code == 404
    site.place.objects.put("acme", "incoming/Käse.jpg", b"another", "image/jpeg")
    assert direct.get(found["download"], follow_redirects=False).status_code == 404
