"""The fork tree: at any temperature its text is the plain generation's, and it covers every temperature once."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest

from tempering import Request, SamplingParams
from tempering.errors import ParameterError
from tempering.generation import forks
from tempering.generation.decode import generate
from tempering.generation.forks import ForkTree, fork_tree
from tempering.models.onnx import OnnxModel
from tempering.sampling import temperatures

PROMPT = "Once upon a time, there was a little girl who"


def _texts(model: OnnxModel, request: Request, temperatures: list[float]) -> list[tuple[int, ...]]:
    """Return plain generations at each temperature, in their order."""
    made = {}
    for t in temperatures:
        settings = SamplingParams(**request.params.as_dict() | {"temperature": t})
        [done] = generate(model, [Request(request.prompt, settings, request.sample, max_tokens=request.max_tokens)])
        made[t] = done.tokens
    return [made[t] for t in temperatures]


@pytest.fixture(scope="module")
def tree(model: OnnxModel) -> ForkTree:
    return fork_tree(model, Request(PROMPT, SamplingParams(seed=5), 2, max_tokens=8), highest=2.0, max_branches=400)


def test_two_hundred_random_temperatures_to_the_token(model: OnnxModel, tree: ForkTree) -> None:
    assert all(branch.end != "budget" for branch in tree.branches)
    temperatures = [0.0, 2.0, *np.random.default_rng(1).uniform(0, 2, 198).tolist()]
    request = Request(PROMPT, SamplingParams(seed=5), 2, max_tokens=8)
    for t, tokens in zip(temperatures, _texts(model, request, temperatures), strict=True):
        assert tree.tokens_at(t) == tokens, t


def test_a_longer_tree_on_a_grid(model: OnnxModel) -> None:
    """Sixty tokens, penalties and top-k included, at the temperatures that were asked for."""
    grid = [0.0, 0.3, 0.5, 0.55, 0.8, 1.0, 1.4]
    params = SamplingParams(seed=9, top_k=50, repetition_penalty=1.1)
    request = Request(PROMPT, params, 0, max_tokens=60)
    made = fork_tree(model, request, highest=1.5, grid=grid)
    for t, tokens in zip(grid, _texts(model, request, grid), strict=True):
        assert made.tokens_at(t) == tokens, t
    with_text = [path for t in grid for path in [made.at(t)]]
    assert all(path[-1].end in {"stop", "length"} for path in with_text)


def test_leaves_cover_every_temperature_once(tree: ForkTree) -> None:
    leaves = [tree.branches[i] for i in tree.leaves()]
    assert leaves[0].low == 0
    assert leaves[-1].high == 2
    for before, after in pairwise(leaves):
        assert before.high == after.low
    texts = [tree.tokens_at(leaf.high) for leaf in leaves]
    assert all(a != b for a, b in pairwise(texts)), "a fork changes the text"


def test_children_divide_their_parent(tree: ForkTree) -> None:
    for index, branch in enumerate(tree.branches):
        children = sorted((b for b in tree.branches if b.parent == index), key=lambda b: b.low)
        assert bool(children) == (branch.end == "fork")
        if children:
            assert (children[0].low, children[-1].high) == (branch.low, branch.high)
            assert {child.begin for child in children} == {branch.begin + len(branch.tokens)}
        assert branch.parent is None or branch.parent < index
        assert len(branch.raw_logprobs) == len(branch.tokens)


def test_greedy_is_the_lowest_branch(model: OnnxModel, tree: ForkTree) -> None:
    [greedy] = generate(model, [Request(PROMPT, SamplingParams(temperature=0), max_tokens=8)])
    assert tree.tokens_at(0) == greedy.tokens
    assert "".join(branch.text for branch in tree.at(0)) == greedy.text


def test_the_budget_stops_the_narrowest(model: OnnxModel) -> None:
    request = Request(PROMPT, SamplingParams(seed=5), 2, max_tokens=20)
    made = fork_tree(model, request, highest=2.0, max_branches=3)
    ends = {branch.end for branch in made.branches}
    assert "budget" in ends
    whole = [b for b in made.branches if b.end in {"length", "stop"}]
    assert 1 <= len(whole) <= 20
    assert made.steps <= 3 * 20
    with pytest.raises(ParameterError, match=r"temperature must be in \[0, 2\]"):
        made.at(2.1)


def test_shared_steps_are_counted(tree: ForkTree) -> None:
    assert 0 < tree.steps < tree.separate_steps
    assert json.loads(json.dumps(tree.as_dict(), allow_nan=False))["steps"] == tree.steps


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"highest": 0.0}, "highest"), ({"highest": math.inf}, "highest"), ({"max_branches": 0}, "max_branches")],
)
def test_bad_arguments_are_named(model: OnnxModel, arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        fork_tree(model, Request("a"), **arguments)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="top_p after temperature"):
        fork_tree(model, Request("a", SamplingParams(top_p=0.9)))


def test_compiled_envelopes_grow_the_same_tree(model: OnnxModel, tree: ForkTree) -> None:
    with (
        mock.patch.object(forks, "pays", return_value=True),
        mock.patch.object(temperatures, "pays", return_value=True),
    ):
        again = fork_tree(
            model, Request(PROMPT, SamplingParams(seed=5), 2, max_tokens=8), highest=2.0, max_branches=400
        )
    assert [(b.tokens, b.parent, b.end) for b in again.branches] == [(b.tokens, b.parent, b.end) for b in tree.branches]
    assert [b.high for b in again.branches] == pytest.approx([b.high for b in tree.branches], abs=1e-9)
