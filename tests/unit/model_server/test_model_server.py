"""How a model server is started, waited for and ended. A small program stands in for vLLM.

A real one is started in `tests/served`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gpu_ops.endpoint.served import served, statement
from parjanya_dagster.errors import ModelServerDied, SettingsInvalid
from parjanya_dagster.model_server.command import Command, command
from parjanya_dagster.model_server.flags import hash_of
from parjanya_dagster.model_server.process import ModelServer
from parjanya_dagster.settings import Settings
from tests.support.servers import free_port
from tests.support.waiting import is_alive, wait_until

PROGRAM = f"""#!{sys.executable} -S
import os, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
print("loading", sys.argv[1:], flush=True)
if os.environ.get("DIES"):
    sys.exit("no memory is left")
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(3600)"])
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
port = int(sys.argv[sys.argv.index("--port") + 1])
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    program = tmp_path / "vllm"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (tmp_path / "seer").mkdir()
    (tmp_path / "seer" / "config.json").write_text("{}")
    return Settings(
        home=tmp_path / "home",
        model_server={
            "executable": str(program), "model": str(tmp_path / "seer"), "listen": free_port(),
        },
    )  # fmt: skip


def but(settings: Settings, **model_server: object) -> Settings:
    changed = settings.model_server.model_copy(update=model_server)
    return settings.model_copy(update={"model_server": changed})


def test_it_listens_on_loopback_and_states_the_files_and_the_flags(settings: Settings) -> None:
    chosen = command(but(settings, arguments="--max-model-len 4096"))
    words = list(chosen.arguments)
    assert words[words.index("--host") + 1] == "127.0.0.1"
    assert words[-2:] == ["--max-model-len", "4096"]  # after ours, so it wins
    names = words[words.index("--served-model-name") + 1 :][:2]
    assert names == ["seer", chosen.states]
    told = served("seer", [{"id": name, "owned_by": "vllm"} for name in names], {"version": "1"})
    assert (told.states, told.server) == (chosen.states, "vllm 1")
    assert told.revision.startswith("sha256:")
    assert chosen.environment["HF_HUB_OFFLINE"] == "1"


def test_other_flags_or_other_files_are_another_statement(settings: Settings) -> None:
    plain = command(settings).states
    assert command(settings).states == plain
    assert command(but(settings, listen=free_port())).states == plain
    assert command(but(settings, arguments="--quantization fp8")).states != plain
    (Path(settings.model_server.model) / "config.json").write_text('{"a": 1}')
    assert command(settings).states != plain
    assert hash_of(["--a", "1"]) != hash_of(["--a1"])


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"executable": "no-such-program"}, "no program 'no-such-program'"),
        ({"model": ""}, "Which model"),
        ({"model": "/gone"}, "no model folder /gone"),
        ({"arguments": "--port=1"}, "must not set --port"),
        ({"arguments": "'"}, "No closing quotation"),
    ],
)
def test_what_cannot_be_started_is_told(
    settings: Settings, wrong: dict[str, str], complaint: str
) -> None:
    with pytest.raises(SettingsInvalid, match=complaint):
        command(but(settings, **wrong))


def test_the_key_is_handed_over_in_the_environment_and_never_as_an_argument(
    settings: Settings,
) -> None:
    keyed = settings.model_copy(
        update={"endpoint": settings.endpoint.model_copy(update={"key": Settings(
            endpoint={"key": "secret"}).endpoint.key})}
    )  # fmt: skip
    chosen = command(keyed)
    assert chosen.environment["VLLM_API_KEY"] == "secret"
    assert "secret" not in " ".join(chosen.arguments)


def test_a_name_that_could_not_be_read_again_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be served"):
        statement("seer", "sha256:a+flags:b", "c")


def test_whoever_has_the_port_does_not_answer_for_it(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.model_server.listen))
        other.listen()
        with (
            pytest.raises(SettingsInvalid, match=r"Port \d+ of 127.0.0.1 cannot be had"),
            ModelServer(command(settings), settings.home / "model.log"),
        ):
            pass


def test_it_is_waited_for_and_ended_with_all_that_it_started(settings: Settings) -> None:
    told: list[str] = []
    with ModelServer(command(settings), settings.home / "model.log") as server:
        assert server.wait_until_ready(600, tell=lambda _, said: told.append(said))
        family = [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
        assert len(family) == 2
        server.require_alive()
    assert not any(map(is_alive, family))


def test_where_it_dies_its_last_words_are_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIES", "1")
    dying = command(settings, os.environ)
    with (
        ModelServer(dying, settings.home / "model.log") as server,
        pytest.raises(ModelServerDied, match=r"(?s)with status 1\..*no memory is left"),
    ):
        server.wait_until_ready(600)


def test_one_that_is_never_ready_is_given_up_and_one_that_is_not_wanted_is_not_waited_for(
    settings: Settings,
) -> None:
    chosen = command(settings)
    silent = Command(
        arguments=[sys.executable, "-S", "-c", "import time; time.sleep(3600)"],
        environment=chosen.environment, port=chosen.port, url=chosen.url, model="seer", states="",
    )  # fmt: skip
    times = iter([0.0, 5.0, 11.0])
    with ModelServer(silent, settings.home / "model.log") as server:
        assert not server.wait_until_ready(10, stopping=lambda: True)
        with pytest.raises(ModelServerDied, match="did not answer in 11 s"):
            server.wait_until_ready(10, clock=lambda: next(times), pause=lambda _: None)


def test_the_command_tells_where_it_is_served_and_ends_with_status_1_when_it_dies(
    settings: Settings,
) -> None:
    chosen = settings.model_server
    own = {
        "PARJANYA_MODEL_SERVER__EXECUTABLE": chosen.executable,
        "PARJANYA_MODEL_SERVER__MODEL": chosen.model,
        "PARJANYA_MODEL_SERVER__LISTEN": str(chosen.listen),
    }
    settings.home.mkdir()
    said = settings.home / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "parjanya_dagster.cli", "model", "serve",
             "--home", str(settings.home)],
            stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **own},
        )  # fmt: skip
    try:
        wait_until(
            lambda: "Ctrl-C" in said.read_text(), "it is served",
            died=lambda: process.poll() is not None, log=said.read_text,
        )  # fmt: skip
        (head,) = psutil.Process(process.pid).children()
        orphans = head.children()
        head.send_signal(signal.SIGKILL)
        assert process.wait(300) == 1
    finally:
        process.kill()
        process.wait()
    assert f"PARJANYA_ENDPOINT__URL=http://127.0.0.1:{chosen.listen}/v1" in said.read_text()
    assert "The model server ended by signal 9." in said.read_text()
    assert not any(map(is_alive, orphans))
