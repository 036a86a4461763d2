"""The entropy turning point: the smallest T at which the logarithm of the entropy bends upwards. Knows no model.

Du, Yang and Welleck (2025, arXiv 2502.05234) choose T where d2 log H / dT2 turns positive, with H(T) the mean entropy
of a token in texts drawn at T, on a grid of 0.1, from unsmoothed differences, without an interval. Two things move H
with T:

- the distribution of a step, at fixed earlier tokens. This part has closed forms: dH/dT = Var(z) / T^3 and
  d2H/dT2 = -(3 Var(z) + k3/T) / T^4 (``tempering.sampling.thermodynamics``);
- the earlier tokens, as texts drawn at another T are other texts. This part has no closed form that can be used: its
  derivative is a covariance with the score of the whole text, whose variance grows with the length. It is measured, as
  the difference of texts drawn at different T, and smoothed.

So there are two turning points: of fixed texts, exact on these texts, and of the texts themselves, smoothed. They
differ where texts fall apart with T.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from tempering.errors import ParameterError
from tempering.statistics.clusters import t_quantile
from tempering.statistics.estimate import Estimate

Values = NDArray[np.float64]
RESAMPLES, FINE, LEAST = 500, 191, 6
SURE = 0.975
"""From this share of resamples with a turning point on, its interval has two ends."""


@dataclass(frozen=True)
class TurningPoint:
    """Where the logarithm of the entropy turns from bending down to bending up.

    Attributes:
        temperature: the estimate; NaN if there is none in range.
        share: of resampled studies that have one in range, in [0, 1].
        x: temperatures of the curve.
        entropy: the curve, nats.
        bend: d2 log H / dT2 along it.
    """

    temperature: Estimate
    share: float
    x: Values
    entropy: Values
    bend: Values

    @property
    def found(self) -> bool:
        """Whether there is a turning point in range, and most resampled studies have one too."""
        return not math.isnan(self.temperature.value) and self.share >= 0.5


def main_turn(x: Values, bend: Values) -> float:
    """Return the x at which the strongest upward bend begins, NaN if there is none or it begins before the range.

    Where the curve turns once, this is the smallest x with a positive bend. Where noise makes small turns before, the
    smallest would be one of those.

    Example:
        >>> main_turn(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([-1.0, 0.1, -1.0, 1.0, 2.0]))
        3.5
    """
    top = int(np.argmax(bend))
    below = np.flatnonzero(bend[:top] < 0)
    if bend[top] <= 0 or not below.size:
        return math.nan
    at = int(below[-1])
    before, after = float(bend[at]), float(bend[at + 1])
    return float(x[at] + (x[at + 1] - x[at]) * before / (before - after))


def turning_of_steps(
    x: Values, entropy: Values, slope: Values, curvature: Values, *, n: int = 0, seed: int = 0
) -> TurningPoint:
    """Estimate the turning point with the texts held fixed, from closed forms.

    Args:
        x: temperatures, shape [grid].
        entropy: of each prompt, shape [prompts, grid].
        slope: dH/dT, shape [prompts, grid].
        curvature: d2H/dT2, shape [prompts, grid].
        n: how many steps that rests on.
        seed: of the resampling of prompts.

    Example:
        >>> x = np.linspace(0.5, 2.0, 31)
        >>> h = np.exp((x - 1) ** 3)[None]  # log H = (T - 1)^3 bends upwards from T = 1 on
        >>> dh, ddh = 3 * (x - 1) ** 2 * h, (6 * (x - 1) + 9 * (x - 1) ** 4) * h
        >>> round(turning_of_steps(x, h, dh, ddh).temperature.value, 3)
        1.0
    """

    def bend(weights: Values) -> Values:
        h, first, second = (weights @ part for part in (entropy, slope, curvature))
        return np.asarray(second / h - (first / h) ** 2, dtype=np.float64)

    whole = np.full(len(entropy), 1 / len(entropy))
    found = [main_turn(x, bend(weights)) for weights in _weights(len(entropy), seed)]
    return _point(main_turn(x, bend(whole)), found, (n, len(entropy)), (x, whole @ entropy, bend(whole)))


def turning_of_texts(x: Values, entropy: Values, *, n: int, confidence: float = 0.95, seed: int = 0) -> TurningPoint:
    """Estimate the turning point of the texts themselves: log H smoothed over T, its bend, an interval over units.

    The curve is a / T plus a polynomial in T whose degree is chosen by leaving values out.

    Args:
        x: temperatures that texts were drawn at, ascending, > 0, at least 6.
        entropy: mean entropy of a token in the texts of each unit, shape [units, temperatures], > 0.
        n: how many texts that rests on.
        confidence: of the interval, in (0, 1).
        seed: of the resampling of units.

    Raises:
        ParameterError: fewer than 6 temperatures.
    """
    if len(x) < LEAST:
        raise ParameterError(f"a turning point needs {LEAST} temperatures above 0, got {len(x)}", field="temperatures")
    fits = [_Fit.of(x, degree) for degree in range(2, min(5, len(x) - 3) + 1)]
    whole = np.full(len(entropy), 1 / len(entropy))

    def best(weights: Values) -> tuple[_Fit, Values]:
        level = np.log(weights @ entropy)
        return min(fits, key=lambda fit: fit.left_out(level)), level

    found = [fit.turn(level) for fit, level in map(best, _weights(len(entropy), seed))]
    fit, level = best(whole)
    smooth = np.exp(fit.curve @ level)
    return _point(fit.turn(level), found, (n, len(entropy)), (fit.fine, smooth, fit.second @ level), confidence)


@dataclass(frozen=True)
class _Fit:
    """A linear fit of values at temperatures, as matrices: what it says there, between them, and of the bend.

    A second derivative asks for more smoothing than the curve itself, so the fit is a / T plus one polynomial in T: at
    low T the first excited token makes log H fall like -1/T.
    """

    fine: Values
    hat: Values
    curve: Values
    second: Values

    @classmethod
    def of(cls, x: Values, degree: int) -> _Fit:
        fine = np.linspace(x[1], x[-2], FINE)  # a polynomial bends as it likes at the ends
        basis, _ = _basis(x, x, degree)
        solve = np.linalg.pinv(basis)
        curve, second = _basis(fine, x, degree)
        return cls(fine, basis @ solve, curve @ solve, second @ solve)

    def left_out(self, y: Values) -> float:
        """Return the squared error of predicting each value from the others: residual / (1 - leverage)."""
        return float((((y - self.hat @ y) / (1 - np.diag(self.hat))) ** 2).sum())

    def turn(self, y: Values) -> float:
        return main_turn(self.fine, self.second @ y)


def _basis(at: Values, over: Values, degree: int) -> tuple[Values, Values]:
    """Return 1/T and Legendre polynomials in T, and the second derivatives of all, each of shape [at, functions]."""
    scale = 2 / float(over[-1] - over[0])
    unit = scale * (at - over[0]) - 1
    rows = np.eye(degree + 1)
    second = [scale**2 * legendre.legval(unit, legendre.legder(row, 2)) for row in rows]
    return (
        np.column_stack([1 / at, legendre.legvander(unit, degree)]),
        np.column_stack([2 / at**3, *(np.broadcast_to(column, at.shape) for column in second)]),
    )


def turning_by_differences(x: Values, entropy: Values) -> float:
    """Return the turning point by the published rule: differences of log H on the grid, unsmoothed; NaN if none.

    Args:
        x: temperatures, ascending, evenly spaced.
        entropy: mean entropy at each, > 0.
    """
    bend = np.diff(np.log(entropy), 2)
    at = np.flatnonzero(bend > 0)
    return float(x[at[0] + 1]) if at.size else math.nan


def _weights(units: int, seed: int) -> Values:
    if units < 2:
        return np.zeros((0, units))
    drawn = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=RESAMPLES)
    return np.asarray(drawn / units, dtype=np.float64)


def _point(
    value: float,
    found: list[float],
    counts: tuple[int, int],
    curve: tuple[Values, Values, Values],
    confidence: float = 0.95,
) -> TurningPoint:
    """Return the estimate; its interval is open where resampled studies have no turning point in range."""
    known = np.array([turn for turn in found if not math.isnan(turn)])
    share = len(known) / len(found) if found else math.nan
    (n, units), (x, entropy, bend) = counts, curve
    low = high = math.nan
    if not math.isnan(value) and len(known) > 1:
        error = float(known.std(ddof=1)) * math.sqrt(units / (units - 1))
        half = t_quantile(units - 1, confidence) * error
        low, high = max(value - half, float(x[0])), min(value + half, float(x[-1]))
        if share < SURE:
            high = math.inf
    return TurningPoint(Estimate(value, low, high, n, units, confidence), share, x, entropy, bend)
