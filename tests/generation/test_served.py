"""Models that give text only: completions hold what a server said and nothing else; what needs logits refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import polars as pl
import pytest

from tempering import Completion, Request, SamplingParams, TextModel, fork_tree, generate, read_text, require_logits
from tempering.errors import NoLogitsError
from tempering.generation.served import server_seed
from tempering.models.base import Answer, Model, Served, TextInfo, TextRequest
from tempering.report.page import build_report
from tempering.study.analysis import load_results
from tempering.study.plan import make_plan
from tempering.study.run import forecast, run_study
from tempering.testing import check_model, check_text_model


class Parrot:
    """A server that says the seed's words; it tells logprobs at seeds that are even."""

    def __init__(self, served: Served | None = None) -> None:
        self.info = TextInfo("http://parrot/v1#p", "http://parrot/v1#p", {"server": "a test"})
        self.served = served or Served(completion_tokens=3, seconds=0.1)
        self.seen: list[TextRequest] = []

    def write(
        self, requests: Iterable[TextRequest], *, on_text: Callable[[int, str], None] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        asked = list(enumerate(requests))
        self.seen += [request for _, request in asked]
        for index, request in reversed(asked):
            text = f" {request.seed} at {request.params.temperature}"
            if on_text:
                on_text(index, text)
            yield index, Answer(text, "length", self.served)


def test_a_parrot_is_a_text_model() -> None:
    model: Model = Parrot()
    assert isinstance(model, TextModel)


def test_each_completion_belongs_to_its_request() -> None:
    requests = [Request(p, SamplingParams(temperature=t), s) for p in ("a", "b") for t in (0, 1) for s in (0, 1)]
    told: list[tuple[Request, str]] = []
    done = list(generate(Parrot(), requests, on_text=lambda request, text: told.append((request, text))))
    assert len(done) == 8
    for completion in done:
        seed = server_seed(0, str(completion.prompt), completion.sample)
        assert completion.text == f" {seed} at {completion.params.temperature}"
        assert (completion.tokens, completion.token_count) == ((), 3)
        assert completion.raw_logprobs is completion.processed_logprobs is completion.entropies is None
    assert [text for _, text in told] == [completion.text for completion in done]
    assert {request.prompt for request, _ in told} == {"a", "b"}


def test_seeds_are_paired_across_temperatures_and_apart_otherwise() -> None:
    model = Parrot()
    requests = [Request("a", SamplingParams(temperature=t, seed=5), s) for t in (0.0, 1.0) for s in range(50)]
    list(generate(model, requests))
    seeds = [request.seed for request in model.seen]
    assert seeds[:50] == seeds[50:]
    assert len(set(seeds)) == 50
    assert all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize("kind", ["raw", "processed", "unknown"])
def test_logprobs_go_where_they_belong(kind: str) -> None:
    top = (((" a", -0.1), (" b", -2.0)), ((" c", -0.2),))
    served = Served((" a", " c"), (-0.1, -0.2), top, kind, 4, 2, 0.5, 1)  # type: ignore[arg-type]
    [done] = generate(Parrot(served), [Request("x")])
    assert done.raw_logprobs == ((-0.1, -0.2) if kind == "raw" else None)
    assert done.processed_logprobs == ((-0.1, -0.2) if kind == "processed" else None)
    assert Completion.from_dict(json.loads(json.dumps(done.as_dict()))) == done


def test_a_completion_of_a_model_that_runs_here_has_no_server(model: Model) -> None:
    [done] = generate(model, [Request("Tom", max_tokens=2)])
    assert "served" not in done.as_dict()
    assert Completion.from_dict(done.as_dict()) == done


@pytest.mark.parametrize(
    "use",
    [
        require_logits,
        lambda model: fork_tree(model, Request("x")),
        lambda model: read_text(model, "x", "y"),
    ],
)
def test_what_needs_logits_refuses(use: Callable[[Model], object]) -> None:
    with pytest.raises(NoLogitsError, match="http://parrot/v1#p: a server gives text"):
        use(Parrot())


def test_the_suite_of_logits_models_refuses() -> None:
    with pytest.raises(AssertionError, match="lacks a method"):
        check_model(Parrot())


def test_a_study_of_a_server(tmp_path: Path) -> None:
    plan = make_plan({"prompts": ["Tom", "Lily"], "temperatures": [0.5, 1], "samples": 2, "max_tokens": 9})
    model, folder = Parrot(), tmp_path / "run"
    assert forecast(plan, model, folder).samples == 10
    assert len(model.seen) == 8, "a forecast asks little"
    results = run_study(plan, model, folder)
    assert len(results.completions) == 8
    assert results.next_token is None
    assert load_results(folder).completions == results.completions
    measured = set(results.values["measure"])
    assert "unique_word_share" in measured
    assert not {"self_perplexity", "mean_entropy"} & measured, "a server tells no logits"
    assert pl.read_parquet(folder / "samples.parquet")["raw_logprobs"].null_count() == 8
    assert "One next token" not in build_report(results)


class Mute(Parrot):
    """A server that forgets its last request."""

    def write(
        self, requests: Iterable[TextRequest], *, on_text: Callable[[int, str], None] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        return iter(list(super().write(requests, on_text=on_text))[1:])


def test_the_suite_of_text_models(model: Model) -> None:
    check_text_model(Parrot())
    for broken, said in (
        (Mute(), "answered once"),
        (Parrot(Served(tokens=("a",))), "come together"),
        (Parrot(Served(completion_tokens=99)), "writes too much"),
        (model, "lacks a method"),
    ):
        with pytest.raises(AssertionError, match=said):
            check_text_model(broken)
