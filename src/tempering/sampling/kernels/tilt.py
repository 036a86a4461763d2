"""The first moments of rows under exp(b gap): what a likelihood of T needs, from one read of each row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.floats import exp2
from tempering.sampling.kernels.mass import LOG2_E


@compiled
def _row_moments(gaps: NDArray[np.float64], scale: float) -> tuple[float, float, float]:
    total, first, square = 0.0, 0.0, 0.0
    for j in range(gaps.shape[0]):
        gap = gaps[j]
        weight = exp2(gap * scale)
        part = weight * gap
        total += weight
        first += part
        square += part * gap
    return total, first, square


@compiled
def tilted_moments(gaps: NDArray[np.float64], inverse: float, out: NDArray[np.float64]) -> None:
    """Write the sums of w, w gap and w gap^2 of each row, w = exp(inverse gap), gaps <= 0, into out [3, rows]."""
    for r in range(gaps.shape[0]):
        out[0, r], out[1, r], out[2, r] = _row_moments(gaps[r], inverse * LOG2_E)
