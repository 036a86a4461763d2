"""Mirostat v2: its rule, its state, and that it reaches its target."""

from __future__ import annotations

import numpy as np
import pytest

from tempering import Context, SamplingParams, distribution, draw, logprob
from tempering.sampling.mirostat import first_mu, next_mu


def test_tokens_of_too_much_surprise_are_dropped() -> None:
    z = np.log([0.5, 0.25, 0.125, 0.125])
    params = SamplingParams(mirostat_tau=1)
    assert (distribution(z, params) > 0).sum() == 2, "mu is 2 tau at the first token"
    assert (distribution(z, params, Context(mu=3.0)) > 0).all(), "a surprise that equals mu is kept"
    assert distribution(z, params, Context(mu=-5.0)).tolist() == [1, 0, 0, 0]
    each = distribution(np.tile(z, (2, 1)), params, [Context(mu=1.0), Context(mu=2.0)])
    assert (each > 0).sum(axis=1).tolist() == [1, 2]


@pytest.mark.parametrize("tau", [2.0, 4.0])
def test_the_mean_surprise_is_steered_to_the_target(tau: float) -> None:
    """2,000 draws from one broad row; surprise is under the truncated distribution, as the algorithm defines it."""
    z = np.random.default_rng(0).normal(size=500) * 1.5
    params, mu, total = SamplingParams(mirostat_tau=tau, mirostat_eta=0.1), None, 0.0
    for step in range(2000):
        context = Context(mu=mu)
        token = draw(z, params, seed=1, step=step, context=context)
        own = float(logprob(z, token, params, context).processed)
        total -= own / np.log(2)
        mu = float(next_mu(first_mu(params) if mu is None else mu, own, params))
    assert abs(total / 2000 - tau) < 0.1
