"""An ASGI application on a free port of 127.0.0.1, as a browser sees it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve it in a thread. Yields its address."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="error",
        timeout_graceful_shutdown=5,
        proxy_headers=False,  # as `parjanya web` serves it
    )
    server = uvicorn.Server(config)
    sock = config.bind_socket()
    sock.listen()  # whoever comes before the server is up waits in the queue
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        sock.close()
