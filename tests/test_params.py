"""SamplingParams: what is refused, in which words, and what is kept."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tempering import SamplingParams
from tempering.errors import ParameterError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -1),
        ("temperature", math.nan),
        ("temperature", "abc"),
        ("temperature", None),
        ("temperature", True),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_k", math.inf),
        ("top_p", 0),
        ("top_p", 1.01),
        ("min_p", 1.01),
        ("typical_p", 0),
        ("top_n_sigma", -0.1),
        ("epsilon", 1),
        ("eta", 1),
        ("top_h", 1.1),
        ("p_less", 2),
        ("p_less", 0.5),
        ("xtc_probability", 1.1),
        ("xtc_threshold", 0),
        ("mirostat_tau", math.inf),
        ("mirostat_eta", 0),
        ("dynatemp_range", -1),
        ("dynatemp_exponent", 0),
        ("edt_theta", math.nan),
        ("smoothing_factor", math.inf),
        ("smoothing_curve", 3.5),
        ("dry_multiplier", -0.1),
        ("dry_base", 0.9),
        ("dry_allowed_length", 1.5),
        ("ties", "some"),
        ("repetition_penalty", 0),
        ("frequency_penalty", math.inf),
        ("seed", -1),
        ("seed", 2**64),
        ("order", "unknown-engine"),
        ("order", ("temperature", "top_q")),
        ("order", ("top_k",)),
        ("order", ("temperature", "temperature")),
    ],
)
def test_refusals_name_the_field(field: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=field) as caught:
        SamplingParams(**{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("temperature", [0, 1e-300, 2, 1e300, math.inf])
def test_every_temperature_from_zero_up_is_accepted(temperature: float) -> None:
    assert SamplingParams(temperature=temperature).temperature == temperature


def test_a_rule_that_the_order_leaves_out_is_refused() -> None:
    with pytest.raises(ParameterError, match="min_p is set but the order leaves it out"):
        SamplingParams(min_p=0.1, order=("temperature", "top_p"))


def test_round_trip_through_json_values() -> None:
    params = SamplingParams(temperature=math.inf, top_k=5, order=("top_k", "temperature"), seed=2**64 - 1)
    assert SamplingParams(**params.as_dict()) == params
