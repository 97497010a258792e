"""Vectors as models give them, made comparable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def unit(found: Any, dimension: int) -> NDArray[np.float32]:
    """Vectors (n, dimension) of unit length, from what a model gave.

    Raises ValueError where their shape is another, or one is not of finite numbers or has no
    direction: nothing can be compared with it.
    """
    import numpy as np

    vectors = np.asarray(found, np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ValueError(f"vectors of shape {vectors.shape}, where {dimension} numbers were said")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise ValueError("the model gave a vector that is not finite, or has no direction")
    found_unit: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return found_unit
