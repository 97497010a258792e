"""`python -m bench.spent [IMAGES]`: processor time by process, while an instance takes in a burst.

User and system time of its processes, before and after. So other work on the machine matters less
than for the seconds that pass; but what daemon and code server spend grows with those.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.chain import files_of, live_runs, terminal
from bench.instance import running, until
from parjanya_dagster.ingest.copy_files import upload
from parjanya_dagster.settings import load

QUIET, LOOK = 0.2, 3.0  # shares of a core under which the instance has loaded; seconds


def spent(count: int) -> tuple[dict[str, float], float]:
    """Seconds of processor time by process, of `count` images; and the seconds that passed."""
    with tempfile.TemporaryDirectory(prefix="parjanya-bench-") as folder:
        files = files_of(count, Path(folder))
        settings = load(Path(folder) / "home")
        with running(settings) as platform:
            tenant = platform.sweeper.add_tenant("bench")
            before = _quiet()
            began = time.monotonic()
            for _ in upload(platform.objects, tenant, files):
                pass
            seen = dict(before)

            def decided() -> bool:
                seen.update(_times())
                return terminal(platform) == count

            until(decided)
            until(lambda: not live_runs(settings.home))
            seen.update(_times())
            passed = time.monotonic() - began
    return {who: total - before.get(who, 0.0) for who, total in seen.items()}, passed


def _quiet() -> dict[str, float]:
    """Processor time, once the instance has loaded what it loads."""
    last = _times()
    for _ in range(100):
        time.sleep(LOOK)
        now = _times()
        if sum(now.values()) - sum(last.values()) < QUIET * LOOK:
            break
        last = now
    return now


def _times() -> dict[str, float]:
    """Seconds so far, by process: its id and its name."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
            found[f"{process.pid} {' '.join(process.cmdline())[:70].strip()}"] = (
                times.user + times.system
            )
        except psutil.Error:  # it has just ended
            continue
    return found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    found, passed = spent(count)
    print(f"{count} images, {passed:.0f} s passed; milliseconds of processor time an image:")
    for who, seconds in sorted(found.items(), key=lambda pair: -pair[1]):
        if seconds >= 0.05:
            print(f"{1000 * seconds / count:8.1f}  {who}")
    print(f"{1000 * sum(found.values()) / count:8.1f}  in all")


if __name__ == "__main__":
    main()
