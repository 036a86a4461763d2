"""From completions to values, estimates and trends. Knows measures and statistics; knows nothing of how they work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tempering.errors import StoreError
from tempering.generation.prompts import read_prompt
from tempering.measures import measure as measure_of
from tempering.measures.base import Samples
from tempering.models.base import LogitsModel, shown_prompt
from tempering.sampling.distribution import process
from tempering.statistics import rank_trend, smallest_detectable_trend, t_mean, wilson
from tempering.study.audit import AUDIT, audit_from
from tempering.study.between import BETWEEN, between_from
from tempering.study.comparisons import compared, comparisons_of, reference_of
from tempering.study.curves import curves_from, read_curves
from tempering.study.plan import StudyPlan
from tempering.study.presets.turning import STEP_CURVES, read_turning, turning_from
from tempering.study.records import real
from tempering.study.relations import changes_of, correlations_of, curves_of, headlines, slopes_of, units
from tempering.study.results import NextToken, StudyResults
from tempering.study.sources import Sources, identities_of, measure_values, measured_before, notes_of, samples_with
from tempering.study.store import (
    ESTIMATES,
    read_completions,
    read_made,
    read_run,
    remove_unreadable,
    sort_completions,
)
from tempering.study.thermodynamics import THERMODYNAMICS

if TYPE_CHECKING:
    import polars as pl

NEXT_TOKEN = "next_token.json"  # noqa: S105 - a file name
SHOWN = 12


def load_results(
    folder: Path,
    sources: Sources | None = None,
    *,
    against: float | None = None,
    margins: Mapping[str, float] | None = None,
) -> StudyResults:
    """Return what a run folder holds, complete or not, analysed.

    Args:
        folder: the run folder.
        against: the temperature that the others are compared with; unless given, what the study was told, else the
            plan's nearest to 1.
        margins: up to where a difference is too small to matter, by measure; unless given, what the study was told.
        sources: what measures may use besides the folder; values that need more are read from ``measures.parquet``.

    Raises:
        StoreError: not a run folder, damaged, or without a single sample.
        RunFormatError: another version of the format.
        ParameterError: ``against`` is no temperature of the plan, or a margin's measure was not measured.
    """
    sources = sources or Sources()
    return analyse(folder, samples_of(folder, sources), sources, against=against, margins=margins)


def analyse(
    folder: Path,
    samples: Samples,
    sources: Sources,
    *,
    against: float | None = None,
    margins: Mapping[str, float] | None = None,
) -> StudyResults:
    """Return what a run folder holds, its samples read already (``samples_of``); otherwise as ``load_results``."""
    run, before = read_run(folder), measured_before(folder)
    curves, between = read_curves(folder)
    values = measure_values(samples, sources, before)
    against, margins = _as_told(folder, against, margins, set(values.drop_nulls("value")["measure"]))
    reference, chosen = reference_of(run.plan, against), headlines(values["measure"].unique(maintain_order=True))
    return StudyResults(
        plan=run.plan,
        manifest=run.manifest,
        completions=samples.completions,
        values=values,
        estimates=_estimates(values, run.plan),
        trends=_trends(values, run.plan),
        slopes=slopes_of(values, run.plan),
        correlations=correlations_of(values, run.plan, chosen),
        comparisons=comparisons_of(values, run.plan, compared(chosen), reference, margins),
        curves=curves_of(values, run.plan),
        changes=changes_of(values, run.plan, chosen.values()),
        against=reference,
        next_token=read_made(folder / NEXT_TOKEN, _next_token_from),
        audit=read_made(folder / AUDIT, audit_from),
        turning=read_turning(folder),
        thermodynamics=curves,
        between=between,
        notes=notes_of(samples, before),
        identities=identities_of(samples, sources, before),
    )


def samples_of(folder: Path, sources: Sources | None = None) -> Samples:
    """Return what the measures of a run folder look at: its completions in order, exemplars, answers, grader.

    Raises:
        StoreError: not a run folder, damaged, or without a single sample.
        RunFormatError: another version of the format.
    """
    run, stored = read_run(folder), read_completions(folder)
    completions = sort_completions(stored, run.plan)
    if not completions:
        raise StoreError(f"{folder} holds no sample yet; repeat the study to go on")
    exemplars = {c.prompt_id: c.text for c in stored if c.params.temperature == 0 and c.sample == 0}
    curves, _ = read_curves(folder)
    samples = samples_with(run.plan, completions, exemplars, sources or Sources(), measured_before(folder))
    return replace(samples, read=curves.read) if curves else samples


def _numbers(frame: pl.DataFrame, plan: StudyPlan) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return values (NaN: undefined), temperatures and the index of each value's independent unit."""
    values = np.array([np.nan if v is None else v for v in frame["value"].to_list()], dtype=np.float64)
    return values, frame["temperature"].to_numpy(), units(frame, plan)


