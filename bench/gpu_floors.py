"""What the hardware could do at best: two floors under the seconds per image, and how busy it was.

The arithmetic floor counts multiplications of weights and activations (attention scores left out,
a few per cent at these lengths). The bandwidth floor counts what must be read from memory: the
weights once per pass over a batch, and the cache at each step of writing. Against rates that were
measured here, so the floors hold for any device.
"""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Peaks:
    """Measured on the device, in the model's own number format."""

    operations: float  # per second, in a large matrix product
    bytes: float  # per second, read plus written in a large copy


@dataclass(frozen=True)
class Work:
    """What one image costs, and how many go together."""

    patches: float  # of the vision tower
    read: float  # tokens the text model reads
    written: float  # tokens it writes
    context: float  # tokens in the cache when it writes
    batch: int


def work_of(asked: Any, picture: int, written: int, budget: int, most: int) -> Work:
    """What an image of `picture` tokens costs when these questions are asked about it: the kind in
    one order, and the description where tokens are `written`.

    `budget` is the tokens of a batch, `most` its images.
    """
    kind, described = picture + asked.kind_tokens, picture + asked.description_tokens
    return Work(
        patches=4 * picture * (2 if written else 1),
        read=kind + (described if written else 0),
        written=written,
        context=described + written / 2,
        batch=max(1, min(most, budget // (max(kind, described) + written))),
    )


def peaks(device: str, dtype: Any) -> Peaks:
    """The best of five of each."""
    import torch

    cuda = device.startswith("cuda")
    side = 8192 if cuda else 1024
    one = torch.randn(side, side, device=device, dtype=dtype)
    large = torch.empty((1 << 31) if cuda else (1 << 26), device=device, dtype=torch.uint8)
    other = torch.empty_like(large)

    def best(work: Any) -> float:
        times = []
        for _ in range(6):
            _wait(device)
            started = time.perf_counter()
            work()
            _wait(device)
            times.append(time.perf_counter() - started)
        return min(times[1:])

    return Peaks(
        2 * side**3 / best(lambda: one @ one),
        2 * large.numel() / best(lambda: other.copy_(large)),
    )


def floors(model: Any, work: Work, peak: Peaks) -> dict[str, float]:
    """Seconds per image that arithmetic alone, and reading memory alone, would take."""
    vision = sum(p.numel() for p in model.base_model.visual.parameters())
    text = sum(p.numel() for p in model.base_model.language_model.parameters())
    embedded = model.get_input_embeddings().weight.numel()
    head = model.get_output_embeddings().weight.numel()
    layers = text - embedded
    operations = 2 * (
        vision * work.patches + layers * (work.read + work.written) + head * work.written
    )
    size = model.dtype.itemsize
    config = model.config.get_text_config()
    heads = config.num_key_value_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    cache = 2 * config.num_hidden_layers * heads * width * size  # bytes per token
    reading = (vision + layers) * size / work.batch
    writing = work.written * ((layers + head) * size / work.batch + work.context * cache)
    return {
        "arithmetic": operations / peak.operations,
        "bandwidth": (reading + writing) / peak.bytes,
    }


class Busy:
    """The share of time that the GPU had work, from its driver's samples while a block runs.

    `share` is None where there is no GPU or the driver cannot be asked; `why` says so. The driver
    counts a moment in which any kernel ran as busy, however little of the GPU it used.
    """

    QUERY = ("nvidia-smi", "-i", "0", "--query-gpu=utilization.gpu",
             "--format=csv,noheader,nounits")  # fmt: skip

    def __init__(self, device: str, every: float = 0.5) -> None:
        self.why = "" if device.startswith("cuda") else "no GPU"
        self._every = every
        self._samples: list[int] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="busy", daemon=True)

    @property
    def share(self) -> float | None:
        return sum(self._samples) / len(self._samples) / 100 if self._samples else None

    def __enter__(self) -> Busy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self.why and not self._done.wait(self._every):
            try:
                asked = subprocess.run(self.QUERY, capture_output=True, text=True, check=True)
                self._samples.append(int(asked.stdout))
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                self.why = f"{type(error).__name__}: {error}"


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()
