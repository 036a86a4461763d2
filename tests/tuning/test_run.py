"""Tuning a real model: the same command goes on after a kill, bounds and grades come from texts, answers are files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tempering.errors import GoalError, ParameterError, PlanError, ServerError, StoreError
from tempering.models.base import Answer, Served, TextInfo, TextRequest
from tempering.models.onnx import OnnxModel
from tempering.statistics.power import detectable
from tempering.tuning.answer import Recommendation, read_recommendation
from tempering.tuning.applying import apply_change, plan_change
from tempering.tuning.budget import read_budget
from tempering.tuning.checking import check
from tempering.tuning.export import exporter_of, render_checked
from tempering.tuning.goals import Goal, load_goal, make_goal
from tempering.tuning.notes import audit_note
from tempering.tuning.plan import TunePlan, plan_spending, prepare
from tempering.tuning.run import audit_task, tune
from tempering.tuning.task import make_task

PROMPTS: list[dict[str, Any]] = [
    {"id": "a", "text": "Once upon a time, there was a little", "expected": ["girl", "boy"]},
    {"id": "b", "text": "Tom and Lily are friends. They like to", "expected": "play"},
    {"id": "c", "text": "He was so happy that he gave his mom a big", "expected": "hug"},
    {"id": "d", "text": "The sun was shining and the sky was", "expected": "blue"},
]


def plan(goal: Goal | str = "question-answering", budget: str = "90", **task: Any) -> TunePlan:
    values = {"prompts": PROMPTS, "grader": "contains", "max_tokens": 6, "temperatures": "0:2:0.25"} | task
    made = make_task(values)
    found = load_goal(goal) if isinstance(goal, str) else goal
    return TunePlan(made, found, read_budget(budget, worst=made.max_tokens))


def bare(count: int = 4) -> list[dict[str, Any]]:
    return [{"id": p["id"], "text": p["text"]} for p in PROMPTS[:count]]


class _Killed(Exception):
    pass


@pytest.fixture(scope="module")
def whole(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recommendation, Path]:
    folder = tmp_path_factory.mktemp("whole")
    return tune(plan(), model, folder), folder


def test_a_killed_run_goes_on_and_ends_with_the_same_answer(
    model: OnnxModel, whole: tuple[Recommendation, Path], tmp_path: Path
) -> None:
    count = 0

    def kill() -> None:
        nonlocal count
        count += 1
        if count == 40:
            raise _Killed

    with pytest.raises(_Killed):
        tune(plan(), model, tmp_path / "killed", on_text=kill)
    after: list[int] = []
    resumed = tune(plan(), model, tmp_path / "killed", on_text=lambda: after.append(1))
    assert resumed.model_dump(exclude={"created"}) == whole[0].model_dump(exclude={"created"})
    # Texts that finish together are written one by one; the 40 that were told of are not written again.
    assert 0 < len(after) <= whole[0].samples - 40
    again: list[int] = []
    tune(plan(), model, tmp_path / "killed", on_text=lambda: again.append(1))
    assert not again
    assert read_recommendation(whole[1]) == whole[0]
    best = max(whole[0].curves, key=lambda point: point.believed)
    assert best.temperature < 0.8


def test_another_task_in_the_same_folder_is_refused(model: OnnxModel, whole: tuple[Recommendation, Path]) -> None:
    with pytest.raises(PlanError, match="begun with another plan"):
        tune(plan(max_tokens=7), model, whole[1])


def test_greedy_texts_are_paid_once(whole: tuple[Recommendation, Path]) -> None:
    found, folder = whole
    lines = [json.loads(line) for path in folder.rglob("samples.jsonl") for line in path.read_text().splitlines()]
    greedy = [line for line in lines if line["params"]["temperature"] == 0]
    assert len(greedy) == len({line["prompt_id"] for line in greedy})
    assert found.samples >= len(lines)


def test_groups_are_judged_together(model: OnnxModel, tmp_path: Path) -> None:
    """One of three right is at least as frequent as one of one at every T (exact for the same texts)."""
    goal = make_goal({"name": "code", "maximise": "accuracy", "k": 3, "use": "best", "margin": 0.05})
    found = tune(plan(goal, "150"), model, tmp_path)
    assert found.goal.k == 3
    high = [p.measured for p in found.curves if p.measured is not None and p.temperature >= 1]
    assert max(high) > 0.3


def test_without_answers_agreement_is_measured_and_called_a_proxy(model: OnnxModel, tmp_path: Path) -> None:
    found = tune(plan(prompts=bare(), grader=None), model, tmp_path)
    assert found.goal.maximise == "agreement"
    assert any("proxy" in note for note in found.notes)
    assert [p.measured for p in found.curves if p.temperature == 0] == [1.0]


def test_nothing_to_grade_gives_a_label_free_answer(model: OnnxModel, tmp_path: Path) -> None:
    found = tune(plan("code", prompts=bare(), grader=None, max_tokens=20), model, tmp_path)
    assert found.kind in {"label-free", "more-budget"}
    assert not found.confirmed
    assert {point.measure for point in found.curves} == {"mean_entropy"}
    assert any("Nothing could be graded" in note for note in found.notes)


def test_a_grader_that_throws_on_a_text_does_not_stop_the_run(model: OnnxModel, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def grade(text, expected):\n"
        "    if 'play' in text: raise ValueError('boom')\n"
        "    return float('girl' in text)\n"
    )
    found = tune(plan(grader=f"{tmp_path / 'mine.py'}:grade"), model, tmp_path / "run")
    assert found.errors
    assert all("boom" in error for error in found.errors)
    assert any("could not be graded" in note for note in found.notes)


def test_a_novelty_goal_compares_with_the_texts_of_the_grid(model: OnnxModel, tmp_path: Path) -> None:
    goal = make_goal(
        {"maximise": "unique_word_share", "bounds": [{"measure": "surprise", "at_most": 3}], "margin": 0.05}
    )
    found = tune(plan(goal, max_tokens=16, grader=None), model, tmp_path)
    measured = {p.temperature: p.measured for p in found.curves if p.measure == "unique_word_share"}
    assert measured[2.0] is not None
    assert measured[0.0] is not None
    assert measured[2.0] > measured[0.0]


def test_exemplars_are_written_where_a_measure_needs_them(model: OnnxModel, tmp_path: Path) -> None:
    goal = make_goal({"maximise": "exemplar_similarity", "margin": 0.05})
    found = tune(plan(goal, max_tokens=12, grader=None), model, tmp_path)
    at_zero = [p.measured for p in found.curves if p.temperature == 0]
    assert at_zero == [pytest.approx(1.0)]


def test_money_and_tokens_limit_what_is_spent(model: OnnxModel, tmp_path: Path) -> None:
    found = tune(plan(budget="700 tokens"), model, tmp_path)
    assert found.tokens <= 700
    assert found.samples > 60


def test_spending_is_planned_and_said(model: OnnxModel) -> None:
    seen = plan_spending(plan(budget="100"))
    assert seen.search + seen.fresh <= seen.samples == 100
    assert (seen.prompts, seen.held_out) == (3, 1)
    # 25 fresh texts for winner and contrast, on all four prompts: 12 each.
    assert (seen.confirmed_on, seen.each) == (4, 12)
    assert seen.visible == pytest.approx(detectable(0.5, 3))
    with pytest.raises(ParameterError, match="in use"):
        prepare(replace(plan(), current=-1.0), model)
    with pytest.raises(ParameterError, match="too small"):
        prepare(plan(budget="20"), model)
    with pytest.raises(ParameterError, match="300 tokens is 50"):
        prepare(plan(make_goal({"maximise": "accuracy", "k": 3}), "300 tokens"), model)


class _Server:
    """A model that gives text only; what it refuses and whether it heeds T is chosen."""

    def __init__(self, refuses: Callable[[float], bool] = lambda t: False, heeds: bool = True) -> None:
        self.refuses, self.heeds, self.info, self.calls = refuses, heeds, TextInfo("server", "server@x", {}), 0

    def write(
        self, requests: Iterable[TextRequest], *, on_text: Callable[[int, str], None] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        for index, request in enumerate(requests):
            t = request.params.temperature
            if self.refuses(t):
                raise ServerError("temperature is not supported", status=400)
            self.calls += 1
            noise = "" if self.heeds and t <= 0.5 else f" {self.calls}"
            yield index, Answer(f"play girl hug blue{noise}", "stop", Served(completion_tokens=5))


def test_a_server_that_refuses_t_is_an_answer(tmp_path: Path) -> None:
    server = _Server(refuses=lambda t: t != 1)
    found = tune(plan(), server, tmp_path)
    assert (found.kind, found.params, found.samples) == ("fixed", None, 0)
    assert "temperature is not supported" in found.sentence
    assert read_recommendation(tmp_path).settings is None


def test_a_server_that_ignores_t_is_an_answer(tmp_path: Path) -> None:
    found = tune(plan(), _Server(heeds=False), tmp_path)
    assert found.kind == "fixed"
    assert "are all different" in found.sentence


def test_a_server_that_refuses_some_temperatures_is_told_to_the_user(tmp_path: Path) -> None:
    with pytest.raises(GoalError, match="refuses T = 2"):
        tune(plan(), _Server(refuses=lambda t: t > 1.5), tmp_path)


def test_a_server_is_tuned_by_its_texts_alone(tmp_path: Path) -> None:
    found = tune(plan(), _Server(), tmp_path)
    assert (found.kind, found.low, found.high) == ("range", 0.0, 2.0)  # it is always right
    assert "keep your default" in found.sentence
    with pytest.raises(GoalError, match="a server gives text"):
        tune(plan(make_goal({"maximise": "mean_entropy"})), _Server(), tmp_path / "b")
    with pytest.raises(GoalError, match="takes raw logprobs"):
        tune(
            plan(make_goal({"maximise": "ended", "bounds": [{"measure": "surprise", "at_most": 3}]})),
            _Server(),
            tmp_path,
        )
    with pytest.raises(GoalError, match="neither expected answers nor a grader"):
        tune(plan("code", prompts=bare(), grader=None), _Server(), tmp_path / "c")


def test_what_caps_temperature_is_said_before_and_with_the_answer(model: OnnxModel, tmp_path: Path) -> None:
    said: list[str] = []
    asked = plan(make_goal({"maximise": "ended"}), "60", params={"min_p": 0.2, "order": "llama.cpp"})
    found = tune(asked, model, tmp_path / "a", on_audit=said.append)
    assert said[0].startswith("Temperature is capped by min_p 0.2: at T = 2 this setup is as random as T = 0.")
    assert found.notes[-1] == said[0]
    server = _Server()
    server.info = TextInfo("server", "server@x", {"cannot be set": "min_p"})
    assert "No request switches off: min_p" in tune(plan(), server, tmp_path / "b", on_audit=said.append).notes[-1]
    assert audit_note(audit_task(plan(), model)) == ""


def test_check_says_whether_a_setting_still_stands(whole: tuple[Recommendation, Path]) -> None:
    found = whole[0].model_copy(update={"kind": "value", "low": 0.0, "high": 0.5})
    assert found.low is not None
    stands = check(found.low, found.goal.name, found)
    assert (stands.verdict, stands.temperature) == ("holds", found.low)
    moved = check(2.0, found.goal.name, found)
    assert moved.verdict == "moved"
    assert moved.loss is not None
    assert moved.loss > 0.1
    undecided = check(2.0, None, found.model_copy(update={"kind": "more-budget"}))
    assert undecided.verdict == "undecided"
    assert check(2.0, None, found.model_copy(update={"kind": "no-effect"})).verdict == "holds"
    with pytest.raises(GoalError, match="with the same goal"):
        check(1.0, "poetry", found)


def test_applying_shows_the_difference_and_keeps_the_old_file(
    whole: tuple[Recommendation, Path], tmp_path: Path
) -> None:
    found = whole[0]
    assert found.settings is not None
    target = tmp_path / "generation_config.json"
    target.write_text('{\n  "eos_token_id": 2,\n  "temperature": 1.0\n}\n')
    old = target.read_text()
    text = render_checked("transformers", found.settings).text
    for number in ("", "1"):
        change = plan_change(exporter_of("transformers"), text, tmp_path)
        assert '"eos_token_id": 2' in change.after
        assert '-  "temperature": 1.0' in change.difference() or number
        assert apply_change(change) == tmp_path / f"generation_config.json.bak{number}"
    assert (tmp_path / "generation_config.json.bak").read_text() == old
    assert plan_change(exporter_of("transformers"), text, tmp_path).nothing


def test_recommendations_are_versioned(whole: tuple[Recommendation, Path], tmp_path: Path) -> None:
    found, path = whole[0], tmp_path / "recommendation.json"
    path.write_text(found.to_json())
    values = json.loads(path.read_text())
    assert set(values) == set(type(found).model_fields)
    path.write_text(json.dumps(values | {"format": 99}))
    with pytest.raises(StoreError, match="format 99"):
        read_recommendation(path)
    path.write_text("{}")
    with pytest.raises(StoreError, match="is not a recommendation"):
        read_recommendation(path)
    with pytest.raises(StoreError, match="cannot read"):
        read_recommendation(tmp_path / "none.json")
