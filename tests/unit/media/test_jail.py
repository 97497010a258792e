"""A decoder that is taken over reaches nothing, and one that is not decodes as it would outside."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parjanya_dagster.media import DecoderPool, Rejected, jail, landlock, seccomp, validate
from parjanya_dagster.media.jail import Jail
from tests.support.encoded import cells, encoded
from tests.support.raw import dng
from tests.unit.media.captured_decoder import ANSWERS, ATTEMPTS

CAPTURED = "captured_decoder:work"
pytestmark = pytest.mark.skipif(
    not jail.offered().whole, reason="this kernel, or its container, allows no seccomp filter"
)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@pytest.fixture(scope="module")
def captured() -> Iterator[DecoderPool]:
    with DecoderPool(1, entry=CAPTURED) as pool:
        yield pool


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(b"password")
    return path


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_captured_decoder_is_refused(
    captured: DecoderPool, secret: Path, attempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: reached.append(number))
    try:
        said = captured.validate(f"{attempt}|{secret}".encode()).body["said"]
    finally:
        signal.signal(signal.SIGTERM, before)
    # A resolver that may make no socket says so in its own way.
    assert said == ("gaierror" if attempt == "resolve a name" else "PermissionError")
    assert secret.read_bytes() == b"password"
    assert os.listdir(secret.parent) == ["secret"]
    assert reached == []


def test_a_captured_decoder_was_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could write what it knows into the preview, which its sender may look at."""
    for name in ("AWS_SECRET_ACCESS_KEY", "PARJANYA_TRUTH__URL", "PGPASSWORD", "DAGSTER_TOKEN"):
        monkeypatch.setenv(name, "hunter2")
    with DecoderPool(1, entry=CAPTURED) as pool:
        told = pool.validate(b"tell|").body["said"]

    assert not [each for each in told if "hunter2" in each]


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_is_none_costs_the_image_and_nothing_else(answer: str) -> None:
    """At once: nothing is waited for, nothing is kept that was promised."""
    with DecoderPool(1, entry=CAPTURED) as pool:
        with pytest.raises(Rejected, match="its answer was no message") as refused:
            pool.validate(f"{answer}|".encode())
        assert refused.value.failure_class == "decoder_crashed"
        assert pool.validate(b"fork|").body["said"] == "PermissionError"


@pytest.mark.parametrize("attempt", ["read a file", "make a socket", "run a program"])
def test_a_decoder_outside_the_jail_could(secret: Path, attempt: str) -> None:
    """Else the attempts would prove nothing."""
    with DecoderPool(1, entry=CAPTURED, jailed=False) as pool:
        assert pool.validate(f"{attempt}|{secret}".encode()).body["said"] == "done"
        assert pool.jail == Jail()


def test_the_pool_says_which_jail_holds(captured: DecoderPool) -> None:
    captured.validate(b"fork|")
    assert captured.jail == jail.offered()


def test_the_filter_alone_holds_where_there_is_no_landlock() -> None:
    assert Jail(privileges=True, seccomp=True).whole
    assert str(Jail(privileges=True, seccomp=True)).endswith("by seccomp")
    assert "Landlock alone" in str(Jail(privileges=True, landlock=4))
    assert str(Jail()).startswith("none")


def test_a_system_that_has_none_is_decoded_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert jail.close() == jail.offered() == Jail()


def test_a_kernel_that_refuses_both_leaves_no_new_privileges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container that allows neither. In a child, since nothing of it can be undone."""

    def refused() -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(landlock, "restrict", refused)
    monkeypatch.setattr(seccomp, "restrict", refused)
    answer, tell = os.pipe()
    if (child := os.fork()) == 0:
        os.write(tell, repr(jail.close()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(answer, 1000).decode() == repr(Jail(privileges=True))
    os.close(answer)
    os.close(tell)


def test_an_architecture_without_a_table_has_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert not seccomp.offered()
    with pytest.raises(OSError, match="riscv64"):
        seccomp.restrict()


def test_the_jail_decodes_every_container_as_the_open_does(photo, encode) -> None:
    """Whatever decoding imports or opens when it first needs it fails in here."""
    scene = photo.resize((64, 48))
    one_of_each = {cell.container: cell for cell in cells()}
    files = {name: encoded(scene, cell) for name, cell in one_of_each.items()}
    files["gif"] = encode(scene, "GIF", save_all=True, append_images=[scene.rotate(90)])
    files["dng"] = dng(scene)
    files["exif and xmp"] = encode(
        scene,
        "JPEG",
        exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x32\0\x02\0\0\0\x14\0\0\0\x1a\0\0\0\0"
        b"2024:01:02 03:04:05\0",
        xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
    )
    files["cut"] = encode(photo, "JPEG")[:-9000]
    files["nothing"] = b"nothing"
    with DecoderPool(1) as pool:
        for name, data in files.items():
            try:
                expected: object = validate(data)
            except Rejected as refused:
                expected = str(refused)
            try:
                found: object = pool.validate(data)
            except Rejected as refused:
                found = str(refused)
            assert found == expected, name
        assert pool.jail == jail.offered()
