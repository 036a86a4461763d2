"""What the same settings mean under other orders, and which settings of another order mean the same. Arrays only."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from tempering.errors import ParameterError
from tempering.params import ORDERS, SamplingParams
from tempering.sampling.distribution import Processed, process
from tempering.sampling.penalties import ContextLike
from tempering.sampling.rows import checked_rows, entropy, log_softmax

Values = NDArray[np.float64]


def equivalent_temperature(logits: ArrayLike, params: SamplingParams, context: ContextLike = None) -> Values:
    """Return the temperature that gives the same entropy without truncation: "T = 2 here is as random as T = 1.1".

    Args:
        logits: shape [..., vocab].
        params: settings with truncation.
        context: earlier tokens, for the penalties.

    Returns:
        Shape [...]. 0 where a single token is left, inf where the entropy is that
        of a uniform distribution.

    Raises:
        LogitsError: a row must not be sampled.

    Example:
        >>> float(equivalent_temperature([3.0, 2.0, 1.0, 0.0], SamplingParams(temperature=0.5)).round(6))
        0.5
        >>> float(equivalent_temperature([3.0, 2.0, 1.0, 0.0], SamplingParams(temperature=2, top_k=2)).round(3))
        0.664
    """
    state = process(logits, params, context)
    found = [
        _temperature_of(row[np.isfinite(row)], float(h)) for row, h in zip(state.ranking, state.entropy, strict=True)
    ]
    return np.array(found, dtype=np.float64).reshape(state.leading)


def _temperature_of(z: Values, wanted: float) -> float:
    """Return the T at which softmax(z / T) has this entropy, which rises with T."""
    gaps = (z - z.max())[None]

    def excess(log_t: float) -> float:
        with np.errstate(over="ignore"):
            scores = gaps * math.exp(-log_t)
        return float(entropy(log_softmax(scores, np.ones_like(gaps, dtype=np.bool_)))[0]) - wanted

    low, high = math.log(1e-6), math.log(1e6)
    if excess(low) >= -1e-12:
        return 0.0
    if excess(high) <= 1e-12:
        return math.inf
    return math.exp(float(optimize.brentq(excess, low, high, xtol=1e-12)))


@dataclass(frozen=True)
class OrderFacts:
    """The same settings under one order; means over rows.

    Attributes:
        order: its name.
        kept: tokens kept.
        kept_mass: mass of the kept set at T without truncation.
        entropy: nats.
        equivalent_temperature: median over rows.
        moved: total variation from the distribution under the settings' own order, in [0, 1].
    """

    order: str
    kept: float
    kept_mass: float
    entropy: float
    equivalent_temperature: float
    moved: float


def compare_orders(logits: ArrayLike, params: SamplingParams, context: ContextLike = None) -> list[OrderFacts]:
    """Return what the same settings mean under every named order, compared to the settings' own.

    Example:
        >>> facts = compare_orders([3.0, 2.0, 1.0, 0.0], SamplingParams(temperature=2, top_p=0.8))
        >>> {f.order: (f.kept, round(f.moved, 3)) for f in facts if f.order in {"transformers", "llama.cpp"}}
        {'transformers': (3.0, 0.0), 'llama.cpp': (2.0, 0.186)}
    """
    own = process(logits, params, context)
    found = []
    for order in ORDERS:
        setting = replace(params, order=order)
        state = process(logits, setting, context)
        untruncated = process(state.ranking, SamplingParams(temperature=params.temperature))
        kept_mass = np.where(state.keep, np.exp(untruncated.logprobs), 0.0).sum(axis=1)
        found.append(
            OrderFacts(
                order=order,
                kept=float(state.keep.sum(axis=1).mean()),
                kept_mass=float(kept_mass.mean()),
                entropy=float(state.entropy.mean()),
                equivalent_temperature=float(np.median(equivalent_temperature(logits, setting, context))),
                moved=_total_variation(own, state),
            )
        )
    return found


def _total_variation(first: Processed, second: Processed) -> float:
    """Return half the sum of absolute differences, mean over rows."""
    return float(np.abs(np.exp(first.logprobs) - np.exp(second.logprobs)).sum(axis=1).mean() / 2)


@dataclass(frozen=True)
class Translation:
    """Settings of one order in the terms of another.

    Attributes:
        params: the settings, with the target order.
        exact: whether they give the same distribution on all logits.
        gap: total variation between both on the logits given, mean over rows; None if none were given.
        note: what was changed, and why it is or is not exact.
    """

    params: SamplingParams
    exact: bool
    gap: float | None
    note: str


THRESHOLDS = frozenset({"top_k", "min_p"})
"""Rules that keep a set of their own whatever the others keep, so that their sequence does not matter."""


def translate(params: SamplingParams, target: str, logits: ArrayLike | None = None) -> Translation:
    """Return the settings of another order that equal these where they exist, else the nearest.

    top-k and top-n-sigma sets do not depend on T. min-p at m before T equals min-p at m^(1/T) after T. Other rules
    have no such map: if logits are given, top-p is fitted to them (least total variation); the gap is always said.

    Args:
        params: the settings, under their own order.
        target: the name of the other order.
        logits: rows to measure the gap on, shape [..., vocab], and to fit top-p to.

    Raises:
        ParameterError: there is no such order.
        LogitsError: a row must not be sampled.

    Example:
        >>> found = translate(SamplingParams(temperature=2, min_p=0.3), "llama.cpp")
        >>> found.exact, round(found.params.min_p, 6)
        (True, 0.09)
    """
    if target not in ORDERS:
        raise ParameterError(f"order must be one of {', '.join(ORDERS)}, got {target!r}", field="order")
    moved = replace(params, order=target)
    notes = []
    t, after, after_there = params.temperature, _after(params, "min_p"), _after(moved, "min_p")
    if params.min_p > 0 and after != after_there and 0 < t < math.inf:
        # p_T(i) / p_T(max) = (p(i) / p(max))^(1/T): the same set from the other side of T.
        share = params.min_p**t if after else params.min_p ** (1 / t)
        moved = replace(moved, min_p=share)
        notes.append(f"min_p {params.min_p:g} becomes {share:.6g}, as it stands on the other side of temperature")
    exact = _is_exact(params, moved)
    if not exact and logits is not None and params.top_p < 1:
        fitted = _fitted(params, moved, logits)
        notes.append(f"top_p {params.top_p:g} becomes {fitted.top_p:.4g}, the nearest on these logits")
        moved = fitted
    gap = None if logits is None else _total_variation(process(logits, params), process(logits, moved))
    notes.append("the same distribution on all logits" if exact else "not the same distribution on all logits")
    return Translation(moved, exact, gap, "; ".join(notes))


def _after(params: SamplingParams, step: str) -> bool:
    return params.steps.index(step) > params.steps.index("temperature")


def _is_exact(params: SamplingParams, moved: SamplingParams) -> bool:
    """Whether both apply the same truncations so that position makes no difference."""
    active = [step for step in params.active_steps() if step not in {"temperature", "penalties", "dry"}]
    if params.temperature in {0.0, math.inf} and any(_after(params, s) != _after(moved, s) for s in active):
        return params.temperature == 0 and not {"typical_p", "xtc"} & set(active)
    if params.top_p < 1 and (
        params.top_p_edge != moved.top_p_edge or params.joint & set(active) != moved.joint & set(active)
    ):
        return False
    if params.temperature_moves or "smoothing" in active:  # both look at what is kept before them
        return [s for s in params.steps if s in params.active_steps()] == [
            s for s in moved.steps if s in moved.active_steps()
        ]
    fixed = THRESHOLDS | {"top_n_sigma"}
    for step in active:
        if step not in fixed and params.temperature != 1 and _after(params, step) != _after(moved, step):
            return False
    if set(active) <= THRESHOLDS:
        return True
    there = sorted(active, key=params.steps.index)
    return all(moved.steps.index(a) < moved.steps.index(b) for a, b in pairwise(there))


def _fitted(params: SamplingParams, moved: SamplingParams, logits: ArrayLike) -> SamplingParams:
    """Return the target settings with the top-p of least total variation: a grid, then a search around its best."""
    rows, _ = checked_rows(logits)
    own = process(rows, params)

    def gap(p: float) -> float:
        return _total_variation(own, process(rows, replace(moved, top_p=p)))

    grid = 1 - np.geomspace(0.9, 1e-4, 40)
    gaps = [gap(float(p)) for p in grid]
    best = int(np.argmin(gaps))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    fine = np.linspace(low, high, 21)
    fine_gaps = [gap(float(p)) for p in fine]
    candidates = [(gaps[best], float(grid[best])), (min(fine_gaps), float(fine[int(np.argmin(fine_gaps))]))]
    return replace(moved, top_p=min(candidates)[1])
