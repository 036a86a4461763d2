"""The log-likelihood of 1/T around its maximum, from one read of the logits. Arrays only: no model, no text.

One read of the logits (``sampling.tilt``) gives value, slope and curvature of l(b) at three evenly spaced b = 1/T, and
the polynomial of degree 8 through these nine numbers (Hermite) is l between and near them. How well, the polynomial of
degree 5 through values and slopes alone tells: where both agree to ``AGREE``, that of degree 8 is right to less than a
tenth of that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray
from scipy import optimize

from tempering.sampling.tilt import tilted_sums

if TYPE_CHECKING:
    from tempering.thermometer.likelihood import Tokens

Values = NDArray[np.float64]
FEWEST = 8
"""How many times more tokens a search has than the one that it begins from, and the fewest of any search."""
REACH = 1.75
"""How many spacings from the middle place the polynomial is used."""
AGREE = 1e-2
"""Nats by which both polynomials may differ where that of degree 8 is used."""
TRIES = 3
RANGE = 1e-4, 1e4
"""The 1/T where float32 is enough."""

HERMITE = np.linalg.inv(
    [[Polynomial.basis(k).deriv(m)(u) for k in range(9)] for u in (-1.0, 0.0, 1.0) for m in range(3)]
)
"""Makes coefficients of value, slope and curvature at u = -1, 0 and 1."""


@dataclass(frozen=True)
class Peak:
    """The log-likelihood near its maximum, a polynomial of u = (b - middle) / step.

    Attributes:
        middle: the middle of the three b.
        step: their spacing.
        coefficients: of the polynomial, nats, lowest power first.
        top: the u of its maximum.
    """

    middle: float
    step: float
    coefficients: tuple[float, ...]
    top: float

    @property
    def best(self) -> float:
        """The b of the maximum."""
        return self.middle + self.top * self.step

    @property
    def error(self) -> float:
        """The standard error of b there; inf where the curve is flat."""
        curvature = -_at(_derivative(_derivative(self.coefficients)), self.top)
        return self.step / math.sqrt(curvature) if curvature > 0 else math.inf

    def value(self, inverse: float) -> float:
        """Return the log-likelihood at b; NaN where it is not known well."""
        u = (inverse - self.middle) / self.step
        *_, sixth, seventh, eighth = self.coefficients
        # The polynomial of degree 5 through values and slopes lies (u^3 - u)^2 times this from it.
        apart = abs(sixth + 2 * eighth) + abs(seventh * u) + abs(eighth) * u**2
        known = abs(u) <= REACH and (u**3 - u) ** 2 * apart <= AGREE
        return _at(self.coefficients, u) if known else math.nan

    def crossing(self, level: float, side: int) -> float:
        """Return the b below (side -1) or above (1) the maximum where the log-likelihood is a level; NaN if unknown."""
        end = side * REACH
        if not _at(self.coefficients, end) < level < _at(self.coefficients, self.top):
            return math.nan
        u = optimize.brentq(lambda u: _at(self.coefficients, u) - level, self.top, end, xtol=1e-10)
        inverse = self.middle + u * self.step
        return math.nan if math.isnan(self.value(inverse)) else inverse


def _at(coefficients: Sequence[float], u: float) -> float:
    total = 0.0
    for coefficient in reversed(coefficients):
        total = total * u + coefficient
    return total


def _derivative(coefficients: Sequence[float]) -> list[float]:
    return [power * coefficient for power, coefficient in enumerate(coefficients)][1:]


def read_peak(tokens: Tokens, drop: float) -> tuple[float, float, float, float] | None:
    """Return the b of the largest likelihood, its logarithm there, and the b below and above where it is ``drop`` less.

    The search begins at the peak of every eighth token, so that one or two reads of all of them are enough.

    Returns:
        None where they are not known well enough: few tokens, or a maximum near T = 0 or inf.
    """
    start = _rough(tokens) if len(tokens) >= FEWEST**2 else None
    if start is None:
        return None
    # Its error is that of an eighth of the tokens: the spacing makes it likely that the peak of all lies inside.
    middle, step = start.best, 3.5 * start.error / math.sqrt(FEWEST)
    for _ in range(TRIES):
        if not RANGE[0] <= middle - step <= middle <= RANGE[1]:
            return None
        peak = _around(tokens, middle, step)
        top = peak.value(peak.best)
        found = peak.best, top, peak.crossing(top - drop, -1), peak.crossing(top - drop, 1)
        if not any(map(math.isnan, found)):
            return found
        # Two standard errors, which is where an interval of 95 % ends, but never as far as b = 0.
        middle, step = peak.best, min(2 * peak.error, 0.45 * peak.best)
    return None


def _rough(tokens: Tokens) -> Peak | None:
    """Return a peak of every eighth token, about in its place."""
    few = tokens.every(FEWEST)
    start = _rough(few) if len(few) >= FEWEST**2 else None
    middle, step = (start.best, 1.4 * start.error) if start else (1.0, 0.3)
    for _ in range(6):
        if not RANGE[0] <= middle - step <= middle <= RANGE[1]:
            return None
        peak = _around(few, middle, step)
        if abs(peak.top) <= 1:
            return peak
        middle, step = peak.best, min(2 * peak.error, 0.45 * peak.best)
    return None


def _around(tokens: Tokens, middle: float, step: float) -> Peak:
    """Return the log-likelihood around a b, with the maximum of its polynomial as far as three spacings away."""
    total, total_gap, square = tilted_sums(tokens.logits, tokens.best, middle - step, step).transpose(1, 0, 2)
    mean = total_gap / total
    inverse = middle + step * np.arange(-1, 2)[:, None]
    values = (inverse * tokens.own - np.log(total)).sum(axis=1)
    slopes = step * (tokens.own - mean).sum(axis=1)
    bends = -(step**2) * np.maximum(square / total - mean**2, 0.0).sum(axis=1)
    coefficients = tuple((HERMITE @ np.stack([values, slopes, bends], axis=1).ravel()).tolist())
    slope, u = _derivative(coefficients), 0.0
    bend = _derivative(slope)
    for _ in range(20):
        down = _at(bend, u)
        move = -_at(slope, u) / down if down < 0 else math.copysign(1.0, _at(slope, u))
        before, u = u, min(max(u + min(max(move, -1.0), 1.0), -3.0), 3.0)
        if abs(u - before) < 1e-12:
            break
    return Peak(middle, step, coefficients, u)
