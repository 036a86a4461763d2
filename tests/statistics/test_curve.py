"""Curves with bands and change points: closed forms, monotone truth, and "no change" as an answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tempering.errors import ParameterError
from tempering.statistics import change_point, curve_band, t_mean

X = np.linspace(0, 2, 9)


def study(level: NDArray[np.float64], prompts: int = 8, noise: float = 0.2) -> tuple[NDArray[np.float64], ...]:
    generator = np.random.default_rng(1)
    y = level + 0.5 * generator.normal(size=(prompts, 1)) + noise * generator.normal(size=(prompts, len(level)))
    x = np.linspace(0, 2, len(level))
    return np.tile(x, prompts), y.ravel(), np.repeat(np.arange(prompts), len(level))


def test_the_band_of_the_means_is_wider_than_one_interval_and_narrower_than_bonferroni() -> None:
    x, y, prompts = study(np.sin(X))
    band = curve_band(x, y, prompts, shape="means")
    alone = t_mean(y[x == 1.0], prompts[x == 1.0])
    nine = t_mean(y[x == 1.0], prompts[x == 1.0], confidence=1 - 0.05 / 9)
    half = band.high[4] - band.value[4]
    assert math.isclose(band.value[4], alone.value)
    assert (alone.high - alone.low) / 2 < half < (nine.high - nine.low) / 2
    assert (band.n, band.clusters) == (72, 8)


def test_a_monotone_curve_is_monotone_and_its_band_is_inside_that_of_the_means() -> None:
    for sign in (1, -1):
        x, y, prompts = study(sign * np.sqrt(X), noise=0.6)
        means, monotone = (curve_band(x, y, prompts, shape=shape) for shape in ("means", "monotone"))
        assert np.all(sign * np.diff(monotone.value) >= 0)
        assert np.all(sign * np.diff(monotone.low) >= 0)
        assert np.all(monotone.high - monotone.low <= means.high - means.low + 1e-12)
        assert np.all((monotone.low <= monotone.value) & (monotone.value <= monotone.high))
    falling = curve_band(x, y, prompts, shape="monotone", rising=False)
    assert np.array_equal(falling.value, monotone.value)


def test_a_line_stays_a_line_when_smoothed() -> None:
    x, y, prompts = study(1 + 2 * X, noise=0)
    band = curve_band(x, y, prompts)
    assert len(band.x) == 61
    assert np.allclose(np.diff(band.value), 2 * (band.x[1] - band.x[0]))
    rough, smooth = study(np.sin(X), noise=0.8), curve_band(*study(np.sin(X), noise=0.8))
    raw = curve_band(*rough, shape="means")
    assert np.abs(np.diff(smooth.value, 2)).max() < np.abs(np.diff(raw.value, 2)).max()


def test_a_change_is_found_where_it_is() -> None:
    found = change_point(*study(3 * np.maximum(X - 1.2, 0), noise=0.1))
    assert found.detected
    assert found.at.low <= 1.2 <= found.at.high
    assert found.at.high - found.at.low < 0.5
    assert abs(found.before) < 0.3
    assert found.after > 2
    assert found.statistic > found.critical


def test_no_change_is_an_answer() -> None:
    found = change_point(*study(0.5 * X))
    assert not found.detected
    assert math.isnan(found.at.value)
    assert math.isnan(found.at.low)
    assert found.before == found.after
    assert 0.2 < found.before < 0.8
    assert not change_point(*study(0 * X, noise=0)).detected
    assert not change_point([0, 1, 2, 3, 4] * 2, [0.0] * 10, [0] * 5 + [1] * 5).detected
    assert change_point(*study(np.maximum(X - 1, 0), noise=0)).detected


def test_one_prompt_has_its_texts_as_units() -> None:
    x, y, _ = study(np.sin(X), prompts=30)
    band = curve_band(x, y, np.zeros(len(x)), shape="means")
    assert band.clusters == 1
    assert np.all(band.low < band.high)


def test_what_cannot_be_drawn_is_refused() -> None:
    x, y, prompts = study(np.sin(X))
    with pytest.raises(ParameterError, match="finite"):
        curve_band(np.where(x == 2, math.inf, x), y, prompts)
    with pytest.raises(ParameterError, match="three settings"):
        curve_band([0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1])
    with pytest.raises(ParameterError, match="five settings"):
        change_point([0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1])
    with pytest.raises(ParameterError, match="two clusters"):
        curve_band([0.0], [1.0], [0])
    with pytest.raises(ParameterError, match="resamples"):
        change_point(x, y, prompts, resamples=1)
