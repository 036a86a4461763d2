"""How well a temperature is found, at equal budgets. Run: ``python benchmarks/tuning.py``.

Peers: a grid with argmax, Optuna's TPE, Optuna's Gaussian process.

Twelve tasks with closed-form answers (``tempering.testing.tuning``) and four on the embedded model, whose texts are
generated once and drawn from (``--pool``). Every method spends the same texts; ours keeps a quarter of
them for its confirmation. Optuna's trials are 25 batches of equal size, told the bounds as constraints.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import optuna

from tempering import load_model
from tempering.testing.tuning import KNOWN_TASKS, KnownEvaluator
from tempering.tuning.budget import read_budget
from tempering.tuning.confirm import FRESH
from tempering.tuning.evaluator import Ask, Evaluator, Told
from tempering.tuning.goals import Goal, make_goal
from tempering.tuning.measured import ModelEvaluator
from tempering.tuning.plan import TunePlan
from tempering.tuning.run import recommend
from tempering.tuning.space import Setting
from tempering.tuning.store import open_tuning
from tempering.tuning.task import TuneTask

BUDGETS = (200, 500, 1000)
TRIALS = 25
POOL_T = tuple(round(0.1 * step, 1) for step in range(21))
POOL_SAMPLES = 8


class Task(Protocol):
    name: str
    goal: Goal
    flat: bool

    def regret(self, temperature: float) -> float: ...
    def truth(self, measure: str, temperatures: np.ndarray = ...) -> np.ndarray: ...


@dataclass
class PoolTask:
    """A goal on the texts of the pool: the truth is the mean over all of them."""

    name: str
    goal: Goal
    values: dict[str, np.ndarray]  # measure: [prompts, temperatures, samples]
    flat: bool = False
    temperatures: np.ndarray = field(default_factory=lambda: np.array(POOL_T))

    def truth(self, measure: str, temperatures: np.ndarray | None = None) -> np.ndarray:
        every = np.nanmean(np.nanmean(self.values[measure], axis=2), axis=0)
        return every if temperatures is None else np.interp(temperatures, self.temperatures, every)

    def objective(self, temperatures: np.ndarray | None = None) -> np.ndarray:
        return np.sum([w * self.truth(m, temperatures) for m, w in self.goal.objective.items()], axis=0)

    def missed(self, temperatures: np.ndarray | None = None) -> np.ndarray:
        total = np.zeros(len(self.temperatures if temperatures is None else temperatures))
        for bound in self.goal.bounds:
            every, here = self.truth(bound.measure), self.truth(bound.measure, temperatures)
            floor = every.max() * (1 - bound.within) if bound.within is not None else bound.at_least
            if floor is not None:
                total += np.maximum(floor - here, 0) / np.ptp(every)
            if bound.at_most is not None:
                total += np.maximum(here - bound.at_most, 0) / np.ptp(every)
        return total

    def regret(self, temperature: float) -> float:
        at, every = np.array([temperature]), self.objective()
        best = every[self.missed() <= 0].max()
        return float(max(0.0, best - self.objective(at)[0]) + 2 * np.ptp(every) * self.missed(at)[0])


@dataclass
class PoolEvaluator:
    """Draws prompts and texts from the pool; every seed other ones."""

    task: PoolTask
    seed: int
    cost: int = 1
    prompts: Sequence[int] = range(16)
    held_out: Sequence[int] = range(16, 24)

    def __post_init__(self) -> None:
        generator = np.random.default_rng([self.seed, 5])
        count, _, samples = next(iter(self.task.values.values())).shape
        self.who = generator.integers(count, size=24)
        # Texts are drawn from the pool with replacement; fresh groups (from 100,000 on) are others.
        self.drawn = generator.integers(samples, size=(24, 2, 64))

    def repeats(self, setting: Setting) -> bool:
        return setting.temperature == 0

    def evaluate(self, asks: Sequence[Ask]) -> list[Told]:
        found = []
        for ask in asks:
            t = POOL_T.index(round(ask.setting.temperature, 1))
            sample = self.drawn[ask.prompt, int(ask.group >= FRESH), ask.group % 64]
            who = self.who[ask.prompt]
            found.append(Told(ask, {m: float(v[who, t, sample]) for m, v in self.task.values.items()}))
        return found


def make_pool(folder: Path) -> dict[str, np.ndarray]:
    """Return the pool's values, from the folder or from texts generated now (some minutes)."""
    cached = folder / "values.json"
    if not cached.exists():
        task = TuneTask(name="pool", temperatures=POOL_T, max_tokens=40)
        names = ("unique_word_share", "known_pairs", "surprise", "nonword_share", "exemplar_similarity")
        goal = make_goal({"weights": dict.fromkeys(names, 1.0)})
        with open_tuning(folder, task, load_model("embedded"), 0) as store:
            evaluator = ModelEvaluator(task, goal, store.write, seed=0, greedy_repeats=False)
            every = [*evaluator.prompts, *evaluator.held_out]
            asks = [Ask(Setting(t), p, g) for g in range(POOL_SAMPLES) for t in POOL_T for p in every]
            # What is asked first is what new words are counted against: one text of each prompt at each T.
            first = len(POOL_T) * len(every)
            told = [*evaluator.evaluate(asks[:first]), *evaluator.evaluate(asks[first:])]
        shape = (len(every), len(POOL_T), POOL_SAMPLES)
        values = {name: np.full(shape, np.nan) for name in names}
        for one in told:
            place = (every.index(one.ask.prompt), POOL_T.index(one.ask.setting.temperature), one.ask.group)
            for name in names:
                values[name][place] = one.values[name]
        cached.write_text(json.dumps({name: v.tolist() for name, v in values.items()}))
    return {name: np.array(v, dtype=np.float64) for name, v in json.loads(cached.read_text()).items()}


