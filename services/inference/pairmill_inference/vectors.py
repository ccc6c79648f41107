"""From a model's answer to stored embeddings: the guard on norms and the rounding (U11).

An embedding is stored as float16 with unit length. What has no direction (not finite, or all but zero)
cannot be normalised and is kept out: one such row would poison sums, thresholds and indexes.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Halves: TypeAlias = npt.NDArray[np.float16]
Flags: TypeAlias = npt.NDArray[np.bool_]

MIN_NORM: Final = 1e-6
"""Below this length a vector is rounding noise and its direction means nothing."""


def storable(vectors: Floats) -> tuple[Halves, Flags]:
    """Returns ((n, dim) float16, (n,) bool): unit rows as they are stored, and which rows are usable.

    `vectors` is (n, dim) float32 of any length. A row that is not finite or shorter than `MIN_NORM` is
    not usable and comes back as zeros.
    """
    wide = vectors.astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    usable: Flags = np.isfinite(norms) & (norms >= MIN_NORM)  # E15
    rows = np.zeros(vectors.shape, dtype="<f2")
    rows[usable] = wide[usable] / norms[usable, None]
    return rows, usable
