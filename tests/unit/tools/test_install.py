"""`tools/install`: uv is told what pip is told, and pip installs where uv does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[3] / "tools" / "install"
PIP = r"""#!/bin/sh
if [ "$3" = config ]; then
    cat <<'END'
:env:.find-links='/wheels /more'
global.find-links='/not/these'
global.extra-index-url='\nhttps://a.example\nhttps://b.example'
END
    exit 0
fi
echo "pip $*" >> {said}
"""
UV = """#!/bin/sh
echo "uv $* $UV_FIND_LINKS|$UV_INDEX|$UV_INDEX_STRATEGY" >> {said}
exit {status}
"""


@pytest.mark.parametrize("works", [True, False])
def test_uv_is_told_what_pip_is_told_and_pip_follows_where_it_fails(
    tmp_path: Path, works: bool
) -> None:
    said = tmp_path / "said"
    environment = tmp_path / "environment"
    for path, text in (
        ("bin/python", PIP.format(said=said)),
        (".uv/bin/uv", UV.format(said=said, status=0 if works else 2)),
    ):
        program = environment / path
        program.parent.mkdir(parents=True)
        program.write_text(text)
        program.chmod(0o755)
    subprocess.run(
        [sys.executable, INSTALL, environment, "-c", "pins.txt", "numpy"],
        check=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("UV_")},
    )
    python = environment / "bin/python"
    by_uv, *by_pip = said.read_text().splitlines()
    assert by_uv == (
        f"uv pip install --quiet --python {python} -c pins.txt numpy "
        "/wheels,/more|https://a.example https://b.example|unsafe-best-match"
    )
    assert by_pip == ([] if works else ["pip -m pip install -qq -c pins.txt numpy"])
