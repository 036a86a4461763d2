"""Restricted likelihood of a model with random intercepts: its cross products, its maximum, its curvature.

The profiled deviance of Bates et al. (2015, doi 10.18637/jss.v067.i01): a Cholesky factor with one row a group level
and none a value, so that many ratings cost no more than few. Knows matrices; knows nothing of intervals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, optimize

from tempering.errors import ParameterError

Array = NDArray[np.float64]
Labels = Sequence[object] | NDArray[np.generic]
STEP = 1e-3
SMALL = 0.3


@dataclass(frozen=True)
class Solution:
    """The generalised least squares solution at given ratios of standard deviations to the residual's."""

    coefficients: Array
    information: Array
    rss: float
    log_determinant: float


@dataclass(frozen=True)
class Problem:
    """The cross products that the deviance needs: computed once, as n may be far above the number of levels."""

    x: Array
    zz: Array
    zx: Array
    zy: Array
    xx: Array
    xy: Array
    yy: float
    levels: tuple[int, ...]
    n: int
    p: int

    @classmethod
    def of(
        cls,
        y: ArrayLike,
        fixed: Mapping[str, ArrayLike],
        groups: Mapping[str, Labels],
        confidence: float,
    ) -> Problem:
        """Check the data of a model and compute its cross products; arguments and errors as in ``mixed_model``."""
        values = np.asarray(y, np.float64)
        n = len(values)
        if not groups:
            raise ParameterError("a mixed model needs at least one group factor", field="groups")
        if not 0 < confidence < 1:
            raise ParameterError(f"confidence must be in (0, 1), got {confidence}", field="confidence")
        columns = [np.asarray(column, np.float64) for column in fixed.values()]
        labels = [np.asarray(group) for group in groups.values()]
        for name, column in zip((*fixed, *groups), (*columns, *labels), strict=True):
            if column.shape != (n,):
                raise ParameterError(f"{name} must have one entry for each of {n} values", field=name)
        x = np.column_stack([np.ones(n), *columns])
        if not (np.isfinite(values).all() and np.isfinite(x).all()):
            raise ParameterError("values of a mixed model must be finite; leave incomplete rows out", field="y")
        if n <= x.shape[1] + 1:
            raise ParameterError(f"a mixed model needs more than {x.shape[1] + 1} values, got {n}", field="y")
        if np.linalg.matrix_rank(x) < x.shape[1]:
            raise ParameterError("a column of the fixed part is constant, or a sum of others", field="fixed")
        blocks = []
        for name, label in zip(groups, labels, strict=True):
            found, place = np.unique(label, return_inverse=True)
            if not 2 <= len(found) < n:
                raise ParameterError(
                    f"{name} has {len(found)} levels for {n} values; it needs 2 or more, with repeats", field=name
                )
            blocks.append(np.eye(len(found))[place])
        z = np.concatenate(blocks, axis=1)
        levels = tuple(block.shape[1] for block in blocks)
        zz, zx, zy = z.T @ z, z.T @ x, z.T @ values
        return cls(x, zz, zx, zy, x.T @ x, x.T @ values, float(values @ values), levels, n, x.shape[1])

    def solve(self, ratios: Array) -> Solution:
        """Return the solution for V = I + sum(ratio^2 Z Z'), by the Woodbury identity."""
        spread = np.repeat(ratios, self.levels)
        factor = linalg.cholesky(self.zz * np.outer(spread, spread) + np.eye(len(spread)), lower=True)
        both = linalg.solve_triangular(factor, np.column_stack([self.zx, self.zy]) * spread[:, None], lower=True)
        right, last = both[:, :-1], both[:, -1]
        information = self.xx - right.T @ right
        moment = self.xy - right.T @ last
        coefficients = linalg.solve(information, moment, assume_a="pos")
        rss = max(self.yy - float(last @ last) - float(moment @ coefficients), 1e-300)
        determinant = 2 * float(np.log(np.diag(factor)).sum()) + float(np.linalg.slogdet(information)[1])
        return Solution(coefficients, information, rss, determinant)

    def profiled(self, ratios: Array) -> float:
        """Return the deviance at the best residual variance, up to a constant."""
        state = self.solve(ratios)
        return state.log_determinant + (self.n - self.p) * math.log(state.rss)

    def deviance(self, variances: Array) -> float:
        """Return -2 log-likelihood (restricted, without its constant) at group variances and, last, the residual's."""
        scale = float(variances[-1])
        state = self.solve(np.sqrt(variances[:-1] / scale))
        return state.log_determinant + (self.n - self.p) * math.log(scale) + state.rss / scale


