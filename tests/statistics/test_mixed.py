"""Mixed models: least squares where nothing varies, closed forms for balanced data, and statsmodels as a witness."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from tempering.errors import ParameterError
from tempering.statistics import cronbach_alpha, mixed_model


def data(raters: int = 12, texts: int = 10, story: float = 0.5) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    rater, text = (axis.ravel() for axis in np.meshgrid(range(raters), range(texts), indexing="ij"))
    x = np.linspace(0, 2, texts)[text]
    y = 0.3 * x + generator.normal(size=raters)[rater] + story * generator.normal(size=texts)[text]
    return {"rater": rater, "text": text, "x": x, "y": y + 0.7 * generator.normal(size=len(x))}


def test_balanced_crossed_data_have_the_variances_of_their_mean_squares() -> None:
    """With intercept only, REML of a balanced two-way layout equals the analysis of variance."""
    d = data()
    model = mixed_model(d["y"], {}, {"rater": d["rater"], "text": d["text"]})
    table = d["y"].reshape(12, 10)
    rows, columns, grand = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = ((table - rows[:, None] - columns + grand) ** 2).sum() / (11 * 9)
    between_rows = 10 * rows.var(ddof=1)
    between_columns = 12 * columns.var(ddof=1)
    assert math.isclose(model.residual, rest, rel_tol=1e-4)
    assert math.isclose(model.variances["rater"], (between_rows - rest) / 10, rel_tol=1e-3)
    assert math.isclose(model.variances["text"], (between_columns - rest) / 12, rel_tol=1e-3)
    assert math.isclose(model.effect("intercept").value, grand)


def test_a_slope_between_texts_has_the_degrees_of_freedom_of_texts() -> None:
    """Balanced: the exact test is least squares on the ten text means, with 8 degrees of freedom."""
    d = data()
    slope = mixed_model(d["y"], {"x": d["x"]}, {"rater": d["rater"], "text": d["text"]}).effect("x")
    exact = stats.linregress(np.linspace(0, 2, 10), d["y"].reshape(12, 10).mean(axis=0))
    assert math.isclose(slope.value, exact.slope, rel_tol=1e-6)
    assert math.isclose(slope.error, exact.stderr, rel_tol=1e-3)
    assert math.isclose(slope.df, 8, rel_tol=0.02)
    assert math.isclose(slope.p, exact.pvalue, rel_tol=0.02)


def test_a_variance_that_is_not_there_is_zero_and_the_fit_is_least_squares() -> None:
    generator = np.random.default_rng(0)
    rater = np.tile(np.arange(6), 10)
    x, noise = generator.normal(size=60), generator.normal(size=60)
    y = x + noise - np.array([noise[rater == r].mean() for r in range(6)])[rater]
    model = mixed_model(y, {"x": x}, {"rater": rater})
    exact = stats.linregress(x, y)
    assert model.variances["rater"] == 0
    assert model.marginal_r2 == pytest.approx(model.conditional_r2)
    assert math.isclose(model.effect("x").value, exact.slope, rel_tol=1e-6)
    assert math.isclose(model.effect("x").error, exact.stderr, rel_tol=1e-6)
    assert math.isclose(model.effect("x").df, 58, rel_tol=1e-3)


def test_statsmodels_finds_the_same_maximum() -> None:
    """Crossed factors in statsmodels are variance components of one group; it warns on the way."""
    api = pytest.importorskip("statsmodels.regression.mixed_linear_model")
    d = data()
    model = mixed_model(d["y"], {"x": d["x"]}, {"rater": d["rater"], "text": d["text"]}, degrees="normal")
    design = np.column_stack([np.ones(len(d["x"])), d["x"]])
    one = np.zeros(len(d["x"]), dtype=int)
    parts = {name: [np.eye(d[name].max() + 1)[d[name]]] for name in ("rater", "text")}
    components = api.VCSpec(
        list(parts),
        [[[f"{name}{i}" for i in range(matrix[0].shape[1])]] for name, matrix in parts.items()],
        [*parts.values()],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        witness = api.MixedLM(d["y"], design, one, exog_vc=components).fit(reml=True)
    assert math.isclose(model.log_likelihood, witness.llf, abs_tol=1e-3)
    assert math.isclose(model.effect("x").value, witness.fe_params[1], rel_tol=1e-3)
    assert math.isclose(model.effect("x").error, witness.bse_fe[1], rel_tol=2e-2)
    assert np.allclose(list(model.variances.values()), witness.vcomp, rtol=2e-2)


def test_bad_data_are_named() -> None:
    d = data()
    with pytest.raises(ParameterError, match="group factor"):
        mixed_model(d["y"], {}, {})
    with pytest.raises(ParameterError, match="one entry"):
        mixed_model(d["y"], {"x": [1.0]}, {"rater": d["rater"]})
    with pytest.raises(ParameterError, match="constant"):
        mixed_model(d["y"], {"x": np.ones(120)}, {"rater": d["rater"]})
    with pytest.raises(ParameterError, match="finite"):
        mixed_model(np.full(120, np.nan), {}, {"rater": d["rater"]})
    with pytest.raises(ParameterError, match="levels"):
        mixed_model(d["y"], {}, {"rater": range(120)})
    with pytest.raises(ParameterError, match="more than"):
        mixed_model([1.0, 2.0], {}, {"rater": [0, 0]})
    with pytest.raises(ParameterError, match="confidence"):
        mixed_model(d["y"], {}, {"rater": d["rater"]}, confidence=95)


def test_alpha_of_a_full_table_is_the_textbook_formula_and_has_an_interval() -> None:
    generator = np.random.default_rng(6)
    table = generator.normal(size=(30, 1)) + generator.normal(size=(30, 4))
    known = cronbach_alpha(table)
    expected = 4 / 3 * (1 - table.var(axis=0, ddof=1).sum() / table.sum(axis=1).var(ddof=1))
    assert math.isclose(known.value, expected)
    assert known.low < known.value < known.high < 1
    assert (known.n, known.clusters) == (120, 30)
    assert math.isnan(cronbach_alpha(np.ones((5, 3))).value)
    assert math.isnan(cronbach_alpha(table[:1]).value)
    with pytest.raises(ParameterError, match="table"):
        cronbach_alpha([1.0])
