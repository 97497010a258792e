"""Why an image is refused, in words a person understands."""

from __future__ import annotations

from typing import Literal, get_args

FailureClass = Literal[
    "empty",
    "not_an_image",
    "unsupported_format",
    "truncated",
    "corrupt",
    "too_many_bytes",
    "too_many_pixels",
    "too_large_dimensions",
    "too_many_frames",
    "too_much_metadata",
    "time_limit",
    "memory_limit",
    "decoder_crashed",
]

FAILURE_CLASSES: tuple[FailureClass, ...] = get_args(FailureClass)


class MediaError(Exception):
    """The bytes could not be turned into an image."""


class Rejected(MediaError):
    """The image itself is at fault: the same bytes will be refused again.

    `failure_class` is one of `FAILURE_CLASSES`; `reason` is one sentence for a person.
    """

    def __init__(self, failure_class: FailureClass, reason: str) -> None:
        # Both go to Exception.args, so the error survives a trip through pickle.
        super().__init__(failure_class, reason)
        self.failure_class = failure_class
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.failure_class}: {self.reason}"
