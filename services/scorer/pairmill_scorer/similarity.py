"""Similarity of stored embeddings (U11)."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pairmill.dataset.arrays import Halves

Floats: TypeAlias = npt.NDArray[np.float32]


def similarities(images: Halves, texts: Halves) -> Floats:
    """Returns the dot product of each pair of rows, (n,) float32 in [-1, 1].

    `images` and `texts` are (n, dim) float16, row-aligned, of unit length up to their rounding. They are
    not normalised again, so that anyone who multiplies the stored files gets the same number; what the
    rounding puts beyond 1 (some 1e-4) is cut off. Products of two float16 are exact in float32 and the
    sum of a row does not depend on the other rows. A row that is not finite gives NaN.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        products = images.astype(np.float32) * texts.astype(np.float32)
        sums: Floats = products.sum(axis=1, dtype=np.float32)
    sums[~np.isfinite(sums)] = np.nan
    return np.clip(sums, np.float32(-1), np.float32(1))
