"""Reading texts of the embedded model: what was drawn at T reads as T, under the truncation it was drawn with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tempering import Completion, Request, SamplingParams
from tempering.errors import PromptError
from tempering.generation.decode import generate
from tempering.models.onnx import OnnxModel
from tempering.thermometer.likelihood import read_together
from tempering.thermometer.reading import Scored, compare_settings, read_text, tokens_of_ids, tokens_of_text

PROMPT = "Once upon a time, there was a little girl who"


def _made(model: OnnxModel, params: SamplingParams, samples: int = 12) -> list[Completion]:
    return list(generate(model, [Request(PROMPT, params, sample, max_tokens=60) for sample in range(samples)]))


@pytest.mark.parametrize("temperature", [0.4, 1.0, 1.6])
def test_a_temperature_is_read_back(model: OnnxModel, temperature: float) -> None:
    """Twelve texts of 60 tokens pooled: the truth within 3.5 standard errors (the interval's half width times 1.8)."""
    prompt = model.encode(PROMPT)
    done = _made(model, SamplingParams(temperature=temperature, seed=3))
    pooled = read_together([tokens_of_ids(model, prompt, c.tokens) for c in done])
    half = (pooled.reading.high - pooled.reading.low) / 2
    assert abs(pooled.reading.temperature - temperature) < 1.8 * half
    assert half < 0.15 * temperature
    assert pooled.p_value > 1e-3


def test_truncation_must_be_known(model: OnnxModel) -> None:
    """Drawn at T=1.5 with top-k 10: read with it, near 1.5; read without it, too cold; with top-k 5, impossible."""
    params = SamplingParams(temperature=1.5, top_k=10, seed=3)
    prompt = model.encode(PROMPT)
    done = _made(model, params)
    right = read_together([tokens_of_ids(model, prompt, c.tokens, params) for c in done]).reading
    wrong = read_together([tokens_of_ids(model, prompt, c.tokens) for c in done]).reading
    assert right.low < 1.5 < right.high
    assert wrong.high < 1.2
    ids = max((c.tokens for c in done), key=len)
    settings = [SamplingParams(top_k=5), SamplingParams(top_k=10), SamplingParams(), SamplingParams(top_p=0.3)]
    ranked = compare_settings(model, prompt, ids, settings)
    assert [h.params.top_k for h in ranked[:2]] == [10, 0]
    impossible = next(h for h in ranked if h.params.top_k == 5)
    assert impossible.reading is None
    assert impossible.impossible
    assert impossible.log_likelihood == -math.inf


def test_a_moving_kept_set_is_read_on_a_grid(model: OnnxModel) -> None:
    params = SamplingParams(temperature=0.9, top_p=0.9, seed=3)
    done = _made(model, params, 3)
    ids = max((c.tokens for c in done), key=len)
    [found] = compare_settings(model, model.encode(PROMPT), ids, [SamplingParams(top_p=0.9)])
    assert found.reading is None
    assert not found.impossible
    assert 0.5 < found.params.temperature < 1.6


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"top_p": 0.9},
        {"top_p": 0.9, "order": "llama.cpp"},
        {"min_p": 0.05, "top_k": 40},
        {"typical_p": 0.8},
        {"repetition_penalty": 1.3, "top_p": 0.9},
        {"mirostat_tau": 2.5},
    ],
)
def test_ids_are_as_likely_as_they_were_when_drawn(model: OnnxModel, settings: dict[str, Any]) -> None:
    params = SamplingParams(temperature=0.9, seed=3, **settings)
    [done] = _made(model, params, 1)
    scored = Scored.of(model, model.encode(PROMPT), done.tokens)
    assert scored.logprobs(params) == pytest.approx(done.processed_logprobs, abs=2e-3)


def test_what_depends_on_a_coin_is_read_by_its_mean(model: OnnxModel) -> None:
    """XTC with probability q: the mean of the laws with and without it."""
    [done] = _made(model, SamplingParams(temperature=0.9, seed=3), 1)
    scored = Scored.of(model, model.encode(PROMPT), done.tokens)
    never, half, always = (
        np.exp(scored.logprobs(SamplingParams(temperature=0.9, xtc_probability=q, xtc_threshold=0.2)))
        for q in (0, 0.5, 1)
    )
    assert half == pytest.approx((never + always) / 2, abs=1e-9)
    assert (never != always).any()


def test_after_an_impossible_id_mirostat_says_nothing(model: OnnxModel) -> None:
    [done] = _made(model, SamplingParams(temperature=1.5, seed=3), 1)
    logprobs = Scored.of(model, model.encode(PROMPT), done.tokens).logprobs(SamplingParams(mirostat_tau=0.5))
    first = int(np.isneginf(logprobs).argmax())
    assert np.isfinite(logprobs[:first]).all()
    assert np.isneginf(logprobs[first:]).all()


def test_a_greedy_completion_reads_zero(model: OnnxModel) -> None:
    [done] = _made(model, SamplingParams(temperature=0), 1)
    reading = read_text(model, PROMPT, done.text)
    assert reading.temperature == 0
    assert reading.n == len(done.tokens)


def test_texts_are_cut_as_the_prompt_continues(model: OnnxModel) -> None:
    tokens = tokens_of_text(model, "", "Once upon a time")
    assert len(tokens) == len(model.encode("Once upon a time")) - 1
    assert np.isfinite(tokens.log_likelihood(1.0))
    for prompt, text in ((PROMPT, ""), ("", "word " * 600)):
        with pytest.raises(PromptError):
            tokens_of_text(model, prompt, text)
