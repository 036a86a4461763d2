"""The search on tasks whose answer is known: small forms of ``benchmarks/tuning.py``, with stated error rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from tempering.errors import GoalError, ParameterError
from tempering.statistics.estimate import Estimate
from tempering.testing.tuning import GRID, KNOWN_TASKS, KnownEvaluator, KnownTask
from tempering.tuning.answer import Recommendation
from tempering.tuning.budget import read_budget
from tempering.tuning.conclude import conclude
from tempering.tuning.confirm import Confirmed, detectable
from tempering.tuning.evaluator import Ask, Told
from tempering.tuning.goals import Goal, make_goal
from tempering.tuning.plan import TunePlan
from tempering.tuning.run import recommend
from tempering.tuning.search import search
from tempering.tuning.space import make_space
from tempering.tuning.task import TuneTask

TASKS = {task.name: task for task in KNOWN_TASKS}
SPACE = make_space(GRID.tolist())


def answer(task: KnownTask, seed: int, budget: int = 300, **changes: object) -> Recommendation:
    plan = TunePlan(TuneTask(), task.goal, read_budget(str(budget), worst=60), seed=seed, **changes)  # type: ignore[arg-type]
    return recommend(plan, KnownEvaluator(task, seed=seed), "known")


def chosen(found: Recommendation) -> float:
    return next(row.temperature for row in found.fresh if row.role == "recommended")


def test_tasks_are_what_their_curves_say() -> None:
    """The evaluator's mean over prompts is the curve, on each task at three temperatures (4 standard errors)."""
    for task in KNOWN_TASKS:
        evaluator = KnownEvaluator(task, seed=1, count=400, held=0)
        name = task.goal.measures[0]
        for t in (0.0, 0.7, 1.5):
            setting = SPACE.settings[SPACE.nearest(t)]
            values = [told.values[name] for told in evaluator.evaluate([Ask(setting, p, 0) for p in range(400)])]
            error = float(np.std(values)) / 20
            assert abs(np.mean(values) - task.truth(name, np.array([t]))[0]) < 4 * error + 1e-9, (task.name, t)
        assert task.regret(task.best) == pytest.approx(0, abs=1e-9)


def test_on_flat_tasks_no_value_is_recommended() -> None:
    """At most 5 % by design; of 24 runs two or more would be a chance of 34 % at that rate, four of 3 %."""
    flat = [task for task in KNOWN_TASKS if task.flat]
    kinds = [answer(task, seed, 200).kind for task in flat for seed in range(12)]
    assert kinds.count("value") <= 3
    assert kinds.count("no-effect") >= 20


def test_regret_on_clear_tasks_and_intervals_that_hold_the_best() -> None:
    """A tenth of the objective's range on average, and the best T inside in nine of ten runs (nominal 95 %)."""
    regrets, held = [], []
    for name in ("falling", "peak", "early cliff", "floor"):
        task = TASKS[name]
        span = float(np.ptp(task.truth(task.goal.measures[0])))
        for seed in range(6):
            found = search(KnownEvaluator(task, seed=seed), task.goal, SPACE, samples=300, seed=seed)
            regrets.append(task.regret(SPACE.settings[found.choice.best].temperature) / span)
            inside = GRID[(found.choice.low - 1e-9 <= GRID) & (found.choice.high + 1e-9 >= GRID)]
            held.append(min(task.regret(float(t)) for t in inside) < 1e-9)
    assert np.mean(regrets) < 0.1
    assert np.mean(held) >= 0.85


def test_a_cliff_gives_a_range_and_a_default_inside_it_is_kept() -> None:
    found = answer(TASKS["late cliff"], 3, 400, current=0.5)
    assert found.kind == "range"
    assert found.params is not None
    assert found.params["temperature"] == found.current == 0.5
    assert found.high is not None
    assert found.high < 1.5
    assert "keep your default" in found.sentence
    outside = answer(TASKS["late cliff"], 3, 400, current=1.9)
    assert outside.params is not None
    assert outside.params["temperature"] < 1.5


def test_a_value_carries_its_interval_n_and_confirmation() -> None:
    found = answer(TASKS["floor"], 1, 500)
    assert found.kind == "value"
    assert found.confirmed
    assert found.low is not None
    assert found.high is not None
    assert found.low <= chosen(found) <= found.high
    assert found.effect is not None
    assert found.effect.low is not None
    assert found.effect.low > 0
    assert all(row.estimate.n > 0 for row in found.fresh)
    assert {point.measure for point in found.curves} == set(found.goal.measures)
    assert found.samples <= 500


def test_no_effect_says_what_could_have_been_seen() -> None:
    found = answer(TASKS["flat"], 0, 200)
    assert found.kind == "no-effect"
    assert found.detectable is not None
    assert found.detectable > 0
    assert found.more_samples
    assert "chance of 80 %" in found.sentence
    assert found.params is not None
    assert found.params["temperature"] == 1.0


@pytest.mark.parametrize(
    ("low", "high", "n", "seen"), [(-0.1, 0.1, 60, 0.142), (0.0, 0.0, 8, math.nan), (-3.0, 3.0, 2, math.nan)]
)
def test_what_could_not_have_been_seen_is_not_claimed(low: float, high: float, n: int, seen: float) -> None:
    effect = Estimate((low + high) / 2, low, high, n=n, clusters=n)
    assert detectable(effect, Goal(maximise="accuracy")) == pytest.approx(seen, abs=1e-3, nan_ok=True)


