"""A stand-in for a vLLM or SGLang server: it speaks their protocol and has no model.

It refuses what they refuse (`tests.support.serving_rules`), and what they would ignore.
It answers by the mean colour of the picture, with a bias for the letter A as models have. It shows
what the client does with answers and with failures, and nothing of what a model would say.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gpu_ops import LABELS, engines
from gpu_ops.embedding.served import ServedEmbedder
from gpu_ops.endpoint.enricher import EndpointEnricher
from gpu_ops.vlm import prompts
from tests.support.serving_rules import Server, refusal

MODEL = "stub-vl"
VERSIONS: dict[Server, str] = {"vllm": "0.32.0", "sglang": "0.5.23"}
FORBIDDEN: dict[Server, float] = {"vllm": -9999.0, "sglang": -3.4028234663852886e38}
"""What stands for the likelihood of a token that a schema forbids: `_create_chat_logprobs` in
vllm/entrypoints/openai/chat_completion/serving.py; SGLang clamps to the least number there is, in
sglang/srt/layers/sampler.py."""
DESCRIPTION = {"caption": "A field.", "tags": ["soft"], "visible_text": "", "objects": ["field"]}


@dataclass
class Reply:
    """What the server does with a request."""

    body: Any = None  # JSON, or bytes as they are
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False  # say nothing until the stub is closed
    drop: bool = False  # close the connection without a word
    cut: bool = False  # close it after half of the body


Behaviour = Callable[[int, dict[str, Any]], Reply | None]
"""From the number of the request (0, 1, …) and its payload; None: answer as usual."""


class Stub:
    """The server, on a free port of 127.0.0.1, until the block is left."""

    def __init__(
        self,
        behave: Behaviour = lambda _, __: None,
        logprobs: bool = True,
        server: Server = "vllm",
    ) -> None:
        self.behave, self.logprobs, self.server = behave, logprobs, server
        self.names = [MODEL]  # under which the model is listed
        self.version = VERSIONS[server]
        self.longest = 4096  # tokens of a question and its answer together
        self.asked: list[dict[str, Any]] = []  # payloads, in order
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.connections: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Stub:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Nobody answers at its port any more. May be called twice."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.drop_connections()

    def drop_connections(self) -> None:
        """Close those that clients keep open for a next request, as a restart does."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def reply(self, payload: dict[str, Any]) -> Reply:
        with self._lock:
            number = len(self.asked)
            self.asked.append(payload)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            reply = self.behave(number, payload) or self.usual(payload)
            if reply.hang:
                self._closing.wait()
            return reply
        finally:
            with self._lock:
                self._at_once -= 1

    def usual(self, payload: dict[str, Any]) -> Reply:
        refused = refusal(self.server, MODEL, payload, self.longest)
        if refused:
            return Reply({"error": {"message": refused[1]}}, refused[0])
        favourite = LABELS[int(mean(payload)) * len(LABELS) // 256]
        lettered = options(payload)
        likelihoods = {
            letter: (-1.0 if label == favourite else -4.0) + (2.0 if letter == "A" else 0.0)
            for letter, label in lettered.items()
        }
        best = max(likelihoods, key=lambda letter: likelihoods[letter])
        if "response_format" in payload:
            known = likelihoods if self.logprobs else None
            return answered(best, known, forbidden=FORBIDDEN[self.server])
        return completion(best, likelihoods if self.logprobs else None)


def completion(content: str | None, likelihoods: dict[str, float] | None = None) -> Reply:
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": content}}
    choice["finish_reason"] = "stop"
    if likelihoods is not None:
        top = [{"token": token, "logprob": value} for token, value in likelihoods.items()]
        choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    return Reply({"id": "1", "model": MODEL, "system_fingerprint": "fp", "choices": [choice]})


def answered(
    letter: str,
    likelihoods: dict[str, float] | None = None,
    description: dict[str, Any] = DESCRIPTION,
    forbidden: float = FORBIDDEN["vllm"],
) -> Reply:
    """JSON by the schema. Its grammar is laid over the logits before likelihoods are taken
    (`apply_grammar_bitmask` in vllm/v1/worker/gpu_model_runner.py), so they sum to one over what
    it allows. What it forbids is listed with `forbidden`."""
    said = json.dumps({"category": letter, **description})
    reply = completion(said)
    if likelihoods is not None:
        total = math.log(sum(math.exp(value) for value in likelihoods.values()))
        allowed = {name: value - total for name, value in likelihoods.items()}
        content: list[dict[str, Any]] = []
        for token in re.findall(r"\w+|[^\w\s]+| [^\w\s]*", said):
            at_letter = len(content) == 4
            top = allowed if at_letter else {token: 0.0}
            listed = [{"token": t, "logprob": v} for t, v in (top | {"The": forbidden}).items()]
            content.append({"token": token, "logprob": top[token], "top_logprobs": listed})
        assert content[4]["token"] == letter
        reply.body["choices"][0]["logprobs"] = {"content": content}
    return reply


def options(payload: dict[str, Any]) -> dict[str, str]:
    """Letter -> label, as the question lists them."""
    question = payload["messages"][1]["content"][1]["text"]
    found = {}
    for label, name in _prompt().category.names.items():
        for letter in "ABCDEFGH":
            if re.search(rf"\b{letter} {name}[,.]", question):
                found[letter] = label
    assert sorted(found.values()) == sorted(LABELS), question
    return found


_prompt = cache(prompts.load)
"""It is read once, and not for each answer."""


def mean(payload: dict[str, Any]) -> float:
    """Of the picture's pixels, 0 to 255."""
    from PIL import Image, ImageStat

    url = payload["messages"][1]["content"][0]["image_url"]["url"]
    data = base64.b64decode(url.removeprefix("data:image/jpeg;base64,"))
    with Image.open(io.BytesIO(data)) as image:
        return float(ImageStat.Stat(image.convert("L")).mean[0])


def _card(name: str, server: Server, longest: int) -> dict[str, Any]:
    """As ModelCard in vllm/entrypoints/serve/engine/protocol.py (0.32.0) has it, and in
    sglang/srt/entrypoints/openai/protocol.py (0.5.23)."""
    return {"id": name, "object": "model", "owned_by": server, "max_model_len": longest}


def _handler(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            stub.connections.append(self.connection)

        def do_GET(self) -> None:
            cards = [_card(name, stub.server, stub.longest) for name in stub.names]
            said: dict[str, Any] = {
                "/v1/models": {"object": "list", "data": cards},
                "/version" if stub.server == "vllm" else "/server_info": {"version": stub.version},
            }
            known = self.path in said
            self._send(Reply(said[self.path]) if known else Reply({"detail": "Not Found"}, 404))

        def do_POST(self) -> None:
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stub.headers.append({name.lower(): value for name, value in self.headers.items()})
            self._send(stub.reply(payload))

        def _send(self, reply: Reply) -> None:
            if reply.drop or reply.hang:
                self.close_connection = True
                return
            is_raw = isinstance(reply.body, bytes)
            body = reply.body if is_raw else json.dumps(reply.body).encode()
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if reply.cut else body)
                self.close_connection = self.close_connection or reply.cut
            except OSError:
                self.close_connection = True  # the client did not wait

        def log_message(self, *_: object) -> None:
            return

    return Handler


def close_clients() -> None:
    """Close what engines of this process keep open to stubs that are gone."""
    for engine in list(engines._engines.values()):
        if isinstance(engine, EndpointEnricher | ServedEmbedder):
            engine.close()
