"""Temperatures placed by the model itself: equal steps of Fisher distance. Knows models by their protocol."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
from tempering.models.base import Model, require_logits
from tempering.sampling.thermodynamics import thermodynamics
from tempering.study.plan import StudyPlan
from tempering.study.steps import real_steps

Values = NDArray[np.float64]
HIGHEST = 2.0
PILOT_TOKENS = 24
FINE = 200


def fisher_grid(information: ArrayLike, temperatures: ArrayLike, count: int) -> Values:
    """Return temperatures at equal Fisher distance, the integral of sqrt(I(T)) dT: each pair is as easy to tell apart.

    Args:
        information: Fisher information of T at ``temperatures``, shape [fine], >= 0.
        temperatures: ascending, the first is the lowest and the last the highest of the result.
        count: how many, >= 2.

    Raises:
        ParameterError: count is below 2, or T can nowhere be told apart.

    Example:
        >>> fine = np.linspace(1, 4, 1000)  # a scale parameter: I = 1 / T^2, so that equal distances are equal ratios
        >>> fisher_grid(fine**-2.0, fine, 3).round(3).tolist()
        [1.0, 2.0, 4.0]
    """
    speed, t = np.sqrt(np.asarray(information, dtype=np.float64)), np.asarray(temperatures, dtype=np.float64)
    if count < 2:
        raise ParameterError(f"an automatic grid needs at least 2 temperatures, got {count}", field="temperatures")
    length = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2 * np.diff(t))])
    if not length[-1] > 0:
        raise ParameterError("every temperature gives the same texts here; name temperatures", field="temperatures")
    result: Values = np.interp(np.linspace(0, length[-1], count), length, t)
    return result


def automatic(text: object) -> tuple[int, float] | None:
    """Return count and highest T of ``auto:COUNT`` or ``auto:COUNT:HIGHEST``; None if it is something else.

    Raises:
        ParameterError: it begins with auto and cannot be read.

    Example:
        >>> automatic("auto:9"), automatic("auto:5:1.5"), automatic("0:2:0.5")
        ((9, 2.0), (5, 1.5), None)
    """
    if not isinstance(text, str) or not text.strip().startswith("auto"):
        return None
    if match := re.fullmatch(r"auto:(\d{1,4})(?::(\d*\.?\d+))?", text.strip()):
        count, highest = int(match[1]), float(match[2] or HIGHEST)
        if count >= 2 and highest > 0:
            return count, highest
    raise ParameterError(
        f"automatic temperatures are auto:COUNT or auto:COUNT:HIGHEST (auto:9, auto:9:1.5), got {text!r}",
        field="temperatures",
    )


def with_automatic_temperatures(plan: StudyPlan, count: int, highest: float, model: Model) -> StudyPlan:
    """Return the plan with temperatures from 0 to ``highest`` at equal Fisher distance.

    The information is the mean over steps of short texts of the plan's prompts, drawn at T = 1. The numbers depend on
    the model, the prompts and the seed alone, so that the same command resumes the same plan.

    Raises:
        ParameterError: count is below 2.
        NoLogitsError: the model gives text only.
    """
    fine = np.linspace(highest / FINE, highest, FINE)
    steps = real_steps(require_logits(model), plan, length=PILOT_TOKENS)
    information = thermodynamics(steps.logits, fine).fisher_information.mean(axis=0)
    # From T = 0 on: below the finest temperature the information is taken to be what it is there.
    found = fisher_grid(information[[0, *range(FINE)]], np.concatenate([[0.0], fine]), count)
    digits = max(3, math.ceil(3 - math.log10(highest)))
    return plan.model_copy(update={"temperatures": tuple(sorted(set(found.round(digits).tolist())))})
