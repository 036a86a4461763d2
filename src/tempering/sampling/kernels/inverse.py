"""One uniform number through the running sum of a row, in the order of ids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.floats import exp2
from tempering.sampling.kernels.scan import BLOCK


@compiled
def inverse_among(row: NDArray[np.floating], ids: NDArray[np.int64], best: float, scale: float, u: float) -> np.int64:
    """Return the first of some tokens at which their running sum of 2^((z - best) scale) exceeds u of all."""
    total, running = 0.0, 0.0
    for i in range(ids.shape[0]):
        total += exp2((np.float64(row[ids[i]]) - best) * scale)
    for i in range(ids.shape[0]):
        running += exp2((np.float64(row[ids[i]]) - best) * scale)
        if running > u * total:
            return ids[i]
    return ids[ids.shape[0] - 1]


@compiled
def inverse_of_row(
    row: NDArray[np.floating],
    masses: NDArray[np.float64],
    best: float,
    scale: float,
    origin: float,
    wanted: float,
    off: float,
) -> np.int64:
    """Return the first token, by id, at which the running sum of 2^((z - best) scale + origin) exceeds what is wanted.

    ``masses`` are the sums of the blocks. -1 where sums that may be off by so much cannot tell.
    """
    before, b = 0.0, 0
    while b < masses.shape[0] - 1 and before + masses[b] <= wanted:
        before, b = before + masses[b], b + 1
    found, after = np.int64(-1), before
    for j in range(b * BLOCK, min((b + 1) * BLOCK, row.shape[0])):
        if row[j] > -np.inf:
            before, found = after, np.int64(j)
            after += exp2((np.float64(row[j]) - best) * scale + origin)
            if after > wanted:
                break
    return found if off == 0.0 or (wanted - before > off and after - wanted > off) else np.int64(-1)
