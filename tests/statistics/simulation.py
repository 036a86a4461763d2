"""Simulated studies whose truth is known, and how often each interval holds it.

``python -m tests.statistics.simulation`` prints the table of docs/statistics.md. Studies have 8 to 50 prompts with 3 to
10 texts each. The shapes are those of the measures of texts by the embedded model (8 prompts x 3 texts, T 0.5 to 2),
prompt means with a skewness of up to 1.4, texts of up to 2, the share of variance between prompts from 0 to .8, shares
near their floor, and answers 0 or 1; and beyond them, a skewness of 2 between prompts and log-normal values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tempering.statistics import (
    Estimate,
    bca_mean,
    change_point,
    cliffs_delta,
    cohens_d,
    curve_band,
    equivalence,
    mixed_model,
    rank_trend,
    t_mean,
    wilson,
)
from tempering.statistics.comparisons import holm, pair_p_values, pair_table

STUDIES = 1000
MANY = 5000
SIZES = ((8, 3), (8, 10), (20, 5), (50, 10))
Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Array]


def _gamma(r: np.random.Generator, shape: float, *size: int) -> Array:
    """Return values of mean 0, standard deviation 1 and skewness 2 / sqrt(shape)."""
    return (r.gamma(shape, size=size) - shape) / math.sqrt(shape)


def _beta(r: np.random.Generator, mean: Array, weight: float, *size: int) -> Array:
    return r.beta(np.broadcast_to(mean * weight, size), np.broadcast_to((1 - mean) * weight, size))


MEANS: dict[str, tuple[Draw, float]] = {
    "symmetric, prompts alike": (lambda r, k, m: r.normal(size=(k, m)), 0.0),
    "symmetric, prompts differ": (lambda r, k, m: r.normal(size=(k, 1)) + r.normal(size=(k, m)), 0.0),
    "skewed texts (2)": (lambda r, k, m: _gamma(r, 1, k, m), 0.0),
    "skewed prompts (1) and texts (2)": (lambda r, k, m: _gamma(r, 4, k, 1) + _gamma(r, 1, k, m), 0.0),
    "shares about .5": (lambda r, k, m: _beta(r, r.beta(2, 2, size=(k, 1)), 4, k, m), 0.5),
    "shares about .1": (lambda r, k, m: _beta(r, r.beta(2, 18, size=(k, 1)), 5, k, m), 0.1),
    "skewed prompts (2) and texts (2)": (lambda r, k, m: _gamma(r, 1, k, 1) + _gamma(r, 1, k, m), 0.0),
    "log-normal prompts and texts (1.8)": (
        lambda r, k, m: np.exp(0.5 * r.normal(size=(k, 1)) + 0.5 * r.normal(size=(k, m))),
        math.exp(0.25),
    ),
    "four of five texts 0, else a share": (
        lambda r, k, m: np.where(r.random((k, m)) < 0.2, r.beta(1, 4, size=(k, m)), 0.0),
        0.04,
    ),
}


@dataclass(frozen=True)
class Case:
    """A method on a kind of study: ``covered`` draws one study and says whether the interval holds the truth."""

    method: str
    kind: str
    size: tuple[int, int]
    covered: Callable[[np.random.Generator], bool]
    studies: int = STUDIES

    @property
    def seed(self) -> list[int]:
        return [7, *self.size, *f"{self.method}/{self.kind}".encode()]


@cache
def coverage(case: Case) -> float:
    """Return the share of studies that are covered."""
    generator = np.random.default_rng(case.seed)
    return sum(case.covered(generator) for _ in range(case.studies)) / case.studies


def holds(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def _groups(k: int, m: int) -> NDArray[np.intp]:
    return np.repeat(np.arange(k), m)


Method = Callable[..., Estimate]


def mean_cases() -> Iterator[Case]:
    for kind, (draw, truth) in MEANS.items():
        for size in SIZES:
            yield Case("t_mean", kind, size, _mean_covered(t_mean, draw, truth, size), MANY)
            if size[0] >= 20:
                yield Case("bca_mean", kind, size, _mean_covered(bca_mean, draw, truth, size))


def _mean_covered(
    method: Method, draw: Draw, truth: float, size: tuple[int, int]
) -> Callable[[np.random.Generator], bool]:
    groups = _groups(*size)
    return lambda r: holds(method(draw(r, *size).ravel(), groups), truth)


def _answers(r: np.random.Generator, share: float, agreement: float, k: int, m: int) -> Array:
    chances = np.full((k, 1), share)
    if agreement:
        weight = 1 / agreement - 1
        chances = r.beta(share * weight, (1 - share) * weight, size=(k, 1))
    return (r.random((k, m)) < chances).astype(np.float64)


def proportion_cases() -> Iterator[Case]:
    for share in (None, 0.1, 0.5, 0.8):
        for agreement in (0.0, 0.1, 0.4):
            for k, m in SIZES:

                def covered(
                    r: np.random.Generator,
                    share: float | None = share,
                    agreement: float = agreement,
                    k: int = k,
                    m: int = m,
                ) -> bool:
                    truth = float(r.uniform(0.05, 0.95)) if share is None else share
                    return holds(wilson(_answers(r, truth, agreement, k, m).ravel(), _groups(k, m)), truth)

                shown = "share anywhere" if share is None else f"share {share:g}"
                yield Case("wilson", f"{shown}, agreement {agreement:g}", (k, m), covered, MANY)


def difference_cases() -> Iterator[Case]:
    """Pairs that share prompt and noise; the second setting adds an effect that differs by prompt."""
    for kind, skewed in (("pairs, symmetric", False), ("pairs, skewed (2)", True), ("pairs of answers 0 or 1", None)):
        for k, m in SIZES:

            def covered(r: np.random.Generator, skewed: bool | None = skewed, k: int = k, m: int = m) -> bool:
                groups = _groups(k, m)
                if skewed is None:
                    # One answer in five has noise of its own: texts that have parted share it no longer.
                    luck, effect = r.random((k, m)), float(r.uniform(0, 0.3))
                    other = np.where(r.random((k, m)) < 0.2, r.random((k, m)), luck)
                    prompt = r.uniform(0.2, 0.6, size=(k, 1))
                    changed = (other < prompt + effect) * 1.0 - (luck < prompt)
                    return holds(t_mean(changed.ravel(), groups), effect)
                noise = _gamma(r, 1, k, m, 2) if skewed else r.normal(size=(k, m, 2))
                shared = r.normal(size=(k, m)) + r.normal(size=(k, 1))
                first = shared + noise[..., 0]
                second = shared + 0.5 + 0.4 * r.normal(size=(k, 1)) + 2 * noise[..., 1]
                return holds(t_mean((second - first).ravel(), groups), 0.5)

            yield Case("t_mean", kind, (k, m), covered, MANY)


@dataclass(frozen=True)
class TrendKind:
    slope: float
    varies: float
    prompts: float
    skewed: bool
    settings: int = 10

    def draw(self, r: np.random.Generator, k: int, m: int) -> tuple[Array, Array, NDArray[np.intp]]:
        per = self.settings * m
        x = np.tile(np.repeat(np.linspace(0, 2, self.settings), m), k)
        slopes = np.repeat(self.slope + self.varies * r.normal(size=k), per)
        noise = r.exponential(size=k * per) * (1 + x) if self.skewed else r.normal(size=k * per)
        return x, slopes * x + np.repeat(self.prompts * r.normal(size=k), per) + noise, np.repeat(np.arange(k), per)


TRENDS = {
    "no trend": TrendKind(0.0, 0.0, 1.0, False),
    "no trend, sign differs by prompt": TrendKind(0.0, 0.5, 0.0, False),
    "weak trend": TrendKind(0.3, 0.0, 1.0, False),
    "skewed, spread grows": TrendKind(0.5, 0.3, 1.0, True),
    "strong trend": TrendKind(1.5, 0.5, 0.5, False),
    "very strong trend": TrendKind(3.0, 0.5, 0.5, False),
}


@cache
def true_rho(kind: TrendKind) -> float:
    """Return Spearman's correlation in a population of 20,000 prompts."""
    x, y, _ = kind.draw(np.random.default_rng(0), 20_000, 1)
    return float(stats.spearmanr(x, y)[0])