def test_the_same_seed_asks_the_same_questions() -> None:
    first, again, other = (answer(TASKS["peak"], seed, 150) for seed in (4, 4, 5))
    assert first.model_dump(exclude={"created"}) == again.model_dump(exclude={"created"})
    assert first.curves != other.curves


def test_it_stops_when_the_decision_is_made() -> None:
    goal = TASKS["rising"].goal.model_copy(update={"margin": 0.3})
    found = search(KnownEvaluator(TASKS["rising"], seed=0), goal, SPACE, samples=2000, confidence=0.8)
    assert found.decided
    assert found.seen.samples < 1500


class _Noting(KnownEvaluator):
    """Notes what each round asked for."""

    def evaluate(self, asks: Sequence[Ask]) -> list[Told]:
        self.rounds = [*getattr(self, "rounds", []), asks]
        return super().evaluate(asks)


def test_settings_of_a_round_share_their_texts_and_rounds_share_none() -> None:
    evaluator = _Noting(TASKS["peak"], seed=2)
    search(evaluator, TASKS["peak"].goal, SPACE, samples=200)
    rounds = []
    for asks in evaluator.rounds:
        lists: dict[float, list[tuple[int, int]]] = {}
        for ask in asks:
            lists.setdefault(ask.setting.temperature, []).append((ask.prompt, ask.group))
        longest = max(lists.values(), key=len)
        assert all(texts == longest[: len(texts)] for texts in lists.values())
        rounds.append(longest)
    every = [text for texts in rounds for text in texts]
    assert len(every) == len(set(every))
    assert len({prompt for prompt, _ in every}) == 24


class _Refusing(KnownEvaluator):
    """Every third text cannot be graded."""

    def evaluate(self, asks: object) -> list[Told]:
        told = super().evaluate(asks)  # type: ignore[arg-type]
        return [
            Told(t.ask, {"accuracy": float("nan")}, error=f"text {i}: boom") if i % 3 == 0 else t
            for i, t in enumerate(told)
        ]


def test_texts_without_a_grade_are_told_and_do_not_stop_the_run() -> None:
    plan = TunePlan(TuneTask(), TASKS["falling"].goal, read_budget("600", worst=60))
    found = recommend(plan, _Refusing(TASKS["falling"]), "known")
    assert 150 < len(found.errors) < 250
    assert any("could not be graded" in note and "boom" in note for note in found.notes)
    assert max(found.curves, key=lambda point: point.believed).temperature < 0.5


class _Broken(KnownEvaluator):
    def evaluate(self, asks: object) -> list[Told]:
        return [Told(t.ask, {"accuracy": float("nan")}, error="boom") for t in super().evaluate(asks)]  # type: ignore[arg-type]


def test_a_measure_that_is_never_defined_is_an_error() -> None:
    plan = TunePlan(TuneTask(), TASKS["falling"].goal, read_budget("300", worst=60))
    with pytest.raises(GoalError, match="undefined for all"):
        recommend(plan, _Broken(TASKS["falling"]), "known")


def test_samplers_share_the_budget_and_a_useless_truncation_does_not_win() -> None:
    found = answer(TASKS["peak"], 1, 400, samplers=("temperature", "top_p", "min_p"))
    assert found.samples <= 400
    assert any("same budget" in note for note in found.notes)
    assert found.params is not None
    assert (found.params["top_p"], found.params["min_p"]) == (1.0, 0.0)


def test_a_budget_too_small_for_any_answer_is_refused() -> None:
    with pytest.raises(ParameterError, match="at least 37 are needed"):
        answer(TASKS["peak"], 0, 36)


def test_a_relative_bound_that_fresh_texts_miss_takes_the_answer_back() -> None:
    """The best of adjacent_overlap is .85, so .765 is the floor: .70 +- .02 misses it, .75 +- .02 may not."""
    task = TASKS["relative floor"]
    found = search(KnownEvaluator(task, seed=0), task.goal, SPACE, samples=400)
    winner = SPACE.settings[found.choice.best]

    def said(overlap: float) -> str:
        measured = {
            "unique_word_share": Estimate(0.2, 0.18, 0.22, n=50, clusters=12),
            "adjacent_overlap": Estimate(overlap, overlap - 0.02, overlap + 0.02, n=50, clusters=12),
        }
        effect = Estimate(0.1, 0.08, 0.12, n=12, clusters=12)
        fresh = Confirmed({winner: measured}, effect, detectable=0.03, prompts=12, unseen=12)
        return conclude(found, fresh, task.goal, SPACE, current=1.0, confidence=0.95).sentence

    assert "misses a bound (adjacent_overlap 0.7, 10% from its highest value" in said(0.70)
    assert "misses" not in said(0.75)


def test_weights_and_bounds_make_the_objective() -> None:
    task = TASKS["floor"]
    goal = make_goal({"weights": {"unique_word_share": 1.0, "adjacent_overlap": 2.0}, "margin": 0.02})
    known = KnownTask("weights", goal, task.curves, binary=False)
    found = search(KnownEvaluator(known, seed=0), goal, SPACE, samples=400)
    truth = known.truth("unique_word_share") + 2 * known.truth("adjacent_overlap")
    assert truth.max() - truth[found.choice.best] < 0.1 * float(np.ptp(truth))
