"""The audit of a server: honest ones pass, one that ignores T or truncates is told, on servers with known answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import pytest

from tempering import Request, SamplingParams
from tempering.errors import ParameterError
from tempering.generation.decode import generate
from tempering.models.base import Answer, Served, TextInfo, TextRequest
from tempering.models.onnx import OnnxModel
from tempering.thermometer.audit import ServerAudit, audit_server

PROMPTS = ("Once upon a time, there was a little girl who", "The dog", "One day, Tom")


@dataclass
class Pretender:
    """A server made of the embedded model, that may do something else than it is asked."""

    model: OnnxModel
    really: Callable[[SamplingParams], SamplingParams]

    @property
    def info(self) -> TextInfo:
        return TextInfo("pretender", "pretender#stories", {})

    def write(
        self, requests: Iterable[TextRequest], *, on_text: Callable[[int, str], None] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        asked = list(requests)
        made = [
            Request(r.prompt, self.really(replace(r.params, seed=r.seed)), at, str(at), r.max_tokens)
            for at, r in enumerate(asked)
        ]
        for done in generate(self.model, made):
            yield done.sample, Answer(done.text, done.finish_reason, Served())


def _audit(
    model: OnnxModel,
    really: Callable[[SamplingParams], SamplingParams],
    temperatures: tuple[float, ...] = (0.7, 1.3),
    params: SamplingParams | None = None,
) -> ServerAudit:
    server = Pretender(model, really)
    return audit_server(server, model, PROMPTS, temperatures, params=params, samples=3, max_tokens=20)


def test_an_honest_server(model: OnnxModel) -> None:
    """Three intervals at 1 - .05/3 each: an honest server is told off in at most 5 of 100 choices of seed."""
    found = _audit(model, lambda params: params, (0.0, 0.7, 1.3))
    assert found.honoured is True
    assert found.rows[0].read == 0
    assert found.explanations[0].name == "no truncation"
    assert (found.server, found.model) == ("pretender#stories", model.info.identity)
    assert all(row.n > 90 and row.texts == 9 for row in found.rows)


def test_a_server_that_always_draws_at_one_temperature(model: OnnxModel) -> None:
    found = _audit(model, lambda params: replace(params, temperature=0.8))
    assert found.honoured is False
    assert found.rows[1].honoured is False
    assert all(0.6 < row.read < 1.0 for row in found.rows)
    assert found.explanations[0].name == "no truncation", "what T explains is not blamed on a truncation"


def test_hidden_defaults_are_found(model: OnnxModel) -> None:
    """min_p = .05 before T, as servers of llama.cpp do when told nothing: T is honoured, the kept set is small."""
    found = _audit(model, lambda params: replace(params, min_p=0.05, order="llama.cpp"))
    best = found.explanations[0]
    assert best.params.min_p == 0.05
    assert best.name.endswith("before T")  # alone, or with the rest of the defaults, which it nearly contains
    assert found.honoured is True
    for name in ("min_p=0.05 after T", "no truncation"):
        other = next(e for e in found.explanations if e.name == name)
        assert other.log_likelihood < best.log_likelihood - 2, name


def test_a_truncation_that_is_asked_for_is_the_first_explanation(model: OnnxModel) -> None:
    asked = SamplingParams(top_k=5)
    found = _audit(model, lambda params: params, (1.3,), params=asked)
    assert found.explanations[0].name == "as asked"
    none = _audit(model, lambda params: replace(params, top_k=0), (1.3,), params=asked)
    wrong = next(e for e in none.explanations if e.name == "as asked")
    assert wrong.log_likelihood == -math.inf
    assert wrong.impossible > 0
    assert wrong.first is not None
    assert wrong.first[0] == 1.3


@pytest.mark.parametrize("temperatures", [(), (math.inf,), (-1.0,)])
def test_temperatures_that_cannot_be_asked(model: OnnxModel, temperatures: tuple[float, ...]) -> None:
    with pytest.raises(ParameterError, match="temperatures"):
        audit_server(Pretender(model, lambda params: params), model, PROMPTS, temperatures)
