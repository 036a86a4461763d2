"""Budgets, candidates, tasks: the small parts of tuning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempering.errors import ParameterError, PlanError
from tempering.tuning.budget import read_budget
from tempering.tuning.space import Setting, make_space
from tempering.tuning.task import make_task, read_task


@pytest.mark.parametrize(
    ("text", "price", "samples"),
    [("500", None, 500), ("1,000 texts", None, 1000), ("4000 tokens", None, 40), ("2 money", 10.0, 2000)],
)
def test_budgets(text: str, price: float | None, samples: int) -> None:
    assert read_budget(text, worst=100, price_out=price).samples() == samples


@pytest.mark.parametrize(
    ("text", "price"), [("", None), ("many", None), ("5 money", None), ("0", None), ("5 ducks", 1.0)]
)
def test_wrong_budgets(text: str, price: float | None) -> None:
    with pytest.raises(ParameterError):
        read_budget(text, worst=100, price_out=price)


def test_a_budget_of_money_pays_for_prompts_too() -> None:
    """500 prompt tokens at 1 and 100 generated ones at 5 a million cost 1 / 1,000."""
    budget = read_budget("2 money", worst=100, price_out=5.0, price_in=1.0, prompt=500)
    assert budget.samples() == 2000
    assert budget.samples(10, 500) == round(2 / 750e-6 - 0.5)
    with pytest.raises(ParameterError, match="price-in"):
        read_budget("2 money", worst=100, price_out=5.0, price_in=-1.0)


def test_space_follows_fisher_distance_and_holds_both_ends() -> None:
    even = make_space([0, 0.5, 1.0, 1.5, 2.0], fisher=[0, 0.5, 1.0, 1.5, 2.0])
    assert even.coordinates.ravel() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    space = make_space(np.linspace(0, 2, 41).tolist())
    chosen = [space.settings[i].temperature for i in space.grid(9)]
    assert len(chosen) == 9
    assert (min(chosen), max(chosen)) == (0, 2)
    gaps = np.diff(sorted(chosen))
    assert gaps[-1] > gaps[0]  # equal steps of log(1 + T)
    assert space.nearest(0.71) == 14


def test_truncations_have_levels_that_all_have_the_grid() -> None:
    space = make_space([0, 0.5, 1.0, 1.5, 2.0], "min_p")
    assert len(space.settings) == 25
    assert {space.settings[i].min_p for i in space.grid(9)} == {0.0, 0.02, 0.05, 0.1, 0.2}
    assert Setting(0.7, min_p=0.1).shown() == "T 0.7, min_p 0.1"
    for temperatures, sampler in (([1.0], "temperature"), ([0.0, 1.0], "mirostat"), ([0.0, np.inf], "temperature")):
        with pytest.raises(ParameterError):
            make_space(temperatures, sampler)


@given(st.integers(3, 40), st.integers(0, 9))
def test_prompts_are_split_by_prompt_and_each_is_used_once(count: int, seed: int) -> None:
    task = make_task({"prompts": [f"text {i}" for i in range(count)]})
    first, held = task.split(seed)
    assert len(held) == max(1, round(count / 3))
    assert sorted(p.id for p in (*first, *held)) == sorted(p.id for p in task.prompts)
    assert task.split(seed) == (first, held)


def test_texts_become_messages() -> None:
    task = make_task({"prompts": ["Why?"], "held_out": ["How?"]}).as_chat("Be brief.")
    assert [len(p.messages) for p in (*task.prompts, *task.held_out)] == [2, 2]
    assert task.prompts[0].id == make_task({"prompts": ["Why?"]}).prompts[0].id


def test_tasks_from_files(tmp_path: Path) -> None:
    (tmp_path / "more.jsonl").write_text('{"text": "Three?", "expected": "3"}\n')
    (tmp_path / "task.yaml").write_text(
        'prompts:\n  - {id: a, text: "One?", expected: 1}\n'
        "held_out: more.jsonl\ngrader: number\ntemperatures: 0:1:0.5\n"
    )
    task = make_task(read_task(tmp_path / "task.yaml"))
    assert (task.name, task.graded, task.temperatures) == ("task", True, (0.0, 0.5, 1.0))
    assert task.split(0)[1][0].expected == ("3",)
    (tmp_path / "q.csv").write_text("text,expected\nOne?,1\nTwo?,2|two\n")
    assert make_task(read_task(tmp_path / "q.csv")).prompts[1].expected == ("2", "two")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("prompts: []\n", "the task is empty"),
        ("name: a\n", "the task is empty"),
        ("", "the task is empty"),
        ("- a\n", "must hold keys"),
    ],
)
def test_empty_tasks_are_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "task.yaml"
    path.write_text(content)
    with pytest.raises(PlanError, match=said):
        read_task(path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"prompts": ["a", "a"]}, "two prompts have the id"),
        ({"prompts": ["a"], "held_out": ["a"]}, "two prompts have the id"),
        ({"prompts": ["a"], "temperatures": [0, float("inf")]}, "finite"),
        ({"prompts": ["a"], "params": {"top_q": 1}}, "unknown sampling field"),
        ({"prompts": ["a"], "colour": 1}, "colour"),
        ({"prompts": ["a", " "]}, "prompt 2 is empty"),
        ({"prompts": ["a"], "temperatures": [1]}, "two temperatures or more"),
    ],
)
def test_wrong_tasks(values: dict[str, object], said: str) -> None:
    with pytest.raises((PlanError, ParameterError), match=said):
        make_task(values)
