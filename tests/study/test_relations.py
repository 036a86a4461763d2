"""Slopes, correlations and comparisons: known answers, the unit of a single prompt, what cannot be had."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from tempering.errors import ParameterError
from tempering.study.comparisons import comparisons_of, margins_of, reference_of
from tempering.study.plan import StudyPlan, make_plan
from tempering.study.relations import changes_of, correlations_of, curves_of, headlines, slopes_of, units

TEMPERATURES = (0.0, 1.0, 2.0)


def plan_of(prompts: int, samples: int = 2) -> StudyPlan:
    texts = [{"id": f"p{index}", "text": f"text {index}"} for index in range(prompts)]
    return make_plan({"prompts": texts, "temperatures": TEMPERATURES, "samples": samples})


def values_of(plan: StudyPlan, measures: dict[str, float], *, noise: float = 0.0) -> pl.DataFrame:
    """Return values with a slope a measure, an intercept a prompt, and noise that is common to all T."""
    generator, rows = np.random.default_rng(1), []
    for name, slope in measures.items():
        for index, prompt in enumerate(plan.prompts):
            for sample in range(plan.samples):
                luck = generator.normal()
                for t in plan.temperatures:
                    own = noise * generator.normal()
                    rows.append((prompt.id, t, sample, name, index + luck + slope * t + own))
    return pl.DataFrame(rows, schema=["prompt_id", "temperature", "sample", "measure", "value"], orient="row")


def test_a_slope_is_found_whatever_the_intercepts() -> None:
    plan = plan_of(4)
    [row] = slopes_of(values_of(plan, {"tokens": 3.0}, noise=0.01), plan).to_dicts()
    assert row["slope"] == pytest.approx(3.0, abs=0.02)
    assert row["low"] < 3.0 < row["high"]
    assert row["p"] < 1e-4
    assert (row["n"], row["units"]) == (24, 4)


def test_slopes_agree_with_a_t_test_over_prompts() -> None:
    from scipy import stats

    plan = plan_of(5, samples=3)
    values = values_of(plan, {"tokens": 0.3}, noise=1.0)
    per_prompt = [
        float(np.polyfit(part["temperature"].to_numpy(), part["value"].to_numpy(), 1)[0])
        for (_,), part in values.group_by("prompt_id", maintain_order=True)
    ]
    [row] = slopes_of(values, plan).to_dicts()
    assert row["slope"] == pytest.approx(np.mean(per_prompt))
    assert row["p"] == pytest.approx(stats.ttest_1samp(per_prompt, 0).pvalue)


def test_the_unit_of_a_single_prompt_is_the_sample_index() -> None:
    plan = plan_of(1, samples=6)
    values = values_of(plan, {"tokens": 1.0}, noise=0.1)
    assert set(units(values, plan).tolist()) == set(range(6))
    [row] = slopes_of(values, plan).to_dicts()
    assert row["units"] == 6
    assert row["low"] < 1.0 < row["high"]


def test_headlines_take_the_first_measure_of_a_criterion() -> None:
    assert headlines(["tokens", "ended", "unique_word_share"]) == {"length": "tokens", "novelty": "unique_word_share"}


def test_correlations_pair_the_values_of_a_text() -> None:
    plan = plan_of(6)
    values = values_of(plan, {"tokens": 1.0})
    twin = values.with_columns(pl.lit("unique_word_share").alias("measure"), -pl.col("value"))
    names = {"length": "tokens", "novelty": "unique_word_share"}
    [row] = correlations_of(pl.concat([values, twin]), plan, names).to_dicts()
    assert row["rho"] == pytest.approx(-1)
    assert row["n"] == 36


def test_comparisons_cancel_the_noise_that_is_common() -> None:
    plan = plan_of(5)
    found = comparisons_of(values_of(plan, {"tokens": 2.0}, noise=0.05), plan, ["tokens"], 1.0)
    rows = {row["temperature"]: row for row in found.to_dicts()}
    assert set(rows) == {0.0, 2.0}
    assert rows[0.0]["difference"] == pytest.approx(-2.0, abs=0.1)
    assert rows[2.0]["difference"] == pytest.approx(2.0, abs=0.1)
    assert all(row["p"] < 0.05 and row["n"] == 10 for row in rows.values())
    assert all(0 < row["detectable"] < 1 for row in rows.values())


def test_without_an_effect_the_answer_is_how_small_an_effect_would_be_seen() -> None:
    plan = plan_of(8)
    found = comparisons_of(values_of(plan, {"tokens": 0.0, "ended": 0.0}, noise=1.0), plan, ["tokens", "ended"], 1.0)
    assert found.height == 4
    assert found["p"].min() > 0.05  # type: ignore[operator]
    assert (found["detectable"] > (found["high"] - found["low"]) / 2).all()


def test_false_alarms_of_the_family_stay_below_five_percent() -> None:
    """200 studies without an effect, 4 comparisons each: at most 5 %, up to 3 standard errors (9.6 %)."""
    generator, alarms = np.random.default_rng(5), 0
    plan = plan_of(6, samples=1)
    frame = values_of(plan, {"tokens": 0.0, "ended": 0.0})
    for _ in range(200):
        values = frame.with_columns(pl.Series("value", generator.normal(size=frame.height)))
        found = comparisons_of(values, plan, ["tokens", "ended"], 1.0)
        alarms += bool((found["p"] < 0.05).any())
    assert alarms / 200 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_what_cannot_be_compared_is_null() -> None:
    plan = plan_of(3)
    values = values_of(plan, {"tokens": 0.0}).with_columns(pl.lit(1.0).alias("value"))
    [first, _] = comparisons_of(values, plan, ["tokens"], 1.0).to_dicts()
    assert first["difference"] == 0
    assert first["p"] is None
    one = values.filter(pl.col("prompt_id") == "p0")
    assert comparisons_of(one, plan, ["tokens"], 1.0)["p"].null_count() == 2
    assert slopes_of(one, plan)["p"].to_list() == [None]
    empty = values.with_columns(pl.lit(None, dtype=pl.Float64).alias("value"))
    assert slopes_of(empty, plan)["slope"].to_list() == [None]


def test_the_reference_is_a_temperature_of_the_plan() -> None:
    plan = plan_of(2)
    assert reference_of(plan) == 1.0
    assert reference_of(plan, 0.0) == 0.0
    with pytest.raises(ParameterError, match=r"against must be a temperature of the study \(0, 1, 2\), got 0\.7"):
        reference_of(plan, 0.7)


def test_margins_are_read_and_refused() -> None:
    assert margins_of(["accuracy=0.05", "tokens=3"]) == {"accuracy": 0.05, "tokens": 3.0}
    for text, said in (
        ("tokens", "MEASURE=VALUE"),
        ("tokens=0", "above 0"),
        ("tokens=inf", "above 0"),
        ("no=1", "no measure"),
    ):
        with pytest.raises(ParameterError, match=said):
            margins_of([text])
    plan = plan_of(4)
    with pytest.raises(ParameterError, match="was not measured"):
        comparisons_of(values_of(plan, {"tokens": 0.0}), plan, ["tokens"], 1.0, {"accuracy": 0.1})


def test_the_same_within_a_margin_is_shown_and_not_assumed() -> None:
    """A true difference of 1 a unit of T: the same within 3, not within 0.5; a measure with a margin is compared."""
    plan = plan_of(8)
    values = values_of(plan, {"tokens": 1.0}, noise=0.3)
    wide = comparisons_of(values, plan, [], 1.0, {"tokens": 3.0})
    assert (wide["p_equivalent"] < 0.05).all()
    assert (wide["margin"] == 3.0).all()
    narrow = comparisons_of(values, plan, ["tokens"], 1.0, {"tokens": 0.5})
    assert (narrow["p_equivalent"] > 0.05).all()
    assert comparisons_of(values, plan, ["tokens"], 1.0)["p_equivalent"].null_count() == 2


def test_comparisons_carry_effect_sizes() -> None:
    plan = plan_of(6)
    for row in comparisons_of(values_of(plan, {"tokens": 1.0}, noise=0.5), plan, ["tokens"], 1.0).to_dicts():
        sign = math.copysign(1, row["difference"])
        assert sign * row["d"] > 0
        assert sign * row["delta"] > 0
        assert row["d_low"] <= row["d"] <= row["d_high"]


FINE = tuple(i / 4 for i in range(9))


def bent(plan: StudyPlan, bend: float) -> pl.DataFrame:
    """Return shares flat up to T = 1 and then with a slope, around a level a prompt."""
    generator = np.random.default_rng(2)
    rows = [
        (
            prompt.id,
            t,
            sample,
            "unique_word_share",
            0.2 + 0.01 * index + bend * max(t - 1, 0) + 0.02 * generator.normal(),
        )
        for index, prompt in enumerate(plan.prompts)
        for sample in range(plan.samples)
        for t in plan.temperatures
    ]
    return pl.DataFrame(rows, schema=["prompt_id", "temperature", "sample", "measure", "value"], orient="row")


def fine_plan(temperatures: tuple[float, ...] = FINE) -> StudyPlan:
    texts = [{"id": f"p{index}", "text": f"text {index}"} for index in range(8)]
    return make_plan({"prompts": texts, "temperatures": temperatures, "samples": 2})


def test_a_change_of_slope_is_found_in_its_place_and_not_invented() -> None:
    plan = fine_plan()
    [row] = changes_of(bent(plan, 0.3), plan, ["unique_word_share"]).to_dicts()
    assert row["low"] <= 1 <= row["high"]
    assert row["after"] == pytest.approx(0.3, abs=0.05)
    [still] = changes_of(bent(plan, 0.0), plan, ["unique_word_share"]).to_dicts()
    assert still["temperature"] is None
    assert still["n"] == 8 * 2 * 9
    few = fine_plan(TEMPERATURES)
    assert changes_of(bent(few, 0.3), few, ["unique_word_share"]).is_empty()


def test_smooth_curves_lie_in_their_bands_and_in_the_range_of_the_measure() -> None:
    plan = fine_plan((*FINE, math.inf))
    finite = bent(plan, 0.3).with_columns(pl.col("value").clip(0, 1))
    curve = curves_of(finite, plan)
    assert curve["temperature"].max() == 2
    assert ((curve["low"] <= curve["value"]) & (curve["value"] <= curve["high"])).all()
    assert curve["low"].min() >= 0  # type: ignore[operator]
    assert float(curve["value"][0]) == pytest.approx(0.235, abs=0.03)
    two = fine_plan((0.0, 1.0))
    assert curves_of(bent(two, 0.3), two).is_empty()
