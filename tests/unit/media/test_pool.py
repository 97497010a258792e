from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from parjanya_dagster.media import (
    DecoderPool,
    Limits,
    MediaError,
    Rejected,
    Validated,
    validate,
)

HERE = str(Path(__file__).parent)
FAULTY = "faulty_decoder:work"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", HERE)


@pytest.fixture(scope="module")
def faulty() -> Iterator[DecoderPool]:
    with DecoderPool(1, deadline_s=0.5, memory_bytes=512 * 1024**2, entry=FAULTY) as pool:
        yield pool


def pid_of(pool: DecoderPool) -> int:
    return pool.validate(b"say:x").body["pid"]


@pytest.mark.parametrize(
    ("order", "failure_class"),
    [
        (b"abort", "decoder_crashed"),
        (b"segfault", "decoder_crashed"),
        (b"killed", "decoder_crashed"),
        (b"lie", "decoder_crashed"),
        (b"surprise", "decoder_crashed"),
        (b"hang", "time_limit"),
        (b"spin", "time_limit"),
        (b"eat:4000000000", "memory_limit"),
        (b"eat natively", "memory_limit"),
        (b"refuse", "corrupt"),
    ],
)
def test_what_befalls_one_image_costs_that_image_only(faulty, order, failure_class):
    before, hit, after = faulty.validate_many([b"say:before", order, b"say:after"])

    assert isinstance(hit, Rejected)
    assert hit.failure_class == failure_class
    assert isinstance(before, Validated)
    assert isinstance(after, Validated)
    assert (before.body["said"], after.body["said"]) == ("before", "after")


def test_a_kill_from_outside_is_not_held_against_the_image(tmp_path):
    with DecoderPool(1, entry=FAULTY, jailed=False) as pool:  # it leaves a mark in a file
        result = pool.validate(f"killed once:{tmp_path / 'mark'}".encode())

    assert result.body["said"].endswith("mark")


def test_children_are_reused(faulty):
    assert pid_of(faulty) == pid_of(faulty)


def test_a_refused_image_leaves_its_child_alive(faulty):
    before = pid_of(faulty)
    faulty.validate_many([b"refuse", b"eat:4000000000"])

    assert pid_of(faulty) == before


def test_children_are_replaced_after_their_share():
    with DecoderPool(1, images_per_child=2, entry=FAULTY) as pool:
        pids = [pid_of(pool) for _ in range(4)]

    assert pids[0] == pids[1]
    assert pids[1] != pids[2] == pids[3]


def test_libraries_that_print_do_not_disturb_the_conversation(faulty):
    assert faulty.validate(b"chatter:x").body["said"] == "x"


def test_limits_reach_the_child_and_size_is_checked_before_it(faulty):
    assert faulty.validate(b"say:x", Limits(max_pixels=7)).body["pixels"] == 7
    with pytest.raises(Rejected) as refused:
        faulty.validate(b"abort" * 100, Limits(max_bytes=50))
    assert refused.value.failure_class == "too_many_bytes"


def test_order_is_kept_and_a_large_image_passes_the_pipe():
    large = b"say:" + b"x" * 3_000_000
    datas = [large, b"refuse", *(f"say:{i}".encode() for i in range(40))]

    with DecoderPool(2, entry=FAULTY) as pool:
        outcomes = pool.validate_many(datas)

    assert len(outcomes[0].body["said"]) == 3_000_000
    assert isinstance(outcomes[1], Rejected)
    assert [o.body["said"] for o in outcomes[2:]] == [str(i) for i in range(40)]


def test_a_child_that_cannot_start_is_no_fault_of_the_image():
    with DecoderPool(1, entry="no_such_module:work") as pool, pytest.raises(MediaError) as failed:
        pool.validate(b"say:x")

    assert not isinstance(failed.value, Rejected)
    assert "no_such_module" in str(failed.value)


def test_closing_ends_every_child():
    with DecoderPool(2, entry=FAULTY) as pool:
        pids = {o.body["pid"] for o in pool.validate_many([b"say:x"] * 8)}

    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_closing_amid_work_fails_it_without_blaming_the_image():
    pool = DecoderPool(1, deadline_s=600, entry=FAULTY)
    pid_of(pool)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            pool.validate(b"hang")
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    pool.close()
    thread.join()

    assert [type(failure) for failure in failures] == [MediaError]
    with pytest.raises(MediaError, match="closed"):
        pool.validate(b"say:x")


@pytest.mark.parametrize("order", ["say", "hang", "spin"])
def test_no_child_outlives_a_parent_that_is_killed(order):
    """The parent starts a child, gives it work, tells its id and waits to be killed."""
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import threading\n"
            "from parjanya_dagster.media import DecoderPool\n"
            f"pool = DecoderPool(1, deadline_s=600, entry={FAULTY!r})\n"
            "pid = pool.validate(b'say:x').body['pid']\n"
            f"threading.Thread(target=pool.validate, args=({order.encode()!r},)).start()\n"
            "print(pid, flush=True)\n"
            "threading.Event().wait()\n",
        ],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([HERE, os.getcwd()])},
    )
    with parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        parent.wait()

    gone, alive = psutil.wait_procs([child], timeout=600)

    assert (len(gone), alive) == (1, [])


def test_real_images_come_out_as_in_process(photo, encode):
    datas = [encode(photo, "JPEG"), encode(photo, "PNG"), b"nothing", encode(photo, "AVIF")]

    with DecoderPool(2) as pool:
        jpeg, png, nothing, avif = pool.validate_many(datas)
        beside = {"a.json": b'{"photoTakenTime": {"timestamp": "0"}}', "a.xmp": b"<x/>"}
        dated = pool.validate(datas[0], sidecars=beside)

    assert dated.body["exif"]["taken_at"] == "1970-01-01T00:00:00+00:00"
    assert dated == validate(datas[0], sidecars=beside)
    assert jpeg == validate(datas[0])
    assert png == validate(datas[1])
    assert nothing.failure_class == "not_an_image"
    assert avif.body["format"] == "avif"


def test_a_real_image_beyond_the_memory_limit_is_refused(encode):
    from PIL import Image

    vast = encode(Image.new("RGB", (7500, 7500), "teal"), "PNG", compress_level=1)

    with DecoderPool(1, memory_bytes=128 * 1024**2) as pool:
        outcomes = pool.validate_many([vast, encode(Image.new("RGB", (90, 90)), "PNG")])

    assert outcomes[0].failure_class == "memory_limit"
    assert isinstance(outcomes[1], Validated)
