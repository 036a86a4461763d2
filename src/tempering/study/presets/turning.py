"""The curves of a run's steps over T, kept beside it, and the turning point of its fixed texts. Knows run folders."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.thermodynamics import thermodynamics
from tempering.statistics.turning import FINE, TurningPoint, turning_of_steps
from tempering.study.plan import StudyPlan
from tempering.study.steps import Steps
from tempering.study.store import read_made

Values = NDArray[np.float64]
TURN, STEP_CURVES = "turn-2025", "step_curves.json"
QUANTITIES = ("entropy", "entropy_slope", "entropy_curvature")


def step_curves(steps: Steps, temperatures: Values) -> dict[str, Values]:
    """Return entropy and its closed-form derivatives, mean over the steps of each unit, shape [units, grid].

    Args:
        steps: logits at steps of real texts.
        temperatures: shape [grid], > 0 and finite.
    """
    facts = thermodynamics(steps.logits, temperatures)
    names = np.unique(steps.units)
    return {
        quantity: np.stack([getattr(facts, quantity)[steps.units == name].mean(axis=0) for name in names])
        for quantity in QUANTITIES
    }


def step_curves_record(steps: Steps, plan: StudyPlan) -> str:
    """Return JSON for ``step_curves.json``: the curves of the steps over the range of the plan's temperatures."""
    finite = [t for t in plan.temperatures if 0 < t < math.inf]
    grid = np.linspace(min(finite, default=0.1), max(finite, default=2.0), FINE)
    curves = {name: values.round(9).tolist() for name, values in step_curves(steps, grid).items()}
    return json.dumps({"temperatures": grid.tolist(), "steps": len(steps.units)} | curves) + "\n"


def read_turning(folder: Path) -> TurningPoint | None:
    """Return the turning point of the fixed texts of a run; None in a folder that was made without.

    Raises:
        StoreError: the file is damaged or of another version.
    """
    return read_made(folder / STEP_CURVES, turning_from)


def turning_from(text: str) -> TurningPoint:
    """Return the turning point of what ``step_curves_record`` wrote.

    Raises:
        ValueError: the text is not that.
        KeyError: a part is missing.
        TypeError: a part is of another type.
    """
    record = json.loads(text)
    x, *curves = (np.array(record[name], dtype=np.float64) for name in ("temperatures", *QUANTITIES))
    return turning_of_steps(x, *curves, n=int(record["steps"]))
