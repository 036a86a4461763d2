"""Known answers: the ratings of Peeperkorn et al. (2024), analysed as published and as the design asks.

The ratings are not part of the project; where they are absent these tests skip.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tempering.statistics import cronbach_alpha, detectable, mixed_model
from tempering.statistics.mixed import Degrees, MixedModel

RATINGS = Path(__file__).parents[3] / "shared/data/peeperkorn-2024/ratings.csv"
pytestmark = pytest.mark.skipif(not RATINGS.exists(), reason="the published ratings are not here")

CRITERIA = ["novelty", "typicality", "cohesion", "coherence"]
GREEDY = 0.001
Table = dict[str, NDArray[np.generic]]
Fit = Callable[..., MixedModel]


@pytest.fixture(scope="module")
def ratings() -> Table:
    with RATINGS.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    numbers = {name: np.array([float(row[name]) for row in rows]) for name in ("temperature", *CRITERIA)}
    return numbers | {name: np.array([row[name] for row in rows]) for name in ("participant", "story")}


@pytest.fixture(scope="module")
def fit(ratings: Table) -> Fit:
    def fitted(criterion: str, *groups: str, degrees: Degrees = "normal", without_greedy: bool = False) -> MixedModel:
        kept = ratings["temperature"] != (GREEDY if without_greedy else -1)
        labels = {name: ratings[name][kept] for name in groups}
        return mixed_model(
            ratings[criterion][kept], {"temperature": ratings["temperature"][kept]}, labels, degrees=degrees
        )

    return fitted


PUBLISHED = [
    ("novelty", 0.308, 0.138, 0.025),
    ("typicality", -0.095, 0.118, 0.418),
    ("cohesion", -0.181, 0.112, 0.106),
    ("coherence", 0.240, 0.122, 0.049),
]


@pytest.mark.parametrize(("criterion", "slope", "error", "p"), PUBLISHED)
def test_published_slopes_and_errors(fit: Fit, criterion: str, slope: float, error: float, p: float) -> None:
    """The paper prints p .025, .42, .11, .049."""
    effect = fit(criterion, "participant").effect("temperature")
    assert round(effect.value, 3) == slope
    assert round(effect.error, 3) == error
    assert round(effect.p, 3) == p


@pytest.mark.parametrize(
    ("criterion", "marginal", "conditional"),
    [("novelty", 0.024, 0.266), ("typicality", 0.003, 0.224), ("cohesion", 0.013, 0.273), ("coherence", 0.014, 0.469)],
)
def test_variance_explained(fit: Fit, criterion: str, marginal: float, conditional: float) -> None:
    """Temperature explains 0.3 to 2.4 %; raters and temperature together are what was called moderate."""
    model = fit(criterion, "participant")
    assert round(model.marginal_r2, 3) == marginal
    assert round(model.conditional_r2, 3) == conditional


@pytest.mark.parametrize(("criterion", "slope", "p"), [("novelty", 0.247, 0.094), ("coherence", 0.225, 0.090)])
def test_without_the_greedy_story(fit: Fit, criterion: str, slope: float, p: float) -> None:
    """Five of 180 ratings carry both significant slopes."""
    model = fit(criterion, "participant", without_greedy=True)
    assert model.n == 175
    assert round(model.effect("temperature").value, 3) == slope
    assert round(model.effect("temperature").p, 3) == p


STORY_AS_UNIT = [
    ("novelty", (0.308, 0.026, 169, 0.39)),
    ("typicality", (-0.092, 0.495, 32, 0.38)),
    ("cohesion", (-0.156, 0.283, 28, 0.41)),
    ("coherence", (0.230, 0.093, 26, 0.38)),
]


@pytest.mark.parametrize(("criterion", "expected"), STORY_AS_UNIT)
def test_with_the_story_as_unit(fit: Fit, criterion: str, expected: tuple[float, float, int, float]) -> None:
    """Slope, p, degrees of freedom, smallest slope with power .8: temperature varies between 31 stories."""
    model = fit(criterion, "participant", "story", degrees="satterthwaite")
    effect = model.effect("temperature")
    seen = detectable(effect.error, effect.df)
    assert (round(effect.value, 3), round(effect.p, 3), round(effect.df), round(seen, 2)) == expected
    assert (model.variances["story"] == 0) == (criterion == "novelty")


def test_coherence_with_the_story_and_a_normal_quantile(fit: Fit) -> None:
    assert round(fit("coherence", "participant", "story").effect("temperature").p, 3) == 0.086


@pytest.mark.parametrize(("criterion", "pearson", "spearman"), [("novelty", 0.117, 0.109), ("coherence", 0.040, 0.002)])
def test_plain_correlations(ratings: Table, criterion: str, pearson: float, spearman: float) -> None:
    x, y = ratings["temperature"].astype(float), ratings[criterion].astype(float)
    for found, expected in ((stats.pearsonr(x, y), pearson), (stats.spearmanr(x, y), spearman)):
        assert round(float(found[0]), 3) == expected
        assert found[1] > 0.05


def test_no_slope_survives_bonferroni(fit: Fit) -> None:
    assert all(4 * fit(c, "participant").effect("temperature").p > 0.05 for c in CRITERIA)


def test_mean_novelty_by_temperature(ratings: Table) -> None:
    x, y = ratings["temperature"].astype(float), ratings["novelty"].astype(float)
    means = [round(float(y[x == t].mean()), 2) for t in np.unique(x)]
    assert means == [2.33, 2.99, 2.97, 3.27, 3.17, 3.25, 3.24]


@pytest.mark.parametrize(
    ("criterion", "published", "turned"),
    [("novelty", 0.547, -0.1), ("typicality", 0.664, 0.052), ("cohesion", 0.596, 0.63), ("coherence", 0.749, 0.057)],
)
def test_alpha_as_published_and_turned(ratings: Table, criterion: str, published: float, turned: float) -> None:
    """Raters as rows give the published alpha; stories as rows, which asks whether raters agree, give next to none."""
    raters, row = np.unique(ratings["participant"], return_inverse=True)
    stories, column = np.unique(ratings["story"], return_inverse=True)
    table = np.full((len(raters), len(stories)), np.nan)
    table[row, column] = ratings[criterion].astype(float)
    assert round(cronbach_alpha(table).value, 3) == published
    assert round(cronbach_alpha(table.T).value, 3) == turned