def trend_cases() -> Iterator[Case]:
    for name, kind in TRENDS.items():
        for k, m in SIZES:

            def covered(r: np.random.Generator, kind: TrendKind = kind, k: int = k, m: int = m) -> bool:
                return holds(rank_trend(*kind.draw(r, k, m)), true_rho(kind))

            shown = f"{name} (rho {true_rho(kind):.2f})"
            # 5,000 texts a temperature take a tenth of a second each time.
            yield Case("rank_trend", shown, (k, m), covered, studies=STUDIES if k < 50 else 200)


def effect_cases() -> Iterator[Case]:
    """Pairs of unit variance (prompt .3, shared noise .4, own noise .3) that differ by 0.5 of it."""
    truth = {"cohens_d": 0.5, "cliffs_delta": 2 * float(stats.norm.cdf(0.5 / math.sqrt(2))) - 1}
    for name, method in (("cohens_d", cohens_d), ("cliffs_delta", cliffs_delta)):
        for k, m in SIZES:

            def covered(
                r: np.random.Generator,
                k: int = k,
                m: int = m,
                method: Callable[..., Estimate] = method,
                truth: float = truth[name],
            ) -> bool:
                shared = math.sqrt(0.3) * r.normal(size=(k, 1)) + math.sqrt(0.4) * r.normal(size=(k, m))
                own = math.sqrt(0.3) * r.normal(size=(2, k, m))
                return holds(method((shared + own[0]).ravel(), (shared + own[1] + 0.5).ravel(), _groups(k, m)), truth)

            yield Case(name, "pairs, symmetric", (k, m), covered)


