"""Logs: one JSON object per line for machines, one readable line for a terminal.

Lines carry ids (image, batch, run, fence). What could name a person is dropped before anything is
written: coordinates always, file names unless the settings ask for them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from parjanya_dagster import lines
from parjanya_dagster.errors import SettingsInvalid

if TYPE_CHECKING:
    from parjanya_dagster.settings import Settings

NEVER = frozenset({"gps", "coordinates", "latitude", "longitude", "exif", "caption", "text"})
NAMES = frozenset({"key", "file", "filename", "file_name", "path", "name"})
NAMED_KEY = re.compile(r"incoming/[^\"']*?\.\w{2,5}\b|incoming/\S+")
HIDDEN = "incoming/…"
Event = MutableMapping[str, Any]


def configure(settings: Settings, output: TextIO | None = None) -> None:
    """Set up structlog for this process. Lines go to standard error unless told otherwise."""
    import structlog

    output = output or sys.stderr
    readable = settings.logs.format == "console" or (
        settings.logs.format == "auto" and output.isatty()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _process,
            structlog.processors.format_exc_info,
            Private(settings.logs.file_names),
            structlog.dev.ConsoleRenderer()
            if readable
            else structlog.processors.JSONRenderer(_json, default=str),
        ],
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", Lossy(output))),
        cache_logger_on_first_use=False,
    )


def _json(event: Event, default: Callable[[Any], Any]) -> str:
    import orjson

    return orjson.dumps(event, default, orjson.OPT_NON_STR_KEYS).decode()


def configure_for_commands() -> None:
    """For the command line. A setting that is wrong is left for the command to complain of."""

    def configure_if_valid() -> None:
        from parjanya_dagster.settings import load

        with suppress(SettingsInvalid):
            configure(load())

    lines.configure_at_first(configure_if_valid)


def _process(_logger: Any, _method: str, event: Event) -> Event:
    event["process"] = os.getpid()
    return event


class Lossy:
    """An output of which a line is lost where it cannot be written.

    The disk may be full, or whoever read has gone. The threads that extend leases and give signs of
    life would end with the line in which they say that something went wrong.
    """

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # ValueError: it is closed
            self._output.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._output.flush()


class Private:
    """Drops what could name a person."""

    def __init__(self, file_names: bool) -> None:
        self._dropped = NEVER if file_names else NEVER | NAMES
        self._file_names = file_names

    def __call__(self, _logger: Any, _method: str, event: Event) -> Event:
        for name in self._dropped & event.keys():
            del event[name]
        if not self._file_names:  # errors of storage repeat the key they are about
            for name, value in event.items():
                if isinstance(value, str) and "incoming/" in value:
                    event[name] = NAMED_KEY.sub(HIDDEN, value)
        return event