def best_ratios(problem: Problem) -> Array:
    """Return the ratios of least deviance. Small ones are tried as zeros, as the deviance is flat towards 0."""
    full, value = _minimum(problem, np.ones(len(problem.levels), dtype=bool))
    best, least = full, value
    choices = [(True, False) if ratio < SMALL else (True,) for ratio in full]
    for pattern in list(product(*choices))[1:]:
        ratios, value = _minimum(problem, np.array(pattern))
        # A smaller model is preferred where it fits as well: its variance is zero, not a small number.
        if value < least - 1e-7 or (value < least + 1e-5 and (ratios > 0).sum() < (best > 0).sum()):
            best, least = ratios, value
    return best


def _minimum(problem: Problem, free: NDArray[np.bool_]) -> tuple[Array, float]:
    """Return the best ratios with those that are not free at 0, and the deviance there."""
    ratios = np.zeros(len(free))
    if not free.any():
        return ratios, problem.profiled(ratios)

    def deviance(logs: Array) -> float:
        ratios[free] = np.exp(logs)
        return problem.profiled(ratios)

    start = np.full(int(free.sum()), -0.5)
    options = {"ftol": 1e-13, "gtol": 1e-6}
    found = optimize.minimize(deviance, start, method="L-BFGS-B", bounds=[(-7, 7)] * len(start), options=options)
    value = deviance(found.x)
    return ratios, value


@dataclass(frozen=True)
class Precision:
    """How well the variances are known, on a log scale; those that are zero stay zero.

    Attributes:
        spread: the covariance of the log variances, the inverse of half the deviance's Hessian.
        squares: the gradient of each coefficient's squared error, shape [variances, coefficients].
        coefficients: the gradient of each coefficient, same shape.
    """

    spread: Array
    squares: Array
    coefficients: Array

    @classmethod
    def of(cls, problem: Problem, variances: Array) -> Precision:
        """Differentiate around the best variances (groups, then residual) by central differences."""
        free = np.flatnonzero(variances > 0)
        steps = STEP * np.eye(len(free))

        def at(shift: Array) -> Array:
            moved = variances.copy()
            moved[free] *= np.exp(shift)
            return moved

        def state(shift: Array) -> tuple[Array, Array]:
            moved = at(shift)
            solved = problem.solve(np.sqrt(moved[:-1] / moved[-1]))
            return moved[-1] * np.diag(linalg.inv(solved.information)), solved.coefficients

        def mixed(x: Array, y: Array) -> float:
            corners = [(sx * sy, problem.deviance(at(sx * x + sy * y))) for sx in (1, -1) for sy in (1, -1)]
            return sum(sign * value for sign, value in corners) / (4 * STEP**2)

        hessian = np.array([[mixed(x, y) for y in steps] for x in steps])
        pairs = [(state(step), state(-step)) for step in steps]
        squares, coefficients = (np.array([(up[i] - down[i]) / (2 * STEP) for up, down in pairs]) for i in (0, 1))
        spread = np.asarray(np.linalg.pinv(hessian / 2), np.float64)
        return cls(spread, squares, coefficients)

    def degrees(self, squares: Array) -> Array:
        """Return 2 v^2 / var(v) a coefficient, v its squared error and var(v) by the delta method."""
        variance = np.einsum("ip,ij,jp->p", self.squares, self.spread, self.squares)
        known = variance > 0
        return np.where(known, 2 * squares**2 / np.where(known, variance, 1), math.inf)

    def added(self) -> Array:
        """Return what the uncertain variances add to each coefficient's squared error."""
        added = np.einsum("ip,ij,jp->p", self.coefficients, self.spread, self.coefficients)
        return np.asarray(added, np.float64)