def _estimates(values: pl.DataFrame, plan: StudyPlan) -> pl.DataFrame:
    """Return means with their intervals."""
    import polars as pl  # noqa: PLC0415

    rows = []
    for (name,), frame in values.group_by("measure", maintain_order=True):
        known = measure_of(str(name))
        numbers, temperatures, clusters = _numbers(frame, plan)
        share = (known.low, known.high) == (0, 1) and np.isin(numbers[~np.isnan(numbers)], (0, 1)).all()
        for temperature in np.unique(temperatures).tolist():
            here = temperatures == temperature
            estimate = (wilson if share else t_mean)(numbers[here], clusters[here])
            # An interval ends where the measure does: a share below 0 is no possible mean.
            bounds = {"low": estimate.low, "high": estimate.high}
            clipped = {key: min(max(value, known.low), known.high) for key, value in bounds.items()}
            row = {"measure": name, "temperature": temperature, "mean": estimate.value} | clipped
            rows.append(row | {"n": estimate.n, "prompts": min(estimate.clusters, len(plan.prompts))})
    return _without_nan(pl.DataFrame(rows))


def _trends(values: pl.DataFrame, plan: StudyPlan) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415

    rows = []
    for (name,), frame in values.group_by("measure", maintain_order=True):
        numbers, temperatures, clusters = _numbers(frame, plan)
        trend = rank_trend(temperatures, numbers, clusters)
        row = {"measure": name, "rho": trend.value, "low": trend.low, "high": trend.high}
        row["detectable"] = smallest_detectable_trend(temperatures, numbers, clusters).value
        rows.append(row | {"n": trend.n, "prompts": min(trend.clusters, len(plan.prompts))})
    return _without_nan(pl.DataFrame(rows))


def _without_nan(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415
    import polars.selectors as columns  # noqa: PLC0415

    return frame.with_columns(columns.float().cast(pl.Float64).fill_nan(None))


def next_token_of(model: LogitsModel, plan: StudyPlan) -> NextToken:
    """Return the distribution of the token after the first prompt, at every temperature of the plan."""
    prompt = plan.prompts[0].content
    logits = read_prompt(model, prompt).logits
    best = np.argsort(-logits, kind="stable")[:SHOWN]
    states = {t: process(logits, plan.params_at(t)) for t in plan.temperatures}
    return NextToken(
        prompt=shown_prompt(prompt),
        tokens=tuple(model.decode([int(token)]) for token in best),
        probabilities={t: tuple(np.exp(state.logprobs[0, best]).tolist()) for t, state in states.items()},
        entropies={t: float(state.entropy[0]) for t, state in states.items()},
    )


def next_token_record(next_token: NextToken | None) -> str:
    """Return JSON for ``next_token.json``; null where the model gives text only."""
    if next_token is None:
        return "null\n"
    record = {
        "prompt": next_token.prompt,
        "tokens": next_token.tokens,
        "temperatures": [
            {"temperature": str(t), "probabilities": p, "entropy": next_token.entropies[t]}
            for t, p in next_token.probabilities.items()
        ],
    }
    return json.dumps(record, ensure_ascii=False, indent=1) + "\n"


def remove_unreadable_parts(folder: Path) -> None:
    """Remove what was made beside the samples and cannot be read, being damaged or of another version.

    Raises:
        StoreError: the folder cannot be written.
    """
    remove_unreadable(folder / NEXT_TOKEN, _next_token_from)
    remove_unreadable(folder / AUDIT, audit_from)
    remove_unreadable(folder / STEP_CURVES, turning_from)
    remove_unreadable(folder / THERMODYNAMICS, curves_from)
    remove_unreadable(folder / BETWEEN, between_from)


def _as_told(
    folder: Path, against: float | None, margins: Mapping[str, float] | None, measured: Set[str]
) -> tuple[float | None, Mapping[str, float]]:
    """Return the reference and the margins, those not given as the study was told them: its estimates keep them."""
    try:
        record = json.loads((folder / ESTIMATES).read_text(encoding="utf-8"))
        told = real(record["against"])
        rows = [row for row in record["comparisons"] if row["margin"] is not None and row["measure"] in measured]
        kept = {str(row["measure"]): real(row["margin"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return against, margins or {}
    return told if against is None else against, kept if margins is None else margins


def _next_token_from(text: str) -> NextToken | None:
    if (record := json.loads(text)) is None:
        return None
    rows = record["temperatures"]
    tokens, prompt = record["tokens"], record["prompt"]
    if not isinstance(rows, list) or not isinstance(tokens, list) or not isinstance(prompt, str):
        raise TypeError
    return NextToken(
        prompt=shown_prompt(prompt),
        tokens=tuple(tokens),
        probabilities={float(row["temperature"]): tuple(row["probabilities"]) for row in rows},
        entropies={float(row["temperature"]): row["entropy"] for row in rows},
    )
