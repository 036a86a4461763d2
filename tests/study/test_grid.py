"""Automatic temperatures: equal Fisher distance in closed form, the same on every call, and refusals."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tempering.errors import ParameterError
from tempering.models.onnx import OnnxModel
from tempering.sampling.thermodynamics import thermodynamics
from tempering.study.grid import automatic, fisher_grid, with_automatic_temperatures
from tempering.study.plan import StudyPlan, make_plan
from tempering.study.steps import real_steps


@pytest.mark.parametrize("count", [2, 3, 9, 40])
def test_equal_distance_in_closed_form(count: int) -> None:
    """I = 4 T^2: the distance is T^2, so that temperatures are square roots of an even grid."""
    fine = np.linspace(0, 2, 4001)
    found = fisher_grid(4 * fine**2, fine, count)
    assert np.allclose(found, np.sqrt(np.linspace(0, 4, count)), atol=1e-3)


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(ParameterError, match="every temperature gives the same"):
        fisher_grid(np.zeros(5), np.arange(5.0), 3)
    with pytest.raises(ParameterError, match="at least 2"):
        fisher_grid(np.ones(5), np.arange(5.0), 1)


@pytest.mark.parametrize(
    "text", ["auto", "auto:", "auto:1", "auto:x", "auto:9:0", "auto:9:-1", "auto:9:1:2", "auto:99999"]
)
def test_what_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ParameterError, match="auto:COUNT"):
        automatic(text)


def test_other_temperatures_are_left_alone() -> None:
    assert automatic(None) is automatic([0.0, 1.0]) is automatic("0,1") is None


def test_temperatures_of_the_model_at_hand(model: OnnxModel) -> None:
    plan = make_plan({"prompts": ["Once upon a time", "The dog"], "max_tokens": 20})
    found = with_automatic_temperatures(plan, 6, 1.5, model)
    t = np.array(found.temperatures)
    assert (len(t), t[0], t[-1]) == (6, 0.0, 1.5)
    assert (np.diff(t) > 0).all()
    assert found == with_automatic_temperatures(plan, 6, 1.5, model)
    assert StudyPlan.model_validate_json(found.model_dump_json()) == found
    # Each step is about as long: the integral of sqrt(I) over each, by another rule, from the second T on.
    steps = real_steps(model, plan, length=24).logits
    lengths = []
    for low, high in pairwise(t[1:].tolist()):
        fine = np.linspace(low, high, 200)
        lengths.append(np.sqrt(thermodynamics(steps, fine).fisher_information.mean(axis=0)).mean() * (high - low))
    assert max(lengths) < 1.05 * min(lengths)