def _curve(r: np.random.Generator, level: Array, k: int, m: int) -> tuple[Array, Array, NDArray[np.intp]]:
    """Draw values around a curve: prompts differ in level and slope, samples share noise across the settings."""
    count = len(level)
    x = np.linspace(0, 2, count)
    values = (
        level
        + 0.5 * r.normal(size=(k, 1, 1))
        + 0.2 * r.normal(size=(k, 1, 1)) * x
        + 0.4 * r.normal(size=(k, m, 1))
        + 0.6 * r.normal(size=(k, m, count))
    )
    return np.broadcast_to(x, values.shape).ravel(), values.ravel(), np.repeat(np.arange(k), m * count)


BEND = np.sin(np.linspace(0, 2, 10))
HINGE = np.maximum(np.linspace(0, 2, 10) - 1.2, 0)


def curve_cases() -> Iterator[Case]:
    """The whole of a curve in the whole of its band."""
    for shape in ("means", "monotone", "smooth"):
        for k, m in ((8, 3), (20, 5)):

            def covered(r: np.random.Generator, shape: str = shape, k: int = k, m: int = m) -> bool:
                level = np.sort(BEND) if shape == "monotone" else BEND
                band = curve_band(*_curve(r, level, k, m), shape=shape)  # type: ignore[arg-type]
                truth = np.sin(band.x) if shape == "smooth" else level
                return bool(((band.low <= truth) & (truth <= band.high)).all())

            yield Case("curve_band", f"{shape}, all ten points at once", (k, m), covered)


def change_cases() -> Iterator[Case]:
    for k, m in ((8, 3), (20, 5)):

        def quiet(r: np.random.Generator, k: int = k, m: int = m) -> bool:
            return not change_point(*_curve(r, np.linspace(0, 1, 10), k, m), resamples=2).detected

        def placed(r: np.random.Generator, k: int = k, m: int = m) -> bool:
            found = change_point(*_curve(r, 4 * HINGE, k, m), resamples=400)
            return found.detected and holds(found.at, 1.2)

        yield Case("change_point", "a straight line: no change found", (k, m), quiet, studies=2000)
        yield Case("change_point", "a change at 1.2: found, and inside its interval", (k, m), placed)


TEN = np.arange(10.0)


