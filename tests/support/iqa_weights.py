"""Random weights for learned metrics: real networks, loaded the way real weights are loaded.

What such a network says means nothing, and no test asserts it. CLIP is made small, since its
loader takes the sizes from the checkpoint; the others have the sizes that pyiqa gives them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from gpu_ops.iqa.networks import NETWORKS
from gpu_ops.torchvision_cure import cure
from gpu_ops.weight_folder import MANIFEST

CONTEXT, VOCABULARY, WIDTH = 77, 49408, 64


def write_weights(folder: Path, metrics: tuple[str, ...], seed: int = 1) -> Path:
    """Fill a folder with the files of metrics and their manifest."""
    import torch

    cure()
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    for name in metrics:
        for file in NETWORKS[name].files:
            if not (folder / file).exists():
                contents = _contents(name, file)
                if file == "RN50.pt":  # CLIP's authors publish TorchScript archives
                    torch.jit.save(torch.jit.script(_archive(contents)), folder / file)
                else:
                    torch.save(contents, folder / file)
    write_manifest(folder)
    return folder


def write_manifest(folder: Path) -> None:
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / MANIFEST).write_text("".join(lines))


def _contents(name: str, file: str) -> Any:
    import torch

    if file == "RN50.pt":
        from pyiqa.archs.clip_model import CLIP

        return CLIP(WIDTH, 64, (1, 1, 1, 1), 8, None, CONTEXT, VOCABULARY, WIDTH, 1, 1).state_dict()
    if "learned_prompts" in file:
        return torch.randn(2, 16, WIDTH)
    if name == "topiq_nr":
        from pyiqa.archs.topiq_arch import CFANet

        network: Any = CFANet(use_ref=False, backbone_pretrain=False, pretrained=False)
        return {"params": network.state_dict()}
    if name == "musiq":
        from pyiqa.archs.musiq_arch import MUSIQ

        return MUSIQ(pretrained=False).state_dict()
    from pyiqa.archs.cnniqa_arch import CNNIQA

    return {"params": CNNIQA(pretrained=None).state_dict()}


def _archive(state: dict[str, Any]) -> Any:
    """A module without code that holds tensors under their dotted names."""
    import torch

    class Holder(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    root = Holder()
    for name, tensor in state.items():
        *path, last = name.split(".")
        place = root
        for step in path:
            if step not in place._modules:
                place.add_module(step, Holder())
            place = place._modules[step]
        place.register_buffer(last, tensor)
    return root.eval()
