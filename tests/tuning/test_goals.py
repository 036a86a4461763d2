"""Goals: what they want, what they refuse, and the use cases that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempering.errors import GoalError
from tempering.tuning.goals import load_goal, make_goal, use_case_text, use_cases
from tempering.tuning.measured import Provides, check_goal

ALL = Provides(logits=True, graded=True, corpus=True)


def test_the_use_cases_are_those_promised_and_say_why() -> None:
    assert set(use_cases()) == {
        "brainstorming",
        "chat",
        "code",
        "creative-writing",
        "documentation",
        "extraction",
        "question-answering",
        "uncertainty",
    }
    for name in use_cases():
        check_goal(load_goal(name), ALL)
        assert use_case_text(name).count("#") >= 3
        assert load_goal(name).about


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "either maximise or weights"),
        ({"maximise": "ended", "weights": {"ended": 1}}, "either maximise or weights"),
        ({"weights": {"ended": 0}}, "nothing is wanted"),
        ({"maximise": "ended", "bounds": [{"measure": "tokens"}]}, "needs at_least, at_most or within"),
        ({"maximise": "ended", "bounds": [{"measure": "a", "at_least": 2, "at_most": 1}]}, "contradict"),
        (
            {"maximise": "ended", "bounds": [{"measure": "a", "at_least": 2}, {"measure": "a", "at_most": 3}]},
            "two bounds",
        ),
        ({"maximise": "ended", "margin": 0}, "greater than 0"),
        ({"maximise": "ended", "k": 0}, "greater than or equal to 1"),
        ({"maximise": "ended", "colour": "red"}, "Extra inputs"),
    ],
)
def test_a_wrong_goal_is_refused_in_one_line(values: dict[str, object], said: str) -> None:
    with pytest.raises(GoalError, match=said) as problem:
        make_goal(values)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize(
    ("values", "provides", "said"),
    [
        ({"maximise": "endde"}, ALL, "there is no measure 'endde'"),
        ({"maximise": "accuracy"}, Provides(logits=True, graded=False), "neither expected answers nor a grader"),
        ({"maximise": "mean_entropy"}, Provides(logits=False, graded=True), "a server gives text"),
        ({"maximise": "ended", "bounds": [{"measure": "distinct@2", "at_least": 5}]}, ALL, "it lies in"),
        ({"maximise": "order_gain"}, Provides(logits=False, graded=True), "a server gives text"),
        ({"maximise": "training_novelty@4"}, Provides(logits=True, graded=True), "not known what this model"),
        ({"maximise": "judged_novelty"}, ALL, "a model that judges"),
        ({"maximise": "self_bleu"}, ALL, "give k"),
    ],
)
def test_what_cannot_be_measured_is_said_before_spending(
    values: dict[str, object], provides: Provides, said: str
) -> None:
    with pytest.raises(GoalError, match=said):
        check_goal(make_goal(values), provides)


def test_goals_come_from_files_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("maximise: ended\nk: 3\nbounds:\n  - {measure: distinct@2, within: 0.1}\n")
    goal = load_goal(path)
    assert (goal.name, goal.k, goal.bounds[0].within) == ("mine", 3, 0.1)
    assert "within 10% of its highest" in goal.in_words()
    path.write_text("- a\n")
    with pytest.raises(GoalError, match="must hold keys"):
        load_goal(path)
    path.write_text("a: [\n")
    with pytest.raises(GoalError, match="is not YAML"):
        load_goal(path)
    with pytest.raises(GoalError, match="cannot read"):
        load_goal(tmp_path / "none.yaml")
    with pytest.raises(GoalError, match="must be a file or one of"):
        load_goal("poetry")


def test_groups_and_names() -> None:
    assert make_goal({"maximise": "agreement"}).group == 2
    assert make_goal({"maximise": "accuracy", "k": 5, "use": "best"}).objective_name == "accuracy (best of 5)"
    assert make_goal({"weights": {"a": 1.0, "b": -0.5}}).objective_name == "1 a + -0.5 b"
