"""The audit: what the settings beside temperature do to what temperature can do. Knows logits; generates nothing.

A truncation decides which tokens T may weigh. Where it stands before T, no T brings back what it cut: a setup at T=2
can be as random as the bare model at T=1.1. The audit measures that on real steps before a study spends anything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tempering.params import SamplingParams
from tempering.sampling.distribution import process
from tempering.statistics import Estimate, t_mean
from tempering.statistics.clusters import t_quantile
from tempering.study.plan import StudyPlan
from tempering.study.records import plain, real
from tempering.study.steps import FEW, Steps

AUDIT = "audit.json"
AS_SET, ALONE = "as set", "temperature alone"
ENGINE_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "llama.cpp": {"top_k": 40, "top_p": 0.95, "min_p": 0.05},
}
"""What an engine does to every draw unless it is told otherwise, in its own order: llama.cpp and all built on it."""

CAPPED = 0.9
"""A T is capped where the setup is surely no more random than this share of it."""

RESAMPLES = 500
GRID = np.concatenate([np.linspace(0.0, 2.5, 26), np.geomspace(2.75, 1000.0, 10)])

Values = NDArray[np.float64]


@dataclass(frozen=True)
class AuditRow:
    """One setup at one temperature.

    Attributes:
        setup: ``as set``, ``temperature alone``, ``without ...``, or an engine with its defaults.
        temperature: T.
        kept: tokens kept, mean over steps.
        entropy: nats, mean over steps.
        equivalent: the T at which the bare model has the same mean entropy over these steps.
    """

    setup: str
    temperature: float
    kept: Estimate
    entropy: Estimate
    equivalent: Estimate

    @property
    def capped(self) -> bool:
        """Whether the setup is surely less random than its T says."""
        return 0 < self.temperature < math.inf and self.equivalent.high < CAPPED * self.temperature


@dataclass(frozen=True)
class Audit:
    """What acts beside temperature, and what it does.

    Attributes:
        acting: the settings beside temperature that act, by name.
        defaults: for each engine, its defaults that would act if only the study's settings were sent.
        rows: setups times temperatures.
        vocabulary: how many tokens there are.
        unit: what the intervals are over, in words: prompts, or texts where there are few prompts.
    """

    acting: dict[str, Any]
    defaults: dict[str, dict[str, Any]]
    rows: tuple[AuditRow, ...]
    vocabulary: int
    unit: str = "prompts"

    def of(self, setup: str) -> tuple[AuditRow, ...]:
        """Return the rows of a setup by temperature."""
        return tuple(row for row in self.rows if row.setup == setup)

    @property
    def capped(self) -> tuple[AuditRow, ...]:
        """The temperatures of the study that its own settings cap."""
        return tuple(row for row in self.of(AS_SET) if row.capped)


def acting_settings(params: SamplingParams) -> dict[str, Any]:
    """Return the fields beside temperature that change the distribution.

    Example:
        >>> acting_settings(SamplingParams(top_k=50, min_p=0.05, temperature=0.7))
        {'top_k': 50, 'min_p': 0.05}
    """
    off = _off()
    own = {"temperature", "seed", "order"}
    return {name: value for name, value in params.as_dict().items() if name not in own and value != off[name]}


def _off() -> dict[str, Any]:
    return {item.name: item.default for item in fields(SamplingParams)}


def setups_of(plan: StudyPlan) -> dict[str, SamplingParams]:
    """Return the setups that an audit compares, at T=1, by name."""
    params, off = plan.params_at(1.0), _off()
    acting = acting_settings(params)
    setups = {AS_SET: params, ALONE: SamplingParams(seed=plan.seed)}
    if len(acting) > 1:
        setups |= {f"without {name}": replace(params, **{name: off[name]}) for name in acting}
    for engine, defaults in ENGINE_DEFAULTS.items():
        if unsent := {name: value for name, value in defaults.items() if name not in plan.params}:
            setups[f"{engine} with its defaults"] = replace(params, **unsent, order=engine)
    return setups


def audit(steps: Steps, plan: StudyPlan) -> Audit:
    """Return what the plan's settings do at each of its temperatures, on real steps.

    Intervals are over the steps' units. The contexts are the same in all setups and at all T, so that nothing but the
    settings differs.

    Args:
        steps: as ``real_steps`` gives them.
        plan: its settings and temperatures.

    Raises:
        LogitsError: a step must not be sampled.
    """
    grid = np.union1d(GRID, [t for t in plan.temperatures if math.isfinite(t)])
    bare = np.stack([process(steps.logits, SamplingParams(temperature=float(t))).entropy for t in (*grid, math.inf)])
    rows = []
    for name, params in setups_of(plan).items():
        for temperature in plan.temperatures:
            state = process(steps.logits, replace(params, temperature=temperature), steps.contexts)
            rows.append(
                AuditRow(
                    setup=name,
                    temperature=temperature,
                    kept=t_mean(state.keep.sum(axis=1), steps.units),
                    entropy=t_mean(state.entropy, steps.units),
                    equivalent=pooled_equivalent(state.entropy, grid, bare, steps.units),
                )
            )
    params = plan.params_at(1.0)
    defaults = {
        engine: {name: value for name, value in known.items() if name not in plan.params}
        for engine, known in ENGINE_DEFAULTS.items()
    }
    many = len(plan.prompts)
    unit = "prompts" if many >= FEW else "texts of one prompt" if many == 1 else f"texts of {many} prompts"
    return Audit(acting_settings(params), defaults, tuple(rows), int(steps.logits.shape[1]), unit)


def pooled_equivalent(
    own: Values, grid: Values, bare: Values, clusters: NDArray[np.int64], *, seed: int = 0
) -> Estimate:
    """Estimate the T at which the bare model is as random, over all steps, as a setup is.

    Mean entropy rises with T, so there is one such T: it is read off the curve of the bare mean entropy on the grid,
    linear in between. The interval is T ± t(k - 1) s over k clusters.

    Args:
        own: entropy of the setup, nats, shape [steps].
        grid: finite temperatures, ascending, shape [grid].
        bare: entropy of the bare model at each T of the grid and, last, at T=inf, shape [grid + 1, steps].
        clusters: the independent unit of each step, shape [steps].
        seed: of the resampling.

    Returns:
        The estimate; inf where the setup is uniform over the vocabulary.
    """
    names, place = np.unique(clusters, return_inverse=True)
    units = place if len(names) > 1 else np.arange(len(own))
    count = int(units.max()) + 1
    member = np.zeros((count, len(own)))
    member[units, np.arange(len(own))] = 1.0
    own_sums, bare_sums, sizes = member @ own, bare @ member.T, member.sum(axis=1)

    def inverse(weights: Values) -> float:
        total = float(weights @ sizes)
        wanted = float(weights @ own_sums) / total
        curve = np.maximum.accumulate(bare_sums @ weights / total)
        return math.inf if wanted >= curve[-1] - 1e-9 else float(np.interp(wanted, curve[:-1], grid))

    value = inverse(np.ones(count))
    if math.isinf(value):
        return Estimate(value, value, value, len(own), len(names))
    if count < 2:
        return Estimate(value, math.nan, math.nan, len(own), len(names))
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    found = np.array([inverse(weights.astype(np.float64)) for weights in drawn])
    error = float(found[np.isfinite(found)].std()) * math.sqrt(count / (count - 1))
    half = t_quantile(count - 1, 0.95) * error
    return Estimate(value, max(0.0, value - half), value + half, len(own), len(names))


def audit_record(found: Audit) -> str:
    """Return JSON for ``audit.json``."""
    return json.dumps(plain(asdict(found)), indent=1, allow_nan=False) + "\n"


def audit_from(text: str) -> Audit:
    """Return the audit that ``audit_record`` wrote.

    Raises:
        ValueError: the text is not one.
        KeyError: a part is missing.
        TypeError: a part is of another type.
    """
    record = json.loads(text)
    rows = tuple(
        AuditRow(
            str(row["setup"]),
            real(row["temperature"]),
            *(_estimate(row[name]) for name in ("kept", "entropy", "equivalent")),
        )
        for row in record["rows"]
    )
    return Audit(dict(record["acting"]), dict(record["defaults"]), rows, int(record["vocabulary"]), str(record["unit"]))


def _estimate(record: Mapping[str, Any]) -> Estimate:
    numbers = {name: real(record[name]) for name in ("value", "low", "high", "confidence")}
    return Estimate(n=int(record["n"]), clusters=int(record["clusters"]), **numbers)