def pool_tasks(folder: Path) -> list[PoolTask]:
    values = make_pool(folder)
    novelty = {"maximise": "unique_word_share", "margin": 0.01}
    goals: dict[str, dict[str, Any]] = {
        "stories: few words that are none": novelty | {"bounds": [{"measure": "nonword_share", "at_most": 0.05}]},
        "stories: within 5 % of coherence": novelty | {"bounds": [{"measure": "known_pairs", "within": 0.05}]},
        "stories: near the exemplar": novelty | {"bounds": [{"measure": "exemplar_similarity", "at_least": 0.4}]},
        "stories: new words less surprise": {"weights": {"unique_word_share": 1.0, "surprise": -0.05}, "margin": 0.01},
    }
    return [PoolTask(name, make_goal(goal), values) for name, goal in goals.items()]


def temperatures_of(task: Any) -> tuple[float, ...]:
    return POOL_T if isinstance(task, PoolTask) else tuple(np.round(np.arange(0, 2.001, 0.05), 2).tolist())


def evaluator_of(task: Any, seed: int) -> Any:
    return PoolEvaluator(task, seed) if isinstance(task, PoolTask) else KnownEvaluator(task, seed)


def objective(means: Mapping[str, float], goal: Goal) -> float:
    return sum(weight * means[name] for name, weight in goal.objective.items())


def means_of(told: Sequence[Told], goal: Goal) -> dict[str, float]:
    return {name: float(np.nanmean([t.values[name] for t in told])) for name in goal.measures}


def violation(means: Mapping[str, float], goal: Goal, seen: Sequence[Mapping[str, float]]) -> list[float]:
    """Return how far each bound is missed, <= 0 where it is kept; a relative one against the best mean seen."""
    found = []
    for bound in goal.bounds:
        mean = means[bound.measure]
        if bound.within is not None:
            found.append(max(other[bound.measure] for other in seen) * (1 - bound.within) - mean)
        if bound.at_least is not None:
            found.append(bound.at_least - mean)
        if bound.at_most is not None:
            found.append(mean - bound.at_most)
    return found


