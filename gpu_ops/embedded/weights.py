"""Weights that lie beside this file. A file is used only if its hash is the expected one.

`weights/NOTICE` says where they come from, and under which licence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).with_name("weights")

#: The files of each metric, and of each network, and the SHA-256 each must have.
FILES: Mapping[str, Mapping[str, str]] = {
    "niqe": {
        "niqe_pris_params.npz": "2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296",
    },
    "brisque": {
        "brisque_svm.txt": "19526fb799c4c7992ccc109fcfecddb25976ba024b194cd3ee275d27e8909c8d",
        "brisque_ranges.json": "d84c837f68f7ff0aecf6ee7224d3adcd7f6946a4b0d71149f78c8d9b720b76db",
    },
    "faces": {
        "blazeface_back.onnx": "427cbbe0fc41448d09e1dc9cfabe2423d997cf2faaeab91fadd09a510b63b8e2",
    },
    "backbone": {
        "efficientnet_lite0.onnx": (
            "0601be33a4cb4d6012449d4baf22284ad3149dc7973b55cc573fce3bcd629851"
        ),
    },
}


class BadWeights(RuntimeError):
    """A weights file is missing or altered: install the package again."""


def identifier(metric: str) -> str:
    """What evidence records. One file: its hash. Several: the hash of their hashes, in order.

    "none" for a metric that has no weights.
    """
    hashes = list(FILES.get(metric, {}).values())
    if not hashes:
        return "none"
    if len(hashes) == 1:
        return f"sha256:{hashes[0]}"
    return "sha256:" + hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def read(metric: str, folder: Path = FOLDER) -> dict[str, bytes]:
    """Return the bytes of a metric's files by name. Raises `BadWeights`, naming the file."""
    return {name: checked(folder / name, sha256) for name, sha256 in FILES[metric].items()}


def checked(path: Path, sha256: str) -> bytes:
    """The bytes of a file. Raises `BadWeights` where it is missing, or not the one measured."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadWeights(
            f"the weights {path.name} cannot be read ({error.strerror}): install the package again"
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise BadWeights(
            f"the weights {path.name} are altered: their SHA-256 is {digest}, not {sha256}; "
            "install the package again"
        )
    return data
