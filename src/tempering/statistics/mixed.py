"""Linear mixed models: values with random intercepts for groups that may cross, such as raters and stories.

Fitted by restricted maximum likelihood (REML). A variance that the data put at zero is exactly zero. Knows numbers and
labels; knows nothing of what was rated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, special

from tempering.statistics.reml import Labels, Precision, Problem, best_ratios

Degrees = Literal["satterthwaite", "normal"]


@dataclass(frozen=True)
class FixedEffect:
    """A coefficient of the fixed part.

    Attributes:
        name: the column's name, or ``"intercept"``.
        value: the coefficient, in units of y a unit of x.
        error: its standard error.
        low: lower bound of the interval.
        high: upper bound.
        df: degrees of freedom of the t distribution that interval and p come from; infinite for the normal one.
        p: two-sided p of the hypothesis that the coefficient is 0.
    """

    name: str
    value: float
    error: float
    low: float
    high: float
    df: float
    p: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class MixedModel:
    """A fitted model.

    Attributes:
        effects: the intercept, then one effect a column of the fixed part.
        variances: the variance between the levels of each group factor, in the order given.
        residual: the variance inside.
        fixed: the variance of the fixed part's predictions.
        log_likelihood: the restricted log-likelihood.
        n: how many values.
        levels: how many levels each group factor has.
        confidence: the nominal coverage of the intervals.
    """

    effects: tuple[FixedEffect, ...]
    variances: Mapping[str, float]
    residual: float
    fixed: float
    log_likelihood: float
    n: int
    levels: Mapping[str, int]
    confidence: float

    def effect(self, name: str) -> FixedEffect:
        """Return the effect of that name."""
        return next(effect for effect in self.effects if effect.name == name)

    @property
    def marginal_r2(self) -> float:
        """The share of the variance that the fixed part explains, in [0, 1].

        ``fixed / (fixed + sum(variances) + residual)``; Nakagawa and Schielzeth (2013), Methods in Ecology and
        Evolution 4, 133.
        """
        return self.fixed / (self.fixed + sum(self.variances.values()) + self.residual)

    @property
    def conditional_r2(self) -> float:
        """The share that fixed part and groups explain together, in [0, 1]: mostly who rated, not what was varied.

        ``(fixed + sum(variances)) / (fixed + sum(variances) + residual)``, from the same source.
        """
        explained = self.fixed + sum(self.variances.values())
        return explained / (explained + self.residual)


def mixed_model(
    y: ArrayLike,
    fixed: Mapping[str, ArrayLike],
    groups: Mapping[str, Labels],
    *,
    degrees: Degrees = "satterthwaite",
    confidence: float = 0.95,
) -> MixedModel:
    """Fit ``y = intercept + fixed + a random intercept a level of each group factor + residual`` by REML.

    Args:
        y: shape [n], the values.
        fixed: name to column of shape [n]; an intercept is added.
        groups: name to labels of shape [n]; factors may be nested or crossed.
        degrees: ``satterthwaite`` takes each coefficient's degrees of freedom from the precision of its variance
            (Satterthwaite 1946; as in lmerTest, doi 10.18637/jss.v082.i13), which a coefficient that varies between
            few stories needs; ``normal`` is the large-sample form that published p-values often have: a normal
            quantile, and errors from the observed information of coefficients and variances, as statsmodels prints.
        confidence: nominal coverage of the intervals, in (0, 1).

    Raises:
        ParameterError: lengths differ, a value is not finite, columns are collinear, there is no group factor, or too
            few values for the model.

    Example:
        >>> raters = [rater for rater in range(6) for _ in range(4)]
        >>> x = [0.0, 1.0, 2.0, 3.0] * 6
        >>> y = [r + 0.5 * a + 0.1 * ((r + a) % 2) for r, a in zip(raters, x)]
        >>> model = mixed_model(y, {"x": x}, {"rater": raters})
        >>> round(model.effect("x").value, 2), round(model.variances["rater"], 1)
        (0.5, 3.5)
    """
    problem = Problem.of(y, fixed, groups, confidence)
    ratios = best_ratios(problem)
    state = problem.solve(ratios)
    scale = state.rss / (problem.n - problem.p)
    variances = np.append(scale * ratios**2, scale)
    precision = Precision.of(problem, variances)
    squares = np.diag(scale * linalg.inv(state.information))
    df = np.full(problem.p, math.inf) if degrees == "normal" else precision.degrees(squares)
    errors = np.sqrt(squares + precision.added() if degrees == "normal" else squares)
    quantiles = special.stdtrit(df, (1 + confidence) / 2)
    effects = tuple(
        FixedEffect(name, float(b), float(e), float(b - q * e), float(b + q * e), float(d), _two_sided(b, e, d))
        for name, b, e, q, d in zip(("intercept", *fixed), state.coefficients, errors, quantiles, df, strict=True)
    )
    constant = (problem.n - problem.p) * math.log(2 * math.pi)
    return MixedModel(
        effects=effects,
        variances=dict(zip(groups, variances[:-1].tolist(), strict=True)),
        residual=float(scale),
        fixed=float(np.var(problem.x @ state.coefficients, ddof=1)),
        log_likelihood=-0.5 * (problem.deviance(variances) + constant),
        n=problem.n,
        levels=dict(zip(groups, problem.levels, strict=True)),
        confidence=confidence,
    )


def _two_sided(value: float, error: float, df: float) -> float:
    return float(2 * special.stdtr(df, -abs(value) / error)) if error > 0 else (0.0 if value else 1.0)