def best_of(seen: Sequence[Mapping[str, float]], goal: Goal) -> int:
    """Return which trial is the best of those that keep the bounds; if none does, which misses them least."""
    missed = [sum(max(v, 0.0) for v in violation(means, goal, seen)) for means in seen]
    value = [objective(means, goal) for means in seen]
    return min(range(len(seen)), key=lambda i: (missed[i], -value[i]))


def texts_at(evaluator: Evaluator, t: float, begin: int, count: int) -> list[Told]:
    """Return the next texts of the common list, all prompts in turn (no peer needs held-out ones)."""
    prompts = [*evaluator.prompts, *evaluator.held_out]
    asks = [Ask(Setting(t), prompts[u % len(prompts)], u // len(prompts)) for u in range(begin, begin + count)]
    return evaluator.evaluate(asks)


def grid_argmax(task: Any, seed: int, budget: int) -> float:
    """Eleven temperatures, the same texts at each, the best mean among those that keep the bounds."""
    evaluator, grid = evaluator_of(task, seed), np.round(np.linspace(0, 2, 11), 1)
    seen = [means_of(texts_at(evaluator, float(t), 0, budget // 11), task.goal) for t in grid]
    return float(grid[best_of(seen, task.goal)])


def optuna_search(task: Any, seed: int, budget: int, kind: str) -> float:
    """Optuna's sampler: 25 batches, bounds as constraints; its best trial that keeps them."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    evaluator, size = evaluator_of(task, seed), budget // TRIALS
    step = 0.1 if isinstance(task, PoolTask) else 0.05
    begun: dict[float, int] = {}
    chosen: list[float] = []
    seen: list[dict[str, float]] = []

    def run(trial: Any) -> float:
        t = round(trial.suggest_float("temperature", 0.0, 2.0, step=step), 2)
        seen.append(means_of(texts_at(evaluator, t, begun.get(t, 0), size), task.goal))
        begun[t] = begun.get(t, 0) + size
        chosen.append(t)
        return objective(seen[-1], task.goal)

    constraints = (lambda trial: violation(seen[trial.number], task.goal, seen)) if task.goal.bounds else None
    samplers: dict[str, Callable[[], Any]] = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, constraints_func=constraints),
        "gp": lambda: optuna.samplers.GPSampler(seed=seed, constraints_func=constraints),
    }
    study = optuna.create_study(direction="maximize", sampler=samplers[kind]())
    study.optimize(run, n_trials=TRIALS)
    return chosen[best_of(seen, task.goal)]


def ours(task: Any, seed: int, budget: int) -> dict[str, Any]:
    """Return what ``tempering tune`` does: search, confirmation, answer."""
    tuned = TuneTask(temperatures=temperatures_of(task))
    plan = TunePlan(tuned, task.goal, read_budget(str(budget), worst=60), seed=seed)
    answer = recommend(plan, evaluator_of(task, seed), "known")
    [fresh] = [f for f in answer.fresh if f.role == "recommended" and f.measure == task.goal.measures[0]]
    truth = float(task.truth(fresh.measure, np.array([fresh.temperature]))[0])
    grid = np.array(temperatures_of(task))
    regrets = np.array([task.regret(float(t)) for t in grid])
    inside = (grid >= (answer.low or 0) - 1e-9) & (grid <= (answer.high or 0) + 1e-9)
    shown = answer.kind == "range" and answer.more_samples is None
    # A range that is shown holds nothing worse than the margin; one that is not told apart, something within it.
    if answer.kind == "range":
        located = (regrets[inside].max() if shown else regrets[inside].min()) <= task.goal.margin
    else:
        located = regrets[inside].min() <= 1e-9
    return {
        "choice": fresh.temperature,
        "kind": answer.kind,
        "spent": answer.samples,
        "located": bool(located) if answer.kind in {"value", "range", "more-budget"} else None,
        "width": (answer.high or 0) - (answer.low or 0),
        "covered": bool((fresh.estimate.low or -9) <= truth <= (fresh.estimate.high or 9)),
    }


def span(task: Any) -> float:
    values = task.objective() if isinstance(task, PoolTask) else task.truth(task.goal.measures[0])
    return float(np.ptp(values)) or 1.0


def benchmark(tasks: Sequence[Any], repeats: int, gp_repeats: int, out: Path | None) -> None:
    rows = []
    for budget in BUDGETS:
        for task in tasks:
            begun = time.monotonic()
            for seed in range(repeats):
                row: dict[str, Any] = {"budget": budget, "task": task.name, "flat": task.flat, "seed": seed}
                mine = ours(task, seed, budget)
                row |= mine | {"ours": task.regret(mine["choice"]) / span(task)}
                if not task.flat:
                    row["grid"] = task.regret(grid_argmax(task, seed, budget)) / span(task)
                    row["tpe"] = task.regret(optuna_search(task, seed, budget, "tpe")) / span(task)
                    if seed < gp_repeats:
                        row["gp"] = task.regret(optuna_search(task, seed, budget, "gp")) / span(task)
                rows.append(row)
            print(_line(rows, budget, task.name), f"{time.monotonic() - begun:.0f} s", flush=True)
        print(_summary(rows, budget), flush=True)
        if out:
            out.write_text(json.dumps(rows))


def _mean(rows: Sequence[dict[str, Any]], key: str) -> float:
    values = [row[key] for row in rows if row.get(key) is not None]
    return float(np.mean(values)) if values else float("nan")


def _line(rows: Sequence[dict[str, Any]], budget: int, name: str) -> str:
    mine = [row for row in rows if row["budget"] == budget and row["task"] == name]
    kinds = {kind: sum(row["kind"] == kind for row in mine) for kind in dict.fromkeys(row["kind"] for row in mine)}
    regrets = ", ".join(f"{m} {_mean(mine, m):.3f}" for m in ("ours", "grid", "tpe", "gp"))
    return (
        f"{budget:>5} {name:<38} regret {regrets}; spent {_mean(mine, 'spent'):.0f}; "
        f"located {_mean(mine, 'located'):.2f}; covered {_mean(mine, 'covered'):.2f}; {kinds}"
    )


def _summary(rows: Sequence[dict[str, Any]], budget: int) -> str:
    mine = [row for row in rows if row["budget"] == budget]
    graded, flat = [row for row in mine if not row["flat"]], [row for row in mine if row["flat"]]
    pairs = {m: [row for row in graded if row.get(m) is not None] for m in ("grid", "tpe", "gp")}
    ratios = ", ".join(f"{_mean(part, 'ours') / _mean(part, m):.2f} of {m}'s" for m, part in pairs.items() if part)
    values = sum(row["kind"] == "value" for row in flat)
    return (
        f"== {budget} texts: regret {_mean(graded, 'ours'):.3f} of the objective's range "
        f"(grid {_mean(graded, 'grid'):.3f}, TPE {_mean(graded, 'tpe'):.3f}, "
        f"GP {_mean(graded, 'gp'):.3f}); {ratios}; value on a flat task {values} of "
        f"{len(flat)}; interval as promised {_mean(graded, 'located'):.3f}; fresh interval covers "
        f"{_mean(mine, 'covered'):.3f} (n = {len(mine)})"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--gp-repeats", type=int, default=10, help="Optuna's GP takes seconds a run")
    parser.add_argument("--only", choices=["known", "pool"], help="half of the tasks")
    parser.add_argument("--out", type=Path, help="every run as JSON")
    parser.add_argument("--pool", type=Path, default=Path("build/tuning-pool"), help="folder that keeps the texts")
    values = parser.parse_args()
    tasks: list[Any] = [] if values.only == "pool" else list(KNOWN_TASKS)
    tasks += [] if values.only == "known" else pool_tasks(values.pool)
    benchmark(tasks, values.repeats, values.gp_repeats, values.out)


if __name__ == "__main__":
    main()
