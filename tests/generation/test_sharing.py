"""Texts that share model steps are the texts that they are alone, to the token, whatever settings and batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tempering import Completion, Request, SamplingParams
from tempering.generation.decode import Sharing, generate, settle
from tempering.generation.request import coupled
from tempering.models.base import Prefix
from tempering.models.onnx import OnnxModel

PROMPTS = ("Once upon a time", "The end. ", "Tom")


def _asked(temperatures: tuple[float, ...], length: int = 16, **settings: Any) -> list[Request]:
    return [
        Request(prompt, SamplingParams(temperature=t, seed=3, **settings), sample, max_tokens=length)
        for t in temperatures
        for prompt in PROMPTS
        for sample in range(2)
    ]


def _by_key(made: list[Completion]) -> dict[tuple[str, float, int], Completion]:
    return {(c.prompt_id, c.params.temperature, c.sample): c for c in made}


@pytest.mark.parametrize(
    ("settings", "batch"),
    [
        ({}, 2),
        ({}, 64),
        ({"top_p": 0.9}, 7),
        ({"repetition_penalty": 1.3, "min_p": 0.05}, 64),
        ({"mirostat_tau": 3.0}, 7),
    ],
)
def test_the_same_samples_to_the_token(model: OnnxModel, settings: dict[str, Any], batch: int) -> None:
    asked = _asked((0.0, 0.5, 0.55, 0.6, 1.2), **settings)
    alone = _by_key([next(generate(model, [request], batch_size=1)) for request in asked])
    together = _by_key(list(generate(model, coupled(asked), batch_size=batch)))
    assert alone.keys() == together.keys()
    for key, text in alone.items():
        other = together[key]
        assert other.tokens == text.tokens, key
        assert (other.text, other.finish_reason, other.params) == (text.text, text.finish_reason, text.params)
        assert other.raw_logprobs == pytest.approx(text.raw_logprobs, abs=1e-3)
        assert other.entropies == pytest.approx(text.entropies, abs=1e-3)


def test_what_is_saved_is_counted(model: OnnxModel) -> None:
    """Equal settings share everything, one text alone nothing; greedy texts of other samples share everything too."""
    counted, alone, greedy = Sharing(), Sharing(), Sharing()
    same = [Request("Tom", SamplingParams(temperature=0.7, seed=1), 0, max_tokens=9)] * 3
    drawn: list[int] = []
    made = list(generate(model, same, sharing=counted, on_token=lambda _, token: drawn.append(token)))
    assert len({text.tokens for text in made}) == 1
    assert counted.ratio == 3
    assert len(drawn) == sum(len(text.tokens) for text in made)
    list(generate(model, same[:1], sharing=alone))
    assert alone.ratio == 1
    assert Sharing().ratio == 1
    samples = [Request("Tom", SamplingParams(temperature=0), sample, max_tokens=9) for sample in range(4)]
    list(generate(model, samples, sharing=greedy))
    assert greedy.ratio == 4


class _Labels:
    """A batch of nothing but labels, which grows row by row."""

    def __init__(self, rows: int) -> None:
        self.rows, self.copies = list(range(rows)), 0

    def copy(self, source: int, target: int) -> None:
        self.copies += 1
        self.rows[target : target + 1] = [self.rows[source]]

    def place(self, row: int, prefix: Prefix) -> None:
        raise AssertionError("settling begins no text")

    def step(self, tokens: np.ndarray) -> np.ndarray:
        raise AssertionError("settling reads no token")


def test_texts_are_settled_without_loss() -> None:
    """Every text gets a row of its own from 0 on, with one copy for each that cannot stay where it is."""
    generator = np.random.default_rng(0)
    for _ in range(500):
        count = int(generator.integers(1, 12))
        sources = generator.integers(0, count, int(generator.integers(0, 12))).tolist()
        batch = _Labels(count)
        places = settle(batch, sources)
        assert sorted(places) == list(range(len(sources)))
        assert [batch.rows[place] for place in places] == sources
        assert batch.copies == len(sources) - len({source for source in sources if source < len(sources)})
