"""Measures at temperatures between the sampled ones, from the samples that are there; refused where they do not reach.

Knows plans, completions and measures; the estimator and its gate are in ``statistics.reweighting``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tempering.generation.completion import Completion
from tempering.measures.base import Measure, Samples
from tempering.models.base import LogitsModel
from tempering.params import SamplingParams
from tempering.statistics.reweighting import GATE, Reweighted, reweight
from tempering.study.likelihoods import text_likelihoods
from tempering.study.plan import StudyPlan
from tempering.study.records import plain
from tempering.study.thermodynamics import ThermodynamicCurves

Values = NDArray[np.float64]
STEPS = 4
"""Into how many parts each interval between sampled temperatures is cut."""
HOPELESS = 20.0
"""Half of what the gate asks for: where fewer effective samples are expected, no text is scored to find out."""


@dataclass(frozen=True)
class Between:
    """One measure at one setting that was not sampled.

    Attributes:
        measure: its name.
        temperature: T of the setting.
        mean: of the measure; None where it is refused.
        low: lower end of the 95 % interval over prompts.
        high: upper end.
        slope: d mean / dT.
        slope_low: lower end of its interval.
        slope_high: upper end.
        ess: effective sample size; the expected one where no text was scored.
        pareto_k: tail shape; None where there is none.
        mean_weight: 1 if the samples cover the setting; None where no text was scored.
        n: samples.
        prompts: their prompts.
        why: why it is refused; empty where it is not.
    """

    measure: str
    temperature: float
    mean: float | None
    low: float | None
    high: float | None
    slope: float | None
    slope_low: float | None
    slope_high: float | None
    ess: float
    pareto_k: float | None
    mean_weight: float | None
    n: int
    prompts: int
    why: str


def untruncated(plan: StudyPlan) -> bool:
    """Return whether the samples of a plan can be reweighted: no truncation, no penalty.

    Example:
        >>> untruncated(StudyPlan()), untruncated(StudyPlan(params={"top_p": 0.9}))
        (True, False)
    """
    return list(plan.params_at(1.0).active_steps()) == ["temperature"]


def reweight_texts(
    model: LogitsModel,
    completions: Sequence[Completion],
    values: Mapping[str, Values],
    targets: Sequence[SamplingParams],
) -> list[tuple[str, SamplingParams, Reweighted]]:
    """Estimate means of values of texts at settings that were not sampled: another T, top-k, top-p or min-p.

    Args:
        model: the model that drew the texts.
        completions: texts drawn without truncation at T above 0; greedy ones are left out.
        values: by name, one number a completion, NaN where undefined; each must depend on its own text alone.
        targets: the settings asked for.

    Returns:
        For each target and name the estimate, or the refusal with its reason.
    """
    kept = [i for i, c in enumerate(completions) if c.params.temperature > 0]
    texts = [completions[i] for i in kept]
    sampled = sorted({text.params.temperature for text in texts})
    settings = [*(SamplingParams(temperature=t) for t in sampled), *targets]
    log_p, scores = text_likelihoods(model, texts, settings)
    sources = np.array([sampled.index(text.params.temperature) for text in texts])
    clusters = np.unique([text.prompt_id for text in texts], return_inverse=True)[1]
    found = []
    for at, target in enumerate(targets, len(sampled)):
        for name, numbers in values.items():
            own = np.asarray(numbers, dtype=np.float64)[kept]
            args = (own, clusters, sources, log_p[:, : len(sampled)], log_p[:, at])
            # A sample index shares its noise over T: its texts are one unit.
            found.append((name, target, reweight(*args, scores=scores[:, at], units=[t.sample for t in texts])))
    return found


def study_between(
    model: LogitsModel,
    plan: StudyPlan,
    completions: Sequence[Completion],
    values: Mapping[str, Values],
    curves: ThermodynamicCurves,
) -> list[Between]:
    """Return every measure at temperatures between the sampled ones, with refusals.

    How far samples reach is expected from the variance of the logits (``Reach``): where that leaves fewer than
    ``HOPELESS`` effective samples, no text is scored.

    Args:
        model: the model of the study.
        plan: without truncation, see ``untruncated``.
        completions: its samples.
        values: by name, one number a completion, each of its own text alone (see ``of_the_text``).
        curves: the thermodynamics of the study.
    """
    sampled = [t for t in plan.temperatures if 0 < t < math.inf]
    reach = Reach.of(completions, curves)
    asked = [t for low, high in pairwise(sampled) for t in np.linspace(low, high, STEPS + 1)[1:-1].round(6).tolist()]
    expected = {t: reach.expected(t, sampled) for t in asked}
    reached = [t for t in asked if expected[t] >= HOPELESS]
    rows = []
    if reached:
        targets = [SamplingParams(temperature=t) for t in sorted({*reached, *sampled})]
        rows = [row_of(name, p.temperature, r) for name, p, r in reweight_texts(model, completions, values, targets)]
    prompts = len({c.prompt_id for c in completions})
    for t in asked:
        if t not in reached:
            why = f"about {expected[t]:.2g} effective texts are expected: {reach.wanted(t)}"
            none = Between("", t, *(None,) * 6, expected[t], None, None, len(completions), prompts, why)
            rows += [replace(none, measure=name) for name in values]
    return sorted(rows, key=lambda row: (list(values).index(row.measure), row.temperature))


@dataclass(frozen=True)
class Reach:
    """How far the texts of each sampled temperature reach: log(ESS/n) ~ -tokens Var(z) (1/T - 1/T*)^2.

    Attributes:
        texts: how many texts, by temperature.
        tokens: their mean length.
        variance: of the logits of a step, by temperature.
    """

    texts: Mapping[float, int]
    tokens: Mapping[float, float]
    variance: Mapping[float, float]

    @classmethod
    def of(cls, completions: Sequence[Completion], curves: ThermodynamicCurves) -> Reach:
        """Return it from a study's texts and thermodynamics."""
        variance = {
            row["sampled_at"]: row["mean"]
            for row in curves.curves
            if row["quantity"] == "variance" and row["sampled_at"] == row["temperature"]
        }
        lengths: dict[float, list[int]] = {t: [] for t in variance}
        for text in completions:
            lengths.get(text.params.temperature, []).append(len(text.tokens))
        held = {t: found for t, found in lengths.items() if found}
        return cls({t: len(x) for t, x in held.items()}, {t: float(np.mean(x)) for t, x in held.items()}, variance)

    def expected(self, temperature: float, sampled: Sequence[float]) -> float:
        """Return about how many effective texts the two neighbouring temperatures give."""
        neighbours = max(s for s in sampled if s < temperature), min(s for s in sampled if s > temperature)
        return sum(
            self.texts[t] * math.exp(-self.tokens[t] * self.variance[t] * (1 / t - 1 / temperature) ** 2)
            for t in neighbours
            if t in self.texts
        )

    def wanted(self, temperature: float) -> str:
        """Return in words what would make enough of them: nearer temperatures, or more texts where none is enough."""
        near = min(self.texts, key=lambda t: abs(t - temperature))
        each = self.texts[near]
        if 2 * each <= GATE.ess:
            return f"{GATE.ess:g} are needed, so more than {GATE.ess / 2:g} texts at each T"
        apart = math.sqrt(math.log(2 * each / GATE.ess) / max(self.tokens[near] * self.variance[near], 1e-12))
        return (
            f"for {GATE.ess:g}, texts of {self.tokens[near]:.0f} tokens need temperatures "
            f"{2 * apart * temperature**2:.2g} apart here"
        )


