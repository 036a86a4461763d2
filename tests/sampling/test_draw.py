"""The draw: its frequencies are the distribution's, and it depends on its keys alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

import tempering
from tempering import SamplingParams
from tempering.errors import LogitsError, ParameterError
from tempering.sampling.noise import gumbel

LOGITS = np.array([2.0, 1.5, 1.5, 0.3, -0.5, -1.0, -2.5, -math.inf])
DRAWS = 20_000
RULES: list[dict[str, Any]] = [
    {},
    {"top_k": 4},
    {"top_p": 0.8},
    {"min_p": 0.2},
    {"typical_p": 0.7},
    {"top_n_sigma": 1.0},
    {"epsilon": 0.05},
    {"eta": 0.1},
    {"top_h": 0.6},
    {"p_less": 1},
    {"xtc_probability": 0.4, "xtc_threshold": 0.15},
    {"mirostat_tau": 1.2},
    {"top_k": 6, "top_p": 0.95, "min_p": 0.05, "order": "llama.cpp"},
]
TEMPERATURES = [1e-6, 0.1, 0.7, 1.0, 2.0, 50.0, math.inf]
ALPHA = 1e-6  # a cell; 100 cells: a sound draw fails here once in 10,000 choices of seed


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: "+".join(rule) or "none")
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_frequencies_are_those_of_the_distribution(rule: dict[str, Any], temperature: float) -> None:
    """Chi-square over 20,000 draws against the exact probabilities."""
    params = SamplingParams(temperature=temperature, **rule)
    p = tempering.distribution(LOGITS, params)
    tokens = tempering.draw(np.tile(LOGITS, (DRAWS, 1)), params, seed=3, sequence=np.arange(DRAWS), step=1)
    counts = np.bincount(tokens, minlength=len(p))
    assert counts[p == 0].sum() == 0
    cells = p * DRAWS >= 5
    observed, expected = counts[cells], p[cells] * DRAWS
    rest = DRAWS - observed.sum()
    if expected.sum() < DRAWS - 1e-6:  # the rare tokens together
        observed, expected = np.append(observed, rest), np.append(expected, DRAWS - expected.sum())
    else:
        assert rest == 0
    if len(observed) > 1:
        assert stats.chisquare(observed, expected * (observed.sum() / expected.sum())).pvalue > ALPHA


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("rule", [{}, {"top_p": 0.8}, {"xtc_probability": 0.4, "xtc_threshold": 0.15}], ids=str)
def test_the_inverse_draw_has_the_same_frequencies(rule: dict[str, Any], temperature: float) -> None:
    """Chi-square over 20,000 draws; nine cells at 1e-6."""
    params = SamplingParams(temperature=temperature, **rule)
    p = tempering.distribution(LOGITS, params)
    rows = np.tile(LOGITS, (DRAWS, 1))
    tokens = tempering.draw(rows, params, seed=4, sequence=np.arange(DRAWS), method="inverse")
    counts = np.bincount(tokens, minlength=len(p))
    assert counts[p == 0].sum() == 0
    cells = p * DRAWS >= 5
    observed, expected = counts[cells], p[cells] * DRAWS
    assert stats.chisquare(observed, expected * (observed.sum() / expected.sum())).pvalue > ALPHA
    with pytest.raises(ParameterError, match="method must be one of gumbel, inverse"):
        tempering.draw(LOGITS, method="sorted")


def test_a_rare_token_of_a_large_vocabulary_has_its_share() -> None:
    """One certain token (p = 0.9) among 262,143 rare ones: the rare ones together are drawn a tenth of the time.

    With 24-bit uniforms one rare token in 64 rows would have infinite noise and win. 400 draws, binomial band of 5
    standard errors.
    """
    z = np.zeros(262_144)
    z[17] = math.log(9 * (len(z) - 1))
    drawn = np.array([int(tempering.draw(z, seed=1, sequence=s, step=0)) for s in range(400)])
    share = (drawn == 17).mean()
    assert abs(share - 0.9) < 5 * math.sqrt(0.9 * 0.1 / 400)


def test_greedy_takes_the_first_of_equals_whatever_the_noise() -> None:
    params = SamplingParams(temperature=0)
    tokens = tempering.draw(np.tile([1.0, 3.0, 3.0], (500, 1)), params, seed=1, sequence=np.arange(500))
    assert set(tokens.tolist()) == {1}


def test_a_draw_does_not_depend_on_its_neighbours() -> None:
    z = np.random.default_rng(5).normal(size=(64, 50))
    keys = np.arange(64) * 7
    together = tempering.draw(z, seed=9, sequence=keys, step=4)
    alone = [int(tempering.draw(row, seed=9, sequence=key, step=4)) for row, key in zip(z, keys, strict=True)]
    assert together.tolist() == alone
    shuffled = np.random.default_rng(6).permutation(64)
    assert (tempering.draw(z[shuffled], seed=9, sequence=keys[shuffled], step=4) == together[shuffled]).all()
    square = tempering.draw(z.reshape(8, 8, 50), seed=9, sequence=keys.reshape(8, 8), step=4)
    assert (square.ravel() == together).all()


def test_the_draw_is_the_argmax_of_scores_plus_shared_noise() -> None:
    z = np.random.default_rng(7).normal(size=(200, 30))
    noise = gumbel(2, np.arange(200), 0, 30)
    for temperature in (0.5, 1.0, 3.0):
        expected = (z / temperature + noise).argmax(axis=1)
        drawn = tempering.draw(z, SamplingParams(temperature=temperature), seed=2, sequence=np.arange(200))
        assert (drawn == expected).all(), "the same noise at every temperature"


def test_the_seed_of_the_params_is_used_unless_one_is_given() -> None:
    z, keys = np.zeros((40, 10)), np.arange(40)
    by_params = tempering.draw(z, SamplingParams(seed=5), sequence=keys)
    assert (by_params == tempering.draw(z, SamplingParams(seed=1), seed=5, sequence=keys)).all()
    assert (by_params != tempering.draw(z, SamplingParams(seed=1), sequence=keys)).any()


def test_bad_rows_never_draw() -> None:
    with pytest.raises(LogitsError, match="row 1 of logits: NaN"):
        tempering.draw([[0.0, 1.0], [math.nan, 1.0]])
    with pytest.raises(ParameterError, match="sequence"):
        tempering.draw([0.0, 1.0], sequence=-1)
