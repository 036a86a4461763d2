"""What a run's texts say of other temperatures: made with the model, kept in the folder, read without it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tempering.errors import ParameterError
from tempering.measures import measure as measure_of
from tempering.measures.base import Samples
from tempering.models.base import LogitsModel
from tempering.params import SamplingParams
from tempering.study.between import (
    BETWEEN,
    Between,
    between_from,
    between_record,
    of_the_text,
    reweight_texts,
    row_of,
    study_between,
    untruncated,
)
from tempering.study.plan import StudyPlan
from tempering.study.results import StudyResults
from tempering.study.sources import COSTLY
from tempering.study.store import read_made, write_atomically
from tempering.study.thermodynamics import THERMODYNAMICS, ThermodynamicCurves, study_thermodynamics


def read_curves(folder: Path) -> tuple[ThermodynamicCurves | None, tuple[Between, ...]]:
    """Return what a run folder holds of them; None and nothing where it was made without.

    Raises:
        StoreError: a file is damaged or of another version.
    """
    return read_made(folder / THERMODYNAMICS, curves_from), read_made(folder / BETWEEN, between_from) or ()


def curves_from(text: str) -> ThermodynamicCurves:
    """Return the thermodynamics that ``with_readings`` wrote.

    Raises:
        ValueError: the text is not that.
        KeyError: a part is missing.
        TypeError: a part is of another type.
    """
    return ThermodynamicCurves.from_dict(json.loads(text))


def with_readings(samples: Samples, plan: StudyPlan, model: LogitsModel, folder: Path) -> Samples:
    """Return samples with what the model says of some of them, and write the thermodynamics to the folder.

    What the folder holds of the same number of samples is kept; else it is made anew, and so is what lies between.

    Args:
        samples: of the run.
        plan: of the run.
        model: the model of the run.
        folder: the run folder.
    """
    curves, _ = read_curves(folder)
    if curves is None or curves.samples != len(samples.completions):
        curves = study_thermodynamics(model, plan, samples.completions)
        write_atomically(folder / THERMODYNAMICS, json.dumps(curves.as_dict(), allow_nan=False) + "\n")
        write_atomically(folder / BETWEEN, between_record(()))
    return replace(samples, read=curves.read)


def with_between(results: StudyResults, samples: Samples, model: LogitsModel, folder: Path) -> StudyResults:
    """Return results with estimates between temperatures, and write them to the folder, unless it holds them.

    Args:
        results: of the run, its values measured.
        samples: what the values were measured on.
        model: the model of the run.
        folder: the run folder.
    """
    if results.between or not untruncated(results.plan) or results.thermodynamics is None:
        return results
    found = study_between(model, results.plan, results.completions, _values(results, samples), results.thermodynamics)
    rows = tuple(_within(row) for row in found)
    write_atomically(folder / BETWEEN, between_record(rows))
    return replace(results, between=rows)


def _within(row: Between) -> Between:
    """Return a row whose interval ends where its measure does, as in the estimates of the study."""
    if row.low is None or row.high is None:
        return row
    measure = measure_of(row.measure)
    return replace(row, low=max(row.low, measure.low), high=min(row.high, measure.high))


def elsewhere(
    results: StudyResults, samples: Samples, model: LogitsModel, settings: Sequence[SamplingParams]
) -> list[tuple[SamplingParams, Between]]:
    """Return every measure of single texts at settings that were not sampled, or why it is refused.

    Args:
        results: of a run, its values measured.
        samples: what the values were measured on.
        model: the model of the run.
        settings: another T, top-k, top-p or min-p.

    Raises:
        ParameterError: the run was drawn with truncation or penalties, so that its texts say nothing of other settings.
    """
    if not untruncated(results.plan):
        raise ParameterError(
            "these texts were drawn with truncation or penalties, and say nothing of what those leave out: "
            "study the settings themselves",
            field="at",
        )
    found = reweight_texts(model, results.completions, _values(results, samples), settings)
    return [(params, _within(row_of(name, params.temperature, one))) for name, params, one in found]


def _values(results: StudyResults, samples: Samples) -> dict[str, np.ndarray]:
    """Return the measures of single texts, one number a completion in their order."""
    place = {(c.prompt_id, c.params.temperature, c.sample): i for i, c in enumerate(results.completions)}
    found = {}
    for (name,), frame in results.values.group_by("measure", maintain_order=True):
        measure = measure_of(str(name))
        # What costs a reading by a model is not tried again to see what it depends on.
        if measure.needs <= samples.provides - COSTLY and of_the_text(measure, samples):
            numbers = np.full(len(place), np.nan)
            keys = zip(frame["prompt_id"], frame["temperature"], frame["sample"], strict=True)
            numbers[[place[key] for key in keys]] = frame["value"].to_numpy()
            found[str(name)] = numbers
    return found
