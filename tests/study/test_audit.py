"""The audit: closed forms on made-up steps, agreement with the single step, and the published hidden setting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempering.models.onnx import OnnxModel
from tempering.params import SamplingParams
from tempering.sampling.equivalence import equivalent_temperature
from tempering.sampling.penalties import Context
from tempering.study.audit import (
    ALONE,
    AS_SET,
    Audit,
    acting_settings,
    audit,
    audit_from,
    audit_record,
    setups_of,
)
from tempering.study.plan import StudyPlan, make_plan
from tempering.study.steps import Steps, real_steps


def plan_of(**values: object) -> StudyPlan:
    return make_plan({"temperatures": [0, 0.5, 1, 2, math.inf]} | values)


def steps_of(logits: object, prompts: list[int]) -> Steps:
    rows = np.asarray(logits, dtype=np.float32)
    return Steps(rows, np.array(prompts), (Context(),) * len(rows))


@pytest.fixture(scope="module")
def published(model: OnnxModel) -> Audit:
    plan = plan_of(params={"top_k": 50, "min_p": 0.05, "order": "llama.cpp"})
    return audit(real_steps(model, plan), plan)


def test_setups_are_named_and_differ_by_one_setting() -> None:
    plan = plan_of(params={"top_k": 50, "min_p": 0.05, "top_p": 1.0, "order": "llama.cpp"})
    setups = setups_of(plan)
    assert list(setups) == [AS_SET, ALONE, "without top_k", "without min_p"]
    assert acting_settings(setups["without top_k"]) == {"min_p": 0.05}
    assert acting_settings(setups[ALONE]) == {}
    bare = setups_of(plan_of())["llama.cpp with its defaults"]
    assert acting_settings(bare) == {"top_k": 40, "top_p": 0.95, "min_p": 0.05}
    assert bare.order == "llama.cpp"


def test_an_engine_fills_in_only_what_is_not_sent() -> None:
    sent = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}
    assert not any("llama.cpp" in name for name in setups_of(plan_of(params=sent)))


def test_two_equally_likely_tokens_have_one_bit_at_every_temperature() -> None:
    found = audit(steps_of([[1, 1, 0, -1], [2, 2, -1, -9]], [0, 1]), plan_of(params={"top_k": 2}))
    rows = {row.temperature: row for row in found.of(AS_SET)}
    assert [row.kept.value for row in rows.values()] == [1, 2, 2, 2, 2]
    for t in (0.5, 1, 2, math.inf):
        assert rows[t].entropy.value == pytest.approx(math.log(2))
    assert rows[0].equivalent.value == 0
    assert [row.entropy.value for row in found.of(ALONE)][-1] == pytest.approx(math.log(4))


@pytest.mark.parametrize("t", [0.5, 1.0, 2.0])
def test_one_step_agrees_with_the_exact_equivalent_temperature(t: float) -> None:
    logits = np.random.default_rng(3).normal(0, 2, 200).astype(np.float32)
    params = {"top_k": 20, "order": "llama.cpp"}
    found = audit(steps_of([logits], [0]), plan_of(params=params, temperatures=[t]))
    exact = float(equivalent_temperature(logits, SamplingParams(temperature=t, top_k=20)))
    assert found.of(AS_SET)[0].equivalent.value == pytest.approx(exact, abs=0.005)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 4.0))
def test_temperature_alone_is_as_random_as_itself(seed: int, t: float) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, (6, 50))
    found = audit(steps_of(logits, [0, 0, 1, 1, 2, 2]), plan_of(temperatures=[t]))
    for row in (*found.of(ALONE), *found.of(AS_SET)):
        assert row.equivalent.value == pytest.approx(t, rel=1e-6)
        assert not row.capped


def test_the_published_hidden_setting_caps_temperature(published: Audit) -> None:
    """min-p 0.05 before T and top-k 50: T=2 is no more random than the bare model below T=1."""
    [at_two] = [row for row in published.of(AS_SET) if row.temperature == 2]
    assert at_two.capped
    assert at_two.equivalent.low <= at_two.equivalent.value <= at_two.equivalent.high < 1
    assert at_two.kept.value < 50
    assert at_two.entropy.n == 96
    assert at_two.entropy.clusters == 8
    kept = {row.kept.value for row in published.of(AS_SET) if row.temperature > 0}
    assert len(kept) == 1, "truncation before T keeps the same set at every T"
    assert {row.temperature for row in published.capped} == {1, 2}
    assert math.isinf(next(row for row in published.of(ALONE) if math.isinf(row.temperature)).equivalent.value)


def test_an_audit_survives_json(published: Audit) -> None:
    assert audit_from(audit_record(published)) == published


def test_steps_are_those_of_real_texts(model: OnnxModel) -> None:
    plan = plan_of(prompts=["Once upon a time", "The dragon"])
    steps = real_steps(model, plan, texts=2, length=5)
    assert steps.logits.shape == (10, 4096)
    assert steps.units.tolist() == [0] * 5 + [1] * 5
    assert [len(c.generated) for c in steps.contexts] == [0, 1, 2, 3, 4] * 2
    again = model.score((*steps.contexts[3].prompt, *steps.contexts[3].generated))[-1]
    np.testing.assert_allclose(steps.logits[3], again, atol=1e-3)


def test_penalties_act_on_the_text_so_far(model: OnnxModel) -> None:
    plan = plan_of(prompts=["Once upon a time"], params={"repetition_penalty": 1.5}, temperatures=[1])
    steps = real_steps(model, plan)
    assert audit(steps, plan).acting == {"repetition_penalty": 1.5}
    with_context = audit(steps, plan).of(AS_SET)[0].entropy.value
    without = audit(Steps(steps.logits, steps.units, (Context(),) * len(steps.logits)), plan)
    assert with_context != without.of(AS_SET)[0].entropy.value


def test_a_cap_is_seen_with_two_prompts(model: OnnxModel) -> None:
    """Two prompts give no interval that says anything: their texts are the units."""
    plan = plan_of(prompts=["Once upon a time", "The dog"], params={"top_k": 5, "order": "llama.cpp"})
    found = audit(real_steps(model, plan), plan)
    assert found.unit == "texts of 2 prompts"
    assert [row.temperature for row in found.capped][-1] == 2


def test_a_single_prompt_gives_several_texts(model: OnnxModel) -> None:
    plan = plan_of(prompts=["Once upon a time"], temperatures=[1])
    steps = real_steps(model, plan)
    assert set(steps.units.tolist()) == set(range(8))
    found = audit(steps, plan)
    assert found.unit == "texts of one prompt"
    assert found.of(AS_SET)[0].entropy.low < found.of(AS_SET)[0].entropy.high
