"""Where a rule cuts a row: the logit and the id of the last token that it keeps. The kernels do the reading."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.mass import LOG2_E, ROUGHNESS, moments_of_powers, spread, squares
from tempering.sampling.kernels.reading import Ids, Row, Values, Weights, weighed
from tempering.sampling.kernels.select import (
    best_ids,
    count_within,
    least_above,
    mass_around,
    shell,
    within,
    within_shell,
)
from tempering.sampling.truncation import TOLERANCE

MARGIN = 1e-6
"""Doublings by which a token must lie inside a shell that was found with float32 powers."""

EVERY = 2**62
"""Beyond all ids."""


class Cut(NamedTuple):
    """What a rule keeps: by its ends, or by its ids where those are known.

    Attributes:
        at: tokens above this logit are kept,
        last: and those equal to it up to this id;
        top: but not those above this logit,
        top_last: nor those equal to it beyond this id.
        ids: the same tokens, rising.
    """

    at: float
    last: int
    top: float = math.inf
    top_last: int = 0
    ids: Ids | None = None


def ids_within(row: Row, cut: Cut) -> Ids:
    """Return the rising ids of the tokens that a cut keeps."""
    if cut.ids is not None:
        return cut.ids
    ids = row.room.ids[: within(row.logits, row.maxima, cut.at, cut.top, row.room.ids)].copy()
    if cut.last >= len(row.logits) and cut.top == math.inf:
        return ids
    values = row.logits[ids]
    return ids[((values > cut.at) | (ids <= cut.last)) & ((values < cut.top) | (ids <= cut.top_last))]


def first_best(row: Row) -> int:
    """Return the lowest id of the largest logit."""
    return int(ids_within(row, Cut(row.best, len(row.logits)))[0])


def top_k(row: Row, k: int, ties: str) -> Cut:
    """Cut after the k best."""
    size = len(row.logits)
    if k >= size:
        return Cut(-np.inf, size)
    ids = row.room.ids[: best_ids(row.logits, row.maxima, k, ties == "all", row.room.ids)].copy()
    return Cut(-np.inf, size, ids=ids)


def threshold(row: Row, rule: str, value: float, temperature: float) -> Cut:
    """Cut below a logit that follows from sums over the row: min-p, top-n-sigma, epsilon, eta, p-less, mirostat.

    Args:
        row: the row.
        rule: the step's name.
        value: its number; for mirostat mu.
        temperature: that the rule sees, in (0, inf).
    """
    if rule == "top_n_sigma":
        least = row.best - value * spread(row.logits, row.maxima) - TOLERANCE
    elif rule == "min_p":
        least = row.best + temperature * (math.log(value) - TOLERANCE)
    else:
        least = _floor(row, rule, value, temperature)
    return Cut(least, len(row.logits)) if least <= row.best else Cut(row.best, first_best(row))


def _floor(row: Row, rule: str, value: float, temperature: float) -> float:
    """Return the least logit that epsilon, eta, p-less or mirostat keeps."""
    for weights in weighed(row, temperature):
        log_z, off = math.log(weights.total) - weights.origin / LOG2_E, weights.off / weights.total
        if rule == "eta":
            mean = _mean(row, weights)
            floor = min(math.log(value), math.log(value) / 2 - (log_z - mean.middle))
            off += mean.off
        elif rule == "p_less":
            floor = math.log(squares(weights.powers, weights.masses)) - 2 * math.log(weights.total)
            off *= 3
        else:
            floor = math.log(value) if rule == "epsilon" else -value / LOG2_E
        least, slack = row.best + temperature * (floor - TOLERANCE + log_z), temperature * off
        if weights.exact or not count_within(row.logits, row.maxima, least - slack, least + slack):
            return least
    raise AssertionError("exact powers always tell")


class _Mean(NamedTuple):
    """The mean of (z - best) / T in nats, and how far off it may be."""

    middle: float
    off: float


def _mean(row: Row, weights: Weights) -> _Mean:
    """Return the mean: log Z less the entropy, seen from the best token.

    Powers that are off by a share of themselves move it by this share of the mean deviation at most; blocks that were
    left out, by what they may weigh times how far they are.
    """
    first, second = moments_of_powers(row.logits, weights.powers, weights.masses, row.best, weights.scale)
    mean, off = first / weights.total, 0.0
    if not weights.exact:
        off = ROUGHNESS * math.sqrt(max(second / weights.total - mean * mean, 0.0))
        off += (weights.far_first + weights.far * abs(mean + weights.origin)) / weights.total
    return _Mean(mean / LOG2_E, off / LOG2_E)


def top_p(row: Row, mass: float, temperature: float, edge: str) -> Cut:
    """Cut after the prefix of a mass: the tokens that lie nearest to the best."""
    share = mass - TOLERANCE if edge == "reach" else mass + TOLERANCE
    for weights in weighed(row, temperature):
        wanted = share * weights.total
        end = _end(row, weights, weights.origin, wanted, MARGIN)
        values = row.logits[end.ids].astype(np.float64)
        ranked = np.argsort(-values, kind="stable")
        running = end.before + np.cumsum(_powers(row, weights, values[ranked]))
        crossing = int((running < wanted if edge == "reach" else running <= wanted).sum())
        crossing = min(crossing, len(ranked) - 1)  # rounding of the sum
        value, token = float(values[ranked[crossing]]), int(end.ids[ranked[crossing]])
        if not _sure(weights, end, (row.best - value) * weights.scale, wanted, running, crossing):
            continue
        if edge == "drop" and crossing > 0:
            value, token = float(values[ranked[crossing - 1]]), int(end.ids[ranked[crossing - 1]])
        elif edge == "drop" and value < row.best:
            value, token = float(least_above(row.logits, value)), len(row.logits)
        return Cut(value, token)
    raise AssertionError("exact powers always tell")


def typical(row: Row, mass: float, temperature: float) -> Cut:
    """Cut to the tokens whose surprisal is nearest to the entropy, up to a mass.

    With x = (z - best) / T the distance is |x - mean x|: the tokens lie around a middle, as those of top-p around the
    best.
    """
    for weights in weighed(row, temperature):
        wanted = (mass - TOLERANCE) * weights.total
        middle, off = _mean(row, weights)
        end = _end(row, weights, middle * LOG2_E + weights.origin, wanted, MARGIN + 2 * off * LOG2_E)
        values = row.logits[end.ids].astype(np.float64)
        x = (values - row.best) * (weights.scale / LOG2_E)
        distance = np.round(np.abs(x - middle), 12)
        by_rank = np.argsort(-x, kind="stable")
        ranked = by_rank[np.argsort(distance[by_rank], kind="stable")]
        running = end.before + np.cumsum(_powers(row, weights, values[ranked]))
        crossing = min(int((running < wanted).sum()), len(ranked) - 1)
        near = np.abs(distance - distance[ranked[crossing]]) <= 2 * off
        if not weights.exact and (values[near] != values[ranked[crossing]]).any():
            continue
        reach = float(distance[ranked[crossing]]) * LOG2_E
        if not _sure(weights, end, reach, wanted, running, crossing):
            continue
        kept = np.zeros(len(values), np.bool_)
        kept[ranked[: crossing + 1]] = True
        edge = (max(end.inner, 0.0) + end.outer) / 2 / weights.scale
        centre = row.best + middle * LOG2_E / weights.scale
        at, last = _bound(values, end.ids, kept, x <= middle, -1, centre - edge)
        top, top_last = _bound(values, end.ids, kept, x > middle, 1, centre + edge)
        return Cut(at, last, top, top_last)
    raise AssertionError("exact powers always tell")


class _End(NamedTuple):
    """Where a mass around a middle ends.

    Attributes:
        ids: of the tokens in a shell in which it does, rising.
        before: the mass inside the shell.
        inner: the shell's distance from the middle, doublings; negative if nothing is inside.
        outer: its other distance.
        widest: the distance beyond which there is nothing.
        margin: how far off distances may be, doublings.
    """

    ids: Ids
    before: float
    inner: float
    outer: float
    widest: float
    margin: float


def _end(row: Row, weights: Weights, middle: float, wanted: float, margin: float) -> _End:
    """Return where the mass around a middle, in doublings, reaches what is wanted, with a margin on both sides."""
    widest, margin = (1100.0, 0.0) if weights.exact else (260.0, margin)
    powers, masses, ids = weights.powers, weights.masses, row.room.ids
    inner, outer = shell(powers, masses, middle, widest, wanted)
    inner, outer = inner - 2 * margin if inner >= 2 * margin else -1.0, min(outer + 2 * margin, widest)
    before = mass_around(powers, masses, middle, inner, 0) if inner >= 0 else 0.0
    found = np.sort(ids[: within_shell(powers, masses, middle, inner, outer, ids)])
    return _End(found, before, inner, outer, widest, margin)


def _powers(row: Row, weights: Weights, values: Values) -> Values:
    """Return the powers of some logits, exactly."""
    return np.asarray(np.exp2((values - row.best) * weights.scale + weights.origin))


def _sure(weights: Weights, end: _End, reach: float, wanted: float, running: Values, crossing: int) -> bool:
    """Return whether it is sure that the mass ends with this token of the shell, at this distance from the middle.

    Args:
        weights: the powers.
        end: the shell.
        reach: of the token, doublings.
        wanted: the mass.
        running: up to each token of the shell.
        crossing: the place of the token.
    """
    start = running[crossing - 1] if crossing else end.before
    inside = end.inner < 0 or reach - end.inner > end.margin
    inside &= end.outer == end.widest or end.outer - reach > end.margin
    return weights.exact or bool(inside and running[crossing] - wanted > weights.off < wanted - start)


def _bound(
    values: Values, ids: Ids, kept: NDArray[np.bool_], side: NDArray[np.bool_], sign: int, edge: float
) -> tuple[float, int]:
    """Return the logit and the id of the last token that is kept on one side of the middle.

    That is the outermost of the shell that is kept; else the end lies before its innermost, or amid an empty shell.
    """
    if (mine := kept & side).any():
        last = sign * float((sign * values[mine]).max())
        return last, int(ids[mine & (values == last)].max())
    return (sign * float((sign * values[side]).min()), -1) if side.any() else (edge, EVERY)
