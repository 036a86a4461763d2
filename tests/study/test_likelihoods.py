"""Likelihoods of stored texts: those noted while drawing, those of truncations, and their slopes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tempering import Completion, Request, SamplingParams
from tempering.generation.decode import generate
from tempering.models.onnx import OnnxModel
from tempering.study.likelihoods import text_likelihoods

PROMPT = "Once upon a time, there was a little girl who"


def _drawn(model: OnnxModel, params: SamplingParams, samples: int = 4, length: int = 12) -> list[Completion]:
    made = generate(model, [Request(PROMPT, params, sample, max_tokens=length) for sample in range(samples)])
    return sorted(made, key=lambda c: c.sample)


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(temperature=0.7),
        SamplingParams(temperature=1.3, top_p=0.9),
        SamplingParams(temperature=0.8, top_k=20, repetition_penalty=1.2),
        SamplingParams(temperature=0),
    ],
)
def test_equal_to_what_was_noted_while_drawing(model: OnnxModel, params: SamplingParams) -> None:
    texts = _drawn(model, params)
    log_p, _ = text_likelihoods(model, texts, [params])
    for text, value in zip(texts, log_p[:, 0], strict=True):
        assert text.processed_logprobs is not None
        assert math.isclose(value, math.fsum(text.processed_logprobs), abs_tol=2e-3)


def test_a_text_that_ended_holds_the_end(model: OnnxModel) -> None:
    """The entropies have one entry more; the probability of the end is that of its token."""
    made = generate(model, [Request("The end.", SamplingParams(seed=s), 0, max_tokens=60) for s in range(12)])
    text = next(c for c in made if c.finish_reason == "stop")
    assert text.raw_logprobs is not None
    log_p, _ = text_likelihoods(model, [text], [SamplingParams()])
    ids = [*model.encode("The end."), *text.tokens]
    last = model.score(ids)[-1].astype(float)
    end = last[model.info.end_tokens[0]] - np.logaddexp.reduce(last)
    assert math.isclose(log_p[0, 0], math.fsum(text.raw_logprobs) + end, abs_tol=2e-3)


def test_scores_are_slopes(model: OnnxModel) -> None:
    texts = _drawn(model, SamplingParams())
    for extra in ({}, {"top_k": 500}):
        step = 1e-4
        settings = [SamplingParams(temperature=t, **extra) for t in (0.9 - step, 0.9, 0.9 + step)]  # type: ignore[arg-type]
        log_p, scores = text_likelihoods(model, texts, settings)
        possible = np.isfinite(log_p[:, 1])
        assert possible.any()
        numeric = (log_p[possible, 2] - log_p[possible, 0]) / (2 * step)
        assert np.allclose(scores[possible, 1], numeric, rtol=1e-4, atol=1e-3)


def test_the_impossible_has_no_probability(model: OnnxModel) -> None:
    texts = _drawn(model, SamplingParams(temperature=2.0))
    log_p, scores = text_likelihoods(model, texts, [SamplingParams(top_k=1)])
    assert (log_p == -np.inf).all()
    assert (scores == 0).all()
