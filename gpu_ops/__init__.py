"""Vision-language and image-quality inference on batches of decoded images.

This package knows images and models. It knows nothing of Dagster, tenants, rows or databases.
Images are upright sRGB arrays of shape (height, width, 3), dtype uint8; a batch is a sequence
of them, of any mixture of sizes. Results are plain dicts, ready for JSON.

Importing it is cheap: models and their libraries load on the first call, or on `warm()`.
"""

from __future__ import annotations

from gpu_ops.interface import LABELS, Embedder, Enricher, Identity, Scorer

__all__ = ["LABELS", "Embedder", "Enricher", "Identity", "Scorer"]
