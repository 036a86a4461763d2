"""The thermodynamics of a study: entropy, heat capacity and the like along the texts that were drawn.

The logits are computed anew from the stored tokens, at some steps of some texts of every sampled temperature, and say
what every other temperature would do at these steps. Knows models by their protocol; knows nothing of how it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tempering.generation.completion import Completion
from tempering.generation.prompts import read_prompt
from tempering.measures.rereading import READINGS, reading_of
from tempering.models.base import LogitsModel
from tempering.sampling.thermodynamics import Thermodynamics, thermodynamics
from tempering.statistics.clusters import t_quantile
from tempering.study.plan import StudyPlan
from tempering.study.records import plain, real
from tempering.thermometer.reading import logits_of_ids

Values = NDArray[np.float64]
QUANTITIES = (
    "entropy",
    "entropy_slope",
    "entropy_curvature",
    "heat_capacity",
    "fisher_information",
    "variance",
    "leak_mass",
    "n95",
)
PEAKED = ("heat_capacity", "entropy_slope")
LOWEST, HIGHEST, FINE = 0.1, 2.0, 17
PROMPTS, STEPS, RESAMPLES = 8, 16, 500
THERMODYNAMICS = "thermodynamics.json"


@dataclass(frozen=True)
class ThermodynamicCurves:
    """What the logits along the drawn texts say.

    Attributes:
        samples: how many texts the study had, so that a longer run makes them anew.
        sampled_at: the temperatures that the texts were drawn at; inf as ``math.inf``.
        curves: one row a sampled temperature, temperature and quantity: ``sampled_at``, ``temperature``, ``quantity``,
            ``mean`` (of the texts' means), ``low``, ``high`` (95 %, t over prompts; None for a single one), ``n``
            (steps), ``prompts``. Rows with ``sampled_at == temperature`` are the columns of the study itself.
        peaks: one row a sampled temperature and quantity: ``temperature`` of its maximum between ``LOWEST`` and the
            highest, ``low``, ``high`` (95 %, bootstrap over prompts), ``edge`` (whether it lies at an end, so that the
            maximum is not inside).
        readings: one row a text that was read: ``prompt_id``, ``temperature``, ``sample``, its ``reading_of``.
    """

    samples: int
    sampled_at: tuple[float, ...]
    curves: tuple[dict[str, Any], ...]
    peaks: tuple[dict[str, Any], ...]
    readings: tuple[dict[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; an infinite temperature as text."""
        return {key: plain(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> ThermodynamicCurves:
        """Rebuild from ``as_dict``."""
        rows = [
            tuple(
                row | {key: real(row[key]) for key in ("sampled_at", "temperature") if key in row}
                for row in record[name]
            )
            for name in ("curves", "peaks", "readings")
        ]
        return cls(int(record["samples"]), tuple(real(t) for t in record["sampled_at"]), *rows)

    @property
    def read(self) -> dict[tuple[str, float, int], dict[str, float]]:
        """What was read, by prompt id, temperature and sample, as ``Samples.read`` has it."""
        return {
            (row["prompt_id"], row["temperature"], row["sample"]): {name: real(row[name]) for name in READINGS}
            for row in self.readings
        }


def study_thermodynamics(model: LogitsModel, plan: StudyPlan, completions: Sequence[Completion]) -> ThermodynamicCurves:
    """Return the facts of the steps of a study's texts, at the plan's temperatures and a fine grid between them.

    Of every sampled temperature at most one text of each of ``PROMPTS`` prompts is read, evenly spaced, and of
    each text at most ``STEPS`` steps, evenly spaced: the raw logits, whatever truncation the study has.

    Args:
        model: the model of the study.
        plan: its plan.
        completions: its texts, with their tokens.
    """
    highest = max([HIGHEST, *(t for t in plan.temperatures if math.isfinite(t))])
    fine = np.geomspace(LOWEST, highest, FINE).round(4)
    grid = np.array(sorted({*fine.tolist(), *plan.temperatures}))
    curves, peaks, readings = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
    for sampled_at in plan.temperatures:
        chosen = _chosen(plan, completions, sampled_at)
        if not chosen:
            continue
        facts, places, read = _facts(model, chosen, grid)
        for text, found in zip(chosen, read, strict=True):
            readings.append({"prompt_id": text.prompt_id, "temperature": sampled_at, "sample": text.sample} | found)
        curves += _curve_rows(facts, places, grid, sampled_at)
        inside = (grid >= LOWEST) & np.isfinite(grid)
        for name in PEAKED:
            peaks.append(
                _peak(facts[name][:, inside], places, grid[inside]) | {"quantity": name, "sampled_at": sampled_at}
            )
    return ThermodynamicCurves(len(completions), plan.temperatures, tuple(curves), tuple(peaks), tuple(readings))


def _chosen(plan: StudyPlan, completions: Sequence[Completion], temperature: float) -> list[Completion]:
    first = {c.prompt_id: c for c in reversed(completions) if c.params.temperature == temperature and c.tokens}
    kept = [first[prompt.id] for prompt in plan.prompts if prompt.id in first]
    places: list[int] = np.linspace(0, len(kept) - 1, min(PROMPTS, len(kept))).round().astype(int).tolist()
    return [kept[place] for place in places]


def _facts(
    model: LogitsModel, texts: Sequence[Completion], grid: Values
) -> tuple[dict[str, Values], NDArray[np.intp], list[dict[str, float]]]:
    """Return each quantity at every step read and every temperature, the text of each step, and each text's reading."""
    found, places, read = list[Thermodynamics](), list[int](), list[dict[str, float]]()
    for place, text in enumerate(texts):
        before = read_prompt(model, text.prompt).tokens
        logits = logits_of_ids(model, before, text.tokens)
        read.append(reading_of(logits, text, before))
        steps = np.unique(np.linspace(0, len(logits) - 1, min(STEPS, len(logits))).round().astype(int))
        found.append(thermodynamics(logits[steps], grid))
        places += [place] * len(steps)
    values = {name: np.concatenate([getattr(f, name) for f in found]).astype(np.float64) for name in QUANTITIES}
    return values, np.array(places), read


def _curve_rows(
    facts: dict[str, Values], places: NDArray[np.intp], grid: Values, sampled_at: float
) -> list[dict[str, Any]]:
    """Return means with t intervals over texts, as steps of one text are no independent draws."""
    rows = []
    for name, values in facts.items():
        curves = _by_text(values, places)
        count, means = len(curves), curves.mean(axis=0)
        half = t_quantile(count - 1, 0.95) * curves.std(axis=0, ddof=1) / math.sqrt(count) if count > 1 else None
        for at, temperature in enumerate(grid.tolist()):
            row = {"sampled_at": sampled_at, "temperature": temperature, "quantity": name, "mean": float(means[at])}
            low, high = (None, None) if half is None else (float(means[at] - half[at]), float(means[at] + half[at]))
            rows.append(row | {"low": low, "high": high, "n": len(values), "prompts": count})
    return rows


def _by_text(values: Values, places: NDArray[np.intp]) -> Values:
    """Return the mean over the steps of each text, shape [texts, grid]."""
    return np.stack([values[places == place].mean(axis=0) for place in range(int(places.max()) + 1)])


def _peak(values: Values, places: NDArray[np.intp], grid: Values) -> dict[str, Any]:
    """Return where the mean curve is highest, with a percentile interval over texts."""
    curves = _by_text(values, places)
    count = len(curves)
    best = int(curves.mean(axis=0).argmax())
    found: dict[str, Any] = {"temperature": float(grid[best]), "low": None, "high": None}
    if count > 1:
        drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
        ends = np.quantile(grid[(drawn @ curves).argmax(axis=1)], [0.025, 0.975])
        found |= {"low": float(ends[0]), "high": float(ends[1])}
    return found | {"edge": best in {0, len(grid) - 1}, "n": len(values), "prompts": count}
