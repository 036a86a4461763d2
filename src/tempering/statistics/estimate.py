"""The estimate: a number that does not travel without its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Attributes:
        value: the point estimate; NaN if there was nothing to estimate from.
        low: lower bound of the interval; NaN if n is too small for one.
        high: upper bound.
        n: how many values it rests on.
        clusters: how many independent units (prompts) they come from.
        confidence: the nominal coverage of the interval.
    """

    value: float
    low: float
    high: float
    n: int
    clusters: int
    confidence: float = 0.95

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0.

        Example:
            >>> Estimate(0.2, -0.1, 0.5, n=20, clusters=5).excludes_zero
            False
        """
        return self.low > 0 or self.high < 0
