"""A process that writes a release is killed in the middle, and another goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from parjanya_dagster.platform import Platform
from parjanya_dagster.release.options import FORMATS, Options
from parjanya_dagster.release.verification import verify
from tests.support.releases import PICTURES, begun, files, released


def command(decided: Platform, *given: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "parjanya_dagster.cli", "release", *given, "--tenant", "acme"],
        env={**os.environ, "PARJANYA_HOME": str(decided.settings.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_kill_9_costs_no_more_than_a_part(decided: Platform) -> None:
    options = Options(formats=FORMATS, shard_images=1)
    release = begun(decided, options).release
    with command(decided, "resume", "birds") as writing:
        assert writing.stderr is not None
        for line in writing.stderr:
            if line.startswith("3 of"):
                writing.send_signal(signal.SIGKILL)
                break
    assert writing.returncode == -signal.SIGKILL
    with command(decided, "resume", "birds") as again:
        _, said = again.communicate()
    assert again.returncode == 0, said
    last = [line for line in said.splitlines() if line.startswith(f"{PICTURES + 1} of")]
    kept = int(last[0].rpartition(" images, ")[2].split()[0])
    assert 3 <= kept < PICTURES + 1
    done = decided.store.find_release("acme", "birds", release.version)
    assert done is not None
    assert verify(decided.objects, "acme", done).wrong == []
    whole = released(decided, options, "others")
    names = ("README.md", "croissant.json", "release.json", "SHA256SUMS")  # they have the name
    one, other = (
        {path: data for path, data in files(decided, each).items() if path not in names}
        for each in (done, whole)
    )
    assert one == other
