"""Where a rule cuts a row: the logit and the id of the last token that it keeps. The kernels do the reading."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.mass import FAR, LOG2_E, moments, spread
from tempering.sampling.kernels.select import (
    BINS,
    BINS_A_DOUBLING,
    around,
    edge_bin,
    gather,
    histogram,
    in_bin,
    least_above,
    within,
)
from tempering.sampling.truncation import TOLERANCE


class Row(NamedTuple):
    """A row that was read once.

    Attributes:
        logits: float32 or float64, contiguous, shape [vocab].
        maxima: the maximum of each block.
        best: the largest logit.
        room: for ids, shape [vocab].
    """

    logits: NDArray[np.floating]
    maxima: NDArray[np.float64]
    best: float
    room: NDArray[np.int64]


class Cut(NamedTuple):
    """What a rule keeps.

    Attributes:
        at: tokens above this logit are kept,
        last: and those equal to it up to this id;
        ids: or these, rising, if they are known.
    """

    at: float
    last: int
    ids: NDArray[np.int64] | None = None


def ids_within(row: Row, cut: Cut) -> NDArray[np.int64]:
    """Return the rising ids of the tokens that a cut keeps."""
    if cut.ids is not None:
        return cut.ids
    return row.room[: gather(row.logits, row.maxima, cut.at, cut.last, row.room)].copy()


def first_best(row: Row) -> int:
    """Return the lowest id of the largest logit."""
    return int(ids_within(row, Cut(row.best, len(row.logits)))[0])


def top_k(row: Row, k: int, ties: str) -> Cut:
    """Cut after the k best.

    The k-th largest block maximum is at most the k-th best logit, so only blocks that reach it are read again.
    """
    size = len(row.logits)
    if k >= size:
        return Cut(-np.inf, size)
    blocks = len(row.maxima)
    floor = -np.inf if k > blocks else float(np.partition(row.maxima, blocks - k)[blocks - k])
    ids = ids_within(row, Cut(floor, size)) if floor > -np.inf else np.arange(size)
    values = row.logits[ids]
    edge = values[np.argpartition(values, len(ids) - k)[len(ids) - k]]
    tied = ids[values == edge]
    last = size if ties == "all" else int(tied[k - 1 - int((values > edge).sum())])
    return Cut(float(edge), last, ids[(values > edge) | ((values == edge) & (ids <= last))])


def threshold(row: Row, rule: str, value: float, temperature: float) -> Cut:
    """Cut below a logit that follows from sums over the row: min-p, top-n-sigma, epsilon, eta, p-less, mirostat.

    Args:
        row: the row.
        rule: the step's name.
        value: its number; for mirostat mu.
        temperature: that the rule sees, in (0, inf).
    """
    size = len(row.logits)
    if rule == "top_n_sigma":
        least = row.best - value * spread(row.logits, row.best) - TOLERANCE
    elif rule == "min_p":
        least = row.best + temperature * (math.log(value) - TOLERANCE)
    else:
        total, first, square = moments(row.logits, row.best, LOG2_E * min(1 / temperature, 1e300))
        log_z, h = math.log(total), math.log(total) - first / (LOG2_E * total)
        if rule == "epsilon":
            floor = math.log(value)
        elif rule == "eta":
            floor = min(math.log(value), math.log(value) / 2 - h)
        else:
            floor = math.log(square) - 2 * log_z if rule == "p_less" else -value / LOG2_E
        least = row.best + temperature * (floor - TOLERANCE + log_z)
    return Cut(least, size) if least <= row.best else Cut(row.best, first_best(row))


def top_p(row: Row, mass: float, temperature: float, edge: str) -> Cut | None:
    """Cut after the prefix of a mass; None if its end lies in the tail that the bins do not cover."""
    scale, weights = LOG2_E * min(1 / temperature, 1e300), np.empty(BINS + 1)
    share = mass - TOLERANCE if edge == "reach" else mass + TOLERANCE
    for exact in (False, True):
        total, off = histogram(row.logits, row.maxima, row.best, scale, exact, weights)
        bins = BINS if exact else int(-FAR * BINS_A_DOUBLING)
        at, before = edge_bin(weights, bins, share * total, edge == "reach")
        if at < bins:
            cut, gap = _end(row, scale, share * total, at, before, edge)
            if gap > off:
                return cut
    return None


def typical(row: Row, mass: float, temperature: float) -> Cut | None:
    """Return the tokens whose surprisal is nearest to the entropy, up to a mass; None if they lie beyond the bins.

    With x = (z - best) / T the distance is |x - x0|, x0 = log Z - H: the same bins, counted from x0 to both sides.
    """
    rate = min(1 / temperature, 1e300)
    total, first, _ = moments(row.logits, row.best, LOG2_E * rate)
    middle = first / (LOG2_E * total)
    weights = np.empty(BINS + 1)
    around(row.logits, row.maxima, row.best, LOG2_E * rate, middle * LOG2_E, weights)
    wanted = (mass - TOLERANCE) * total
    at, _ = edge_bin(weights, BINS, wanted, True)
    if at == BINS:
        return None
    width = (at + 1.001) / (BINS_A_DOUBLING * LOG2_E)
    low, high = (row.best + (middle + side * width) / rate for side in (-1, 1))
    ids = row.room[: within(row.logits, row.maxima, low, high, row.room)].copy()
    x = (row.logits[ids].astype(np.float64) - row.best) * rate
    distance = np.round(np.abs(x - middle), 12)
    sure = distance < (at - 0.001) / (BINS_A_DOUBLING * LOG2_E)
    open_ = np.flatnonzero(~sure)
    ranked = open_[np.lexsort((ids[open_], -x[open_], distance[open_]))]
    running = np.exp(x[sure]).sum() + np.cumsum(np.exp(x[ranked]))
    sure[ranked[: 1 + int((running < wanted).sum())]] = True
    return Cut(-np.inf, len(row.logits), ids[sure])


def _end(row: Row, scale: float, wanted: float, at: int, before: float, edge: str) -> tuple[Cut, float]:
    """Return the cut inside a bin, and how near in mass the next other end is."""
    ids = row.room[: in_bin(row.logits, row.maxima, row.best, scale, at, row.room)].copy()
    values = row.logits[ids].astype(np.float64)
    ranked = np.argsort(-values, kind="stable")
    running = before + np.cumsum(np.exp2((values[ranked] - row.best) * scale))
    crossing = int(np.argmax(running >= wanted if edge == "reach" else running > wanted))
    if not (running[-1] >= wanted if edge == "reach" else running[-1] > wanted):
        crossing = len(ids) - 1  # rounding of the sum of the bin
    start = running[crossing - 1] if crossing else before
    gap = float(min(abs(running[crossing] - wanted), abs(wanted - start)))
    if edge == "drop" and at + crossing > 0:
        if crossing == 0:
            return Cut(float(least_above(row.logits, values[ranked[0]])), len(row.logits)), gap
        crossing -= 1
    return Cut(float(values[ranked[crossing]]), int(ids[ranked[crossing]])), gap
