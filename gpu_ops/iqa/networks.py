"""The networks of learned metrics: which files each needs, and how it is built from them.

pyiqa builds a network and fetches its weights in one step. Here the weights come from paths, and
a checkpoint that lacks a tensor is refused: pyiqa would go on with random values in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_ops.torchvision_cure import cure
from gpu_ops.weight_folder import BadWeights

Paths = Sequence[Path]


@dataclass(frozen=True)
class Network:
    """A learned metric. `low` and `high` bound its usual values, as its authors state them."""

    files: tuple[str, ...]  # as pyiqa's authors publish them
    build: Callable[[Paths], Any]  # paths of those files -> torch module: (n, 3, h, w) -> (n, 1)
    low: float
    high: float
    lower_better: bool = False


def _topiq(paths: Paths) -> Any:
    from pyiqa.archs.topiq_arch import CFANet

    network = CFANet(use_ref=False, backbone_pretrain=False, pretrained=False)
    return _filled(network, paths[0])


def _musiq(paths: Paths) -> Any:
    from pyiqa.archs.musiq_arch import MUSIQ

    return _filled(MUSIQ(pretrained=False), paths[0])


def _cnniqa(paths: Paths) -> Any:
    from pyiqa.archs.cnniqa_arch import CNNIQA

    return _filled(CNNIQA(pretrained=None), paths[0])


def _clipiqa(paths: Paths, kind: str = "clipiqa") -> Any:
    from pyiqa.archs.clipiqa_arch import CLIPIQA

    try:
        return CLIPIQA(model_type=kind, backbone=str(paths[0]), pretrained=False)
    except Exception as error:  # whatever the archive's loader says of what is no archive
        raise BadWeights(f"{paths[0]} cannot be loaded ({error}): fetch the file again") from error


def _clipiqa_plus(paths: Paths) -> Any:
    network = _clipiqa(paths, "clipiqa+")
    learned = _loaded(paths[1])
    context = network.prompt_learner.ctx
    if getattr(learned, "shape", None) != context.shape:
        raise BadWeights(
            f"{paths[1]} does not hold the learned prompts of clipiqa+, shape "
            f"{tuple(context.shape)}: fetch the file again"
        )
    context.data = learned.data
    return network


NETWORKS: Mapping[str, Network] = {
    "topiq_nr": Network(("cfanet_nr_koniq_res50-9a73138b.pth",), _topiq, 0.0, 1.0),
    "musiq": Network(("musiq_koniq_ckpt-e95806b9.pth",), _musiq, 0.0, 100.0),
    "clipiqa": Network(("RN50.pt",), _clipiqa, 0.0, 1.0),
    "clipiqa+": Network(
        ("RN50.pt", "CLIP-IQA+_learned_prompts-603f3273.pth"), _clipiqa_plus, 0.0, 1.0
    ),
    "cnniqa": Network(("CNNIQA_koniq10k-e6f14c91.pth",), _cnniqa, 0.0, 1.0),
}


def build(name: str, folder: Path, device: str) -> Any:
    """The network of a metric on a device, in evaluation mode. Raises `BadWeights`."""
    cure()
    network = NETWORKS[name]
    return network.build([folder / file for file in network.files]).eval().to(device)


def _filled(network: Any, path: Path) -> Any:
    """The network with every tensor taken from a checkpoint. Raises `BadWeights`."""
    state = _loaded(path)
    if isinstance(state, Mapping) and isinstance(state.get("params"), Mapping):
        state = state["params"]
    if not isinstance(state, Mapping):
        raise BadWeights(f"{path} holds no tensors by name: fetch the file again")
    state = {name.removeprefix("module."): value for name, value in state.items()}
    try:
        missing, _ = network.load_state_dict(state, strict=False)
    except RuntimeError as error:  # a tensor of another shape
        raise BadWeights(f"{path} does not fit its network: {error}") from error
    if missing:
        raise BadWeights(
            f"{path} lacks {len(missing)} tensors of its network, {missing[0]} among them: fetch "
            "the file again"
        )
    return network


def _loaded(path: Path) -> Any:
    """What a checkpoint holds; tensors only, never code. Raises `BadWeights`."""
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a file that is no checkpoint
        raise BadWeights(f"{path} cannot be loaded ({error}): fetch the file again") from error
