"""Checks whether everything that an engine needs is there, before any image is touched.

Each check is a function that returns what it found, and none raises. `folder` and `gpu` are pure,
over files and facts. `engines` puts them together and tries one image.
"""

from __future__ import annotations

from gpu_ops.preflight.engines import preflight
from gpu_ops.preflight.report import Check, Report

__all__ = ["Check", "Report", "preflight"]
