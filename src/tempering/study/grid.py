"""Temperatures placed by the model itself: equal steps of Fisher distance. Knows models by their protocol."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
from tempering.generation.decode import Request, generate, read_prompt
from tempering.models.base import LogitsModel
from tempering.sampling.thermodynamics import thermodynamics
from tempering.study.plan import StudyPlan, make_plan
from tempering.thermometer.reading import logits_of_ids

Values = NDArray[np.float64]
HIGHEST = 2.0
PILOT_PROMPTS, PILOT_TOKENS = 8, 48
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


def plan_with_temperatures(values: Mapping[str, Any], model: LogitsModel) -> StudyPlan:
    """Return the plan that these values describe, its temperatures as numbers also where they say ``auto:9``.

    The numbers depend on the model, the prompts and the seed alone, so that the same command resumes the same plan.

    Raises:
        PlanError, ParameterError: the values describe no plan.
    """
    wanted = automatic(values.get("temperatures"))
    if wanted is None:
        return make_plan(values)
    plan = make_plan({key: value for key, value in values.items() if key != "temperatures"})
    count, highest = wanted
    fine = np.linspace(highest / FINE, highest, FINE)
    steps = [thermodynamics(rows, fine).fisher_information for rows in _pilot(model, plan)]
    # From T = 0 on: below the finest step the information is that of the step.
    information = np.concatenate(steps).mean(axis=0)
    found = fisher_grid(information[[0, *range(FINE)]], np.concatenate([[0.0], fine]), count)
    digits = max(3, math.ceil(3 - math.log10(highest)))
    return make_plan(plan.model_dump(mode="json") | {"temperatures": sorted(set(found.round(digits).tolist()))})


def _pilot(model: LogitsModel, plan: StudyPlan) -> Iterator[NDArray[np.float32]]:
    """Yield the logits along one short text a prompt, drawn at T = 1."""
    tokens = min(PILOT_TOKENS, plan.max_tokens)
    chosen = plan.prompts[:: max(1, len(plan.prompts) // PILOT_PROMPTS)][:PILOT_PROMPTS]
    requests = [Request(p.content, plan.params_at(1.0), 0, p.id, tokens) for p in chosen]
    for done in sorted(generate(model, requests), key=lambda c: c.prompt_id):
        yield logits_of_ids(model, read_prompt(model, done.prompt).tokens, done.tokens or (0,))