def row_of(name: str, temperature: float, found: Reweighted) -> Between:
    """Return an estimate of ``reweight_texts`` as a row."""
    mean, slope = found.estimate, found.slope

    def shown(number: float | None) -> float | None:
        return None if number is None or not math.isfinite(number) else number

    return Between(
        measure=name,
        temperature=temperature,
        mean=shown(mean.value),
        low=shown(mean.low),
        high=shown(mean.high),
        slope=shown(slope.value if slope else None),
        slope_low=shown(slope.low if slope else None),
        slope_high=shown(slope.high if slope else None),
        ess=found.ess,
        pareto_k=shown(found.pareto_k),
        mean_weight=found.mean_weight,
        n=mean.n,
        prompts=mean.clusters,
        why=found.why,
    )


BETWEEN = "between.json"


def between_record(rows: Sequence[Between]) -> str:
    """Return JSON for ``between.json``."""
    return json.dumps(plain([asdict(row) for row in rows]), allow_nan=False) + "\n"


def between_from(text: str) -> tuple[Between, ...]:
    """Rebuild what ``between_record`` wrote.

    Raises:
        ValueError: it is damaged.
        TypeError: it is damaged.
    """
    return tuple(Between(**row) for row in json.loads(text))


def of_the_text(measure: Measure, samples: Samples) -> bool:
    """Return whether a measure depends on a text alone, not on the texts beside it or on the settings of the draw.

    Tried on a few texts: the value must be the same for the text by itself, its settings and their logprobs blanked.
    """
    completions, together = samples.completions, measure.function(samples)
    places = np.unique(np.linspace(0, len(completions) - 1, min(6, len(completions))).round().astype(int)).tolist()
    for place in places:
        text = completions[place]
        blank = tuple(0.0 for _ in text.tokens)
        alone = replace(text, params=SamplingParams(), entropies=blank, processed_logprobs=blank)
        [value] = measure.function(replace(samples, completions=(alone,)))
        if not np.isclose(value, together[place], equal_nan=True):
            return False
    return True