def _ten_settings(r: np.random.Generator, kind: str, k: int, m: int) -> tuple[Array, NDArray[np.generic]]:
    """Draw ten settings with equal means; pairs share prompt and noise, as under common random numbers."""
    n, groups = k * m, _groups(k, m)
    if kind == "shares near 0":
        values = np.where(r.random((n, 10)) < 0.15, r.beta(1, 4, size=(n, 10)), 0.0)
    else:
        own = r.normal(size=(n, 10)) if kind == "symmetric" else _gamma(r, 1, n, 10)
        scale = np.linspace(0.2, 3, 10) if kind == "skewed (2), spread grows" else np.ones(10)
        values = (
            own * scale + 0.3 * r.normal(size=(k, 10))[groups] + r.normal(size=(k, 1))[groups] + r.normal(size=(n, 1))
        )
    _, table, rows = pair_table(np.tile(TEN, n), values.ravel(), np.repeat(groups, 10), np.repeat(np.arange(n), 10))
    return table, rows


def family_cases() -> Iterator[Case]:
    """Studies without any false alarm among nine comparisons with one setting, or among all 45."""
    for against, studies in (("one", 2500), ("all", 500)):
        places = [(0, j) for j in range(1, 10)] if against == "one" else [(i, j) for j in range(10) for i in range(j)]
        for kind in ("symmetric", "skewed (2)", "skewed (2), spread grows", "shares near 0"):
            for k, m in ((8, 3), (20, 5)):

                def quiet(
                    r: np.random.Generator,
                    kind: str = kind,
                    k: int = k,
                    m: int = m,
                    places: list[tuple[int, int]] = places,
                ) -> bool:
                    return min(holm(pair_p_values(*_ten_settings(r, kind, k, m), places))) >= 0.05

                count = f"{len(places)} comparisons"
                yield Case("paired_comparisons", f"{count}, {kind}", (k, m), quiet, studies=studies)


def equivalence_cases() -> Iterator[Case]:
    """A difference that lies on the margin is called equivalent in 5 % of studies at most."""
    for k, m in SIZES:

        def quiet(r: np.random.Generator, k: int = k, m: int = m) -> bool:
            return not equivalence(
                (0.5 + r.normal(size=(k, 1)) + r.normal(size=(k, m))).ravel(), _groups(k, m), 0.5
            ).equivalent

        yield Case("equivalence", "a difference on the margin", (k, m), quiet)


RATERS, STORIES, EACH = 36, 31, 5


def mixed_cases() -> Iterator[Case]:
    """A study like the published one, without an effect: 36 raters with five of 31 stories each, seven temperatures."""
    for story in (0.0, 0.1):
        for factors in (1, 2):
            for degrees in ("normal", "satterthwaite"):

                def covered(
                    r: np.random.Generator, story: float = story, factors: int = factors, degrees: Any = degrees
                ) -> bool:
                    rater = np.repeat(np.arange(RATERS), EACH)
                    order = np.concatenate([r.permutation(STORIES) for _ in range(RATERS * EACH // STORIES + 1)])
                    text = order[: len(rater)]
                    x = np.linspace(0, 2, 7)[text % 7]
                    y = 0.5 * r.normal(size=RATERS)[rater] + math.sqrt(story) * r.normal(size=STORIES)[text]
                    y += 0.8 * r.normal(size=len(rater))
                    groups = {"rater": rater, "text": text} if factors == 2 else {"rater": rater}
                    slope = mixed_model(y, {"x": x}, groups, degrees=degrees).effect("x")
                    return slope.low <= 0 <= slope.high

                shown = "stories differ" if story else "stories alike"
                who = "rater and story" if factors == 2 else "rater alone, as published"
                yield Case("mixed_model", f"{shown}; {who}; {degrees}", (RATERS, EACH), covered, studies=300)


INTERVALS = (mean_cases, proportion_cases, difference_cases, trend_cases, effect_cases)
ALARMS = (family_cases, equivalence_cases)
SHAPES = (curve_cases, change_cases, mixed_cases)


def table() -> str:
    """Return the table of docs/statistics.md: a row a method and kind, a column a size."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for family in (*INTERVALS, *SHAPES, *ALARMS):
        for case in family():
            column = "other" if case.method == "mixed_model" else f"{case.size[0]} x {case.size[1]}"
            found.setdefault((case.method, case.kind), {})[column] = f"{100 * coverage(case):.1f}"
    columns = ["8 x 3", "8 x 10", "20 x 5", "50 x 10", "other"]
    lines = ["| method | studies | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for (method, kind), cells in found.items():
        lines.append(f"| `{method}` | {kind} | " + " | ".join(cells.get(column, "") for column in columns) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201
