"""A folder of weights with its manifest, `SHA256SUMS`, as `sha256sum` writes and checks it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "SHA256SUMS"
_LINE = re.compile(r"^([0-9a-f]{64}) [ *](.+)$")


class BadWeights(RuntimeError):
    """A weights file is missing, is altered, or is not in the manifest of its folder."""


@dataclass(frozen=True)
class WeightFolder:
    """The files of one folder, as its manifest names them."""

    path: Path
    sha256: Mapping[str, str]  # file name -> 64 hex digits

    @classmethod
    def open(cls, path: Path) -> WeightFolder:
        """Read the manifest. Raises `BadWeights` where there is none, or it cannot be read."""
        manifest = path / MANIFEST
        try:
            lines = manifest.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadWeights(
                f"the manifest {manifest} cannot be read ({error}): put the weights into that "
                f"folder and run `sha256sum *.pth *.pt > {MANIFEST}` there"
            ) from error
        hashes = {}
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            match = _LINE.match(line)
            if match is None:
                raise BadWeights(
                    f"line {number} of {manifest} is not `<sha256>  <file>`: run `sha256sum` again"
                )
            hashes[match[2]] = match[1]
        return cls(path, hashes)

    def check(self, names: Sequence[str]) -> None:
        """Hash files and compare. Raises `BadWeights`, naming the first that is not as recorded."""
        for name in names:
            expected = self._expected(name)
            try:
                with (self.path / name).open("rb") as file:
                    actual = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise BadWeights(
                    f"the weights {self.path / name} cannot be read ({error.strerror}): fetch the "
                    "file again"
                ) from error
            if actual != expected:
                raise BadWeights(
                    f"the weights {self.path / name} are altered: their SHA-256 is {actual}, and "
                    f"{MANIFEST} says {expected}; fetch the file again"
                )

    def identifier(self, names: Sequence[str]) -> str:
        """What evidence records. One file: its hash. Several: the hash of their hashes, in order.

        Raises `BadWeights` for a file that the manifest does not name.
        """
        hashes = [self._expected(name) for name in names]
        if len(hashes) == 1:
            return f"sha256:{hashes[0]}"
        return "sha256:" + hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    def _expected(self, name: str) -> str:
        try:
            return self.sha256[name]
        except KeyError:
            raise BadWeights(
                f"{self.path / MANIFEST} does not name {name}: fetch the file and run `sha256sum` "
                "again"
            ) from None
