"""Sums over rows of logits under exp(b gap), b = 1/T, for likelihoods of T: one read of the rows, in float32.

The gap is a logit less the largest of its row. Sums are right to about 1e-6 of themselves. Arrays only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.plan import available

Logits = NDArray[np.floating]
Values = NDArray[np.float64]
FARTHEST = np.float32(-1e10)
"""The gap of a masked token: its weight is 0, and as it is finite, so is weight times gap."""
WIDTH, ROOM = 4096, 32_768
"""Numbers of a row that are summed together, so that float32 is exact enough; numbers that fit into the cache."""
WORTH_CORES = 1_000_000
"""Logits from which all cores are used."""
WORTH_COMPILING = 150_000_000
"""Logits from which the compiled loop pays for being loaded; where the compiler is loaded already, it always does."""


def tilted_sums(logits: Logits, best: Logits, first: float, step: float) -> Values:
    """Return the sums of w, w gap and w gap^2 of each row, w = exp(b gap), at b = first, first + step, first + 2 step.

    Two exponentials a logit: the weights at the second and third b follow by products.

    Args:
        logits: float32 or float64, shape [rows, vocab]; -inf masks a token.
        best: the largest of each row, shape [rows].
        first: the smallest b, in [1e-6, 1e6].
        step: the spacing, > 0.

    Returns:
        Shape [3 places, 3 sums, rows].

    Example:
        >>> tilted_sums(np.array([[0.0, -1.0]]), np.array([0.0]), 1.0, 1.0)[:, 0, 0].round(4)
        array([1.3679, 1.1353, 1.0498])
    """
    out = np.zeros((3, 3, len(logits)))
    work = plain_sums
    if compiled_pays(logits.size):
        from tempering.sampling.kernels.tilt import sums as work  # noqa: PLC0415 - loads the compiler
    _over_cores(logits, lambda rows: work(logits[rows], best[rows], first, step, out[:, :, rows]))
    return out


def tilted_mass(logits: Logits, best: Logits, inverse: float) -> Values:
    """Return the sum of exp(b gap) of each row, shape [rows]; arguments as of ``tilted_sums``.

    Example:
        >>> tilted_mass(np.array([[0.0, -1.0]]), np.array([0.0]), 1.0).round(4)
        array([1.3679])
    """
    out = np.zeros(len(logits))
    work = plain_mass
    if compiled_pays(logits.size):
        from tempering.sampling.kernels.tilt import mass as work  # noqa: PLC0415
    _over_cores(logits, lambda rows: work(logits[rows], best[rows], inverse, out[rows]))
    return out


def compiled_pays(size: int) -> bool:
    """Return whether so many logits go through the compiled loops."""
    return available() and (size >= WORTH_COMPILING or "numba" in sys.modules)


def plain_sums(logits: Logits, best: Logits, first: float, step: float, out: Values) -> None:
    """Add the sums into ``out``: what the compiled loop is held to."""
    height, width = min(len(logits), max(1, ROOM // logits.shape[1])), min(WIDTH, logits.shape[1])
    powers, weights = np.ones((2, height, 3, width), dtype=np.float32)  # once: a new array costs more than its numbers
    for begin in range(0, len(logits), height):
        rows = slice(begin, begin + height)
        for left in range(0, logits.shape[1], width):
            part = logits[rows, left : left + width]
            p, w = (array[: len(part), :, : part.shape[1]] for array in (powers, weights))
            gaps, spare = p[:, 1], p[:, 2]
            np.subtract(part, best[rows, None], out=gaps, casting="same_kind")
            np.maximum(gaps, FARTHEST, out=gaps)
            np.exp(np.multiply(gaps, np.float32(first), out=spare), out=w[:, 0])
            np.exp(np.multiply(gaps, np.float32(step), out=spare), out=spare)
            np.multiply(w[:, 0], spare, out=w[:, 1])
            np.multiply(w[:, 1], spare, out=w[:, 2])
            np.multiply(gaps, gaps, out=spare)
            out[:, :, rows] += (w @ p.transpose(0, 2, 1)).transpose(1, 2, 0)


def plain_mass(logits: Logits, best: Logits, inverse: float, out: Values) -> None:
    """Add the masses into ``out``."""
    height = max(1, ROOM // logits.shape[1])
    for begin in range(0, len(logits), height):
        rows = slice(begin, begin + height)
        gaps = np.subtract(logits[rows], best[rows, None]).astype(np.float32, copy=False)
        out[rows] += np.exp(np.multiply(gaps, np.float32(inverse), out=gaps), out=gaps).sum(axis=1)


def _over_cores(logits: Logits, work: Callable[[slice], None]) -> None:
    """Do work on all rows; large ones on all cores, each a stretch of rows."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if logits.size < WORTH_CORES or cores == 1:
        work(slice(0, len(logits)))
        return
    edges = np.linspace(0, len(logits), cores + 1).round().astype(int).tolist()
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(work, map(slice, edges[:-1], edges[1:])))
