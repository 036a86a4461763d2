"""Coupled decoding gives the texts of plain decoding, to the token, whatever settings, bundles and batches."""

from __future__ import annotations

from typing import Any

import pytest

from tempering import Completion, Request, SamplingParams
from tempering.errors import ParameterError
from tempering.generation.coupled import Sharing, bundles, generate_coupled
from tempering.generation.decode import generate
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
        ({}, 1),
        ({}, 64),
        ({"top_p": 0.9}, 5),
        ({"repetition_penalty": 1.3, "min_p": 0.05}, 64),
        ({"mirostat_tau": 3.0}, 5),
    ],
)
def test_the_same_samples_to_the_token(model: OnnxModel, settings: dict[str, Any], batch: int) -> None:
    asked = _asked((0.0, 0.5, 0.55, 0.6, 1.2), **settings)
    plain = _by_key(list(generate(model, asked)))
    coupled = _by_key(list(generate_coupled(model, bundles(asked), batch_size=batch)))
    assert plain.keys() == coupled.keys()
    for key, text in plain.items():
        other = coupled[key]
        assert other.tokens == text.tokens, key
        assert (other.text, other.finish_reason, other.params) == (text.text, text.finish_reason, text.params)
        assert other.raw_logprobs == pytest.approx(text.raw_logprobs, abs=1e-3)
        assert other.entropies == pytest.approx(text.entropies, abs=1e-3)


def test_what_is_saved_is_counted(model: OnnxModel) -> None:
    """Equal settings share everything, one text alone nothing."""
    counted, alone = Sharing(), Sharing()
    same = [Request("Tom", SamplingParams(temperature=0.7, seed=s), 0, max_tokens=9) for s in (1, 1, 1)]
    drawn: list[int] = []
    made = list(generate_coupled(model, bundles(same), sharing=counted, on_token=lambda _, token: drawn.append(token)))
    assert len({text.tokens for text in made}) == 1
    assert counted.ratio == 3
    assert len(drawn) == sum(len(text.tokens) for text in made)
    list(generate_coupled(model, bundles(same[:1]), sharing=alone))
    assert alone.ratio == 1
    assert Sharing().ratio == 1


def test_no_requests_and_no_room(model: OnnxModel) -> None:
    assert list(generate_coupled(model, [])) == []
    with pytest.raises(ParameterError, match="batch_size"):
        next(generate_coupled(model, [], batch_size=0))
