"""Where a home, its Truth and its buckets are. Needs no other setting, and no pydantic."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ENV_FILE = "parjanya.env"


def home_of(home: Path | None) -> Path:
    """The argument, else PARJANYA_HOME, else `.parjanya` here; absolute."""
    chosen = home or Path(os.environ.get("PARJANYA_HOME", ".parjanya"))
    return chosen.expanduser().absolute()


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where everything of one instance is. Empty URLs: in the home."""

    home: Path
    truth: str = ""
    objects: str = ""

    @property
    def truth_url(self) -> str:
        """Where Truth is: as said, or in the home."""
        return self.truth or f"sqlite:///{self.home / 'truth.db'}"

    @property
    def truth_file(self) -> Path | None:
        """The file of an embedded Truth. None: Truth is on a server."""
        scheme, _, file = self.truth_url.partition(":///")
        return Path(file.partition("?")[0]) if scheme == "sqlite" else None

    @property
    def objects_url(self) -> str:
        """Where buckets are: as said, or in the home."""
        return self.objects or (self.home / "buckets").as_uri()
