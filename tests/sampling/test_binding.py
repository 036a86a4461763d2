"""The truncation report: known crossings of rules, and what is dropped adds up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempering import SamplingParams, facts
from tempering.errors import LogitsError
from tempering.sampling.binding import truncation_report


def test_the_temperature_at_which_top_k_takes_over_from_min_p() -> None:
    """Logits 0, -1, -2, ...: min-p a keeps those >= T log a, top-k 4 decides as soon as that is more than 4."""
    z, a = -np.arange(50.0), 0.1
    report = truncation_report(z, SamplingParams(min_p=a, top_k=4))
    crossing = 4 / -math.log(a)
    together = 3 / -math.log(a)  # from here on min-p keeps exactly the four
    [below, both, above] = report.spans
    assert below.decides == ("min_p",)
    assert below.idle == ("top_k",)
    assert math.isclose(below.high, together, rel_tol=0.02)
    assert set(both.decides) == set(both.idle) == {"top_k", "min_p"}
    assert math.isclose(both.high, crossing, rel_tol=0.02)
    assert above.decides == ("top_k",)
    assert above.idle == ("min_p",)
    assert report.sentences() == [
        "top-k decides above T=1.30; inactive below T=1.74",
        "min-p decides below T=1.74; inactive above T=1.30",
    ]


def test_rules_that_cut_together_say_so() -> None:
    """Two kinds of rows: each rule decides half of them, so neither decides most."""
    flat, steep = np.zeros(30), -np.arange(30.0) * 3
    report = truncation_report(np.stack([flat, steep]), SamplingParams(min_p=0.3, top_k=4))
    by_rule = {rule.rule: rule for rule in report.rules}
    assert by_rule["top_k"].decides == 0.5
    assert by_rule["min_p"].decides == 0.5


@settings(deadline=None, max_examples=30)
@given(
    st.floats(0.2, 3), st.sampled_from([{"top_k": 5, "top_p": 0.7}, {"min_p": 0.1, "eta": 0.1, "order": "llama.cpp"}])
)
def test_what_the_rules_drop_adds_up(temperature: float, rules: dict[str, float]) -> None:
    z = np.random.default_rng(3).normal(size=(6, 40)) * 2
    params = SamplingParams(temperature=temperature, **rules)  # type: ignore[arg-type]
    report, known = truncation_report(z, params), facts(z, params)
    assert math.isclose(report.dropped, 1 - known.kept_mass.mean(), abs_tol=1e-12)
    assert math.isclose(report.dropped, sum(rule.dropped for rule in report.rules), abs_tol=1e-12)
    assert math.isclose(report.kept, 40 - sum(rule.removed for rule in report.rules), abs_tol=1e-9)
    assert report.spans[0].low == 0.1
    assert report.spans[-1].high == 4
    assert all(a.high == b.low for a, b in zip(report.spans[:-1], report.spans[1:], strict=True))


def test_a_rule_that_does_nothing_is_called_inactive() -> None:
    assert truncation_report([3.0, 2.0], SamplingParams(top_k=5)).sentences() == ["top-k inactive at every T"]
    assert truncation_report([3.0, 2.0, 1.0], SamplingParams(top_k=1)).sentences() == ["top-k decides at every T"]


def test_nothing_to_report_and_bad_rows() -> None:
    report = truncation_report([1.0, 0.0], SamplingParams())
    assert (report.kept, report.dropped, report.rules, report.spans) == (2, 0, (), ())
    with pytest.raises(LogitsError, match="NaN"):
        truncation_report([math.nan, 0.0], SamplingParams(top_k=1))
