"""What a model says of a text it reads again: against facts computed one step at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tempering import Completion, SamplingParams
from tempering.generation.decode import generate
from tempering.generation.request import Request
from tempering.measures import measure
from tempering.measures.base import Samples
from tempering.models.onnx import OnnxModel
from tempering.sampling.facts import facts

Make = Callable[..., Completion]


def test_facts_of_every_step(completion: Make, toy_model: Any) -> None:
    tokens = (5, 80, 7, 200)
    params = SamplingParams(temperature=1.7, top_k=20)
    made = completion("text", raw=(-1.0,) * 4, tokens=tokens, params=params)
    before = toy_model.encode("a prompt")[-1]
    known = facts(toy_model.table[[before, *tokens[:-1]]], params)
    samples = Samples((made,), model=toy_model)
    assert measure("leak_mass").function(samples)[0] == pytest.approx(known.leak_mass.mean())
    assert measure("n95").function(samples)[0] == pytest.approx(known.n95.mean())
    plain = facts(toy_model.table[[before, *tokens[:-1]]])
    logprobs = [
        float(row[token] - np.logaddexp.reduce(row.astype(float)))
        for row, token in zip(toy_model.table[[before, *tokens[:-1]]], tokens, strict=True)
    ]
    gap = measure("surprisal_gap").function(samples)[0]
    assert gap == pytest.approx(-np.mean(logprobs) - plain.entropy.mean())


def test_a_text_without_tokens_or_model_has_none(completion: Make, toy_model: Any) -> None:
    made = completion("One. Two. Three. Four.", tokens=(), raw=())
    for name in ("leak_mass", "n95", "surprisal_gap"):
        assert math.isnan(measure(name).function(Samples((made,), model=toy_model))[0])
    for name in ("leak_mass", "n95", "surprisal_gap", "order_gain"):
        assert math.isnan(measure(name).function(Samples((completion("One. Two. Three."),)))[0])


def test_leak_and_choices_rise_with_t_and_draws_at_one_are_typical(model: OnnxModel) -> None:
    """32 texts of 24 tokens at T=1: the mean gap is 0 within 4 standard errors; T below and above fall on either "
    "side."""
    means = {}
    for temperature in (0.0, 1.0, 1.6):
        params = SamplingParams(temperature=temperature)
        count = 1 if temperature == 0 else 32
        texts = tuple(generate(model, [Request("Once upon a time", params, i, "p", 24) for i in range(count)]))
        samples = Samples(texts, model=model)
        means[temperature] = {name: measure(name).function(samples) for name in ("leak_mass", "n95", "surprisal_gap")}
    for name in ("leak_mass", "n95", "surprisal_gap"):
        assert means[0.0][name].mean() < means[1.0][name].mean() < means[1.6][name].mean()
    gap = means[1.0]["surprisal_gap"]
    assert abs(gap.mean()) < 4 * gap.std(ddof=1) / math.sqrt(len(gap))


def test_the_order_of_a_story_counts_and_that_of_a_loop_does_not(completion: Make, model: OnnxModel) -> None:
    story = (
        " who lived in a small house. One day, she went to the park to play. She saw a big dog. The dog was sad. "
        'The girl asked, "Why are you sad?" The dog said, "I lost my ball." They looked for the ball together.'
    )
    loop = " was sad." + " She was very happy." * 6
    made = tuple(
        replace(completion(text, sample=place), prompt="Once upon a time, there was a little girl")
        for place, text in enumerate((story, loop, " ran. She sat."))
    )
    gains = measure("order_gain").function(Samples(made, model=model))
    assert gains[0] > 0.05
    assert abs(gains[1]) < 1e-6
    assert math.isnan(gains[2])


def test_a_text_too_long_to_be_read_again_is_undefined(completion: Make, model: OnnxModel) -> None:
    long = (
        " She sat. "
        + " ".join("The small dog went home and slept." for _ in range(3))
        + " xq" * 3000
        + ". End. Of. It."
    )
    made = replace(completion(long), prompt="Once")
    assert math.isnan(measure("order_gain").function(Samples((made,), model=model))[0])
