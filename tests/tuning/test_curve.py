"""Curves: known means, known spreads, and intervals that hold what they should."""

from __future__ import annotations

import numpy as np
import pytest

from tempering.tuning.curve import FLAT_PRIOR, Means, believe, gather

X = np.linspace(0, 1, 21)[:, None]


def _means(seed: int, curve: np.ndarray, prompts: int = 12, noise: float = 0.3) -> Means:
    generator = np.random.default_rng(seed)
    setting = np.repeat(np.arange(0, 21, 4), prompts)
    prompt = np.tile(np.arange(prompts), 6)
    level = generator.normal(0, 0.3, prompts)
    values = curve[setting] + level[prompt] + generator.normal(0, noise, len(setting))
    return gather(values, setting, prompt, X)


def test_means_and_counts_leave_nan_out() -> None:
    found = gather([1.0, np.nan, 3.0, 5.0], [0, 0, 0, 2], [0, 1, 1, 0], X)
    assert found.settings.tolist() == [0, 2]
    assert found.mean.tolist() == [2.0, 5.0]
    assert found.n.tolist() == [2, 1]
    with pytest.raises(ValueError, match="no value"):
        gather([np.nan], [0], [0], X)


def test_covariance_tells_prompts_from_texts() -> None:
    """What prompts have in common at all settings does not blur a difference between settings."""
    blurred, sharp = [], []
    for seed in range(40):
        found = _means(seed, np.zeros(21), prompts=30)
        difference = np.array([1, 0, 0, 0, 0, -1.0])
        blurred.append(found.covariance[0, 0])
        sharp.append(difference @ found.covariance @ difference)
    # Variance of a mean: 0.3^2 / 30 of prompts and 0.3^2 / 30 of texts; of a difference: texts only, twice.
    assert np.mean(blurred) == pytest.approx(0.006, rel=0.15)
    assert np.mean(sharp) == pytest.approx(0.006, rel=0.15)


def test_intervals_hold_the_curve() -> None:
    """Nominal 95 %, pointwise over 21 places and 60 data sets; smooth curves are what the kernel expects."""
    curve = np.exp(-(((X[:, 0] - 0.4) / 0.25) ** 2))
    hits = []
    for seed in range(60):
        belief = believe(_means(seed, curve, noise=0.3), X, seed=seed)
        # Levels of the prompts drawn move all means alike; their part is in the deviation as well.
        hits.append(np.abs(belief.mean - curve) <= 1.96 * belief.deviation)
    assert 0.9 <= np.mean(hits) <= 0.995


def test_a_constant_curve_is_believed_constant_and_a_clear_one_is_not() -> None:
    flat = np.mean([believe(_means(s, np.zeros(21)), X).flat for s in range(20)])
    clear = np.mean([believe(_means(s, 3 * X[:, 0]), X).flat for s in range(20)])
    assert flat > FLAT_PRIOR + 0.03
    assert clear < 0.001


def test_the_same_seed_draws_the_same_curves() -> None:
    means = _means(1, X[:, 0])
    first, again, other = (believe(means, X, seed=s).draws for s in (3, 3, 4))
    assert (first == again).all()
    assert (first != other).any()
    assert first.shape == (400, 21)


def test_one_value_and_equal_values_are_no_error() -> None:
    one = believe(gather([0.5], [3], [0], X), X)
    equal = believe(gather([1.0] * 6, [0, 0, 10, 10, 20, 20], [0, 1, 0, 1, 0, 1], X), X)
    assert np.isfinite(one.mean).all()
    assert equal.mean == pytest.approx(1.0, abs=1e-3)
