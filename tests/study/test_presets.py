"""The built-in studies: their plans on models of either kind, arms that resume, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tempering.errors import ParameterError, PlanError, StoreError
from tempering.models.base import Message
from tempering.models.onnx import OnnxModel
from tempering.study.arms import check_folder, folder_of, load_arms
from tempering.study.plan import StudyPlan
from tempering.study.presets.base import plans_of, preset, preset_names
from tempering.study.run import run_study

SMALL = {"temperatures": "0.5,1", "samples": 2, "max_tokens": 12}


class Chatting:
    """The embedded model as if it had a chat template."""

    def __init__(self, model: OnnxModel) -> None:
        self.model, self.info = model, model.info

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        return self.model.encode(messages[-1].content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_a_plan(name: str, model: OnnxModel) -> None:
    chosen = preset(name)
    given = {"prompts": ["Which? (A) one (B) two"]} if chosen.needs_prompts else {}
    plans = plans_of(chosen, model, given)
    assert list(plans) == (list(chosen.arms) or [""])
    for arm, plan in plans.items():
        assert (plan.preset, plan.arm, plan.name) == (name, arm, name)
        assert plan.samples == chosen.plan["samples"], "the size of the work unless told otherwise"
        assert StudyPlan.model_validate_json(plan.model_dump_json()) == plan
    assert chosen.source
    assert chosen.quick <= chosen.plan["samples"]


def test_the_published_settings_and_nothing_but_temperature(model: OnnxModel) -> None:
    plans = plans_of(preset("peeperkorn-2024"), model, {})
    published, alone = plans["as-published"], plans["temperature-alone"]
    assert published.params == {"top_k": 50, "min_p": 0.05, "order": "llama.cpp"}
    assert alone.params == {}
    assert published.temperatures == alone.temperatures == (0.001, 0.334, 0.667, 1.0, 1.334, 1.667, 2.0)
    assert published.differences(alone) == ["params", "arm"]
    steps = published.params_at(1.0).steps
    assert steps.index("min_p") < steps.index("temperature"), "the hidden min-p acts before T"


def test_the_context_limits_the_length_unless_told_otherwise(model: OnnxModel) -> None:
    [plan, _] = plans_of(preset("peeperkorn-2024"), model, {}).values()
    room = model.info.context - len(model.encode("Once upon a time"))
    assert plan.max_tokens == room < 4096
    [plan, _] = plans_of(preset("peeperkorn-2024"), model, {"max_tokens": 30}).values()
    assert plan.max_tokens == 30


def test_a_model_with_a_template_is_asked_and_another_continues(model: OnnxModel) -> None:
    [plan, _] = plans_of(preset("peeperkorn-2024"), model, {}).values()
    assert plan.prompts[0].text == "Once upon a time"
    [plan, _] = plans_of(preset("peeperkorn-2024"), Chatting(model), {"max_tokens": 9}).values()
    assert plan.prompts[0].messages == (Message("user", "Write a story."), Message("assistant", "Here it is:\n\n"))


def test_what_is_given_wins(model: OnnxModel) -> None:
    given = SMALL | {"prompts": ["The dragon"], "params": {"top_k": 9}, "seed": 4, "name": "mine"}
    plans = plans_of(preset("peeperkorn-2024"), model, given)
    for plan in plans.values():
        assert (plan.prompts[0].text, plan.samples, plan.seed, plan.name) == ("The dragon", 2, 4, "mine")
        assert plan.params["top_k"] == 9
    assert plans["as-published"].params["min_p"] == 0.05


def test_what_cannot_be_run_is_refused(model: OnnxModel, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"preset must be one of peeperkorn-2024, phases, probes, .* got 'nope'"):
        preset("nope")
    with pytest.raises(PlanError, match="renze-2024 needs --prompts FILE"):
        plans_of(preset("renze-2024"), model, {})
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(StoreError, match="holds a study of one run"):
        check_folder(tmp_path, ["a", "b"])
    check_folder(tmp_path, [""])
    with pytest.raises(StoreError, match="is not a run folder"):
        load_arms(tmp_path / "nothing")


def test_arms_are_run_folders_that_share_their_noise(model: OnnxModel, tmp_path: Path) -> None:
    plans = plans_of(preset("peeperkorn-2024"), model, SMALL)
    for arm, plan in plans.items():
        run_study(plan, model, folder_of(tmp_path, arm))
    arms = load_arms(tmp_path)
    assert list(arms) == ["as-published", "temperature-alone"]
    for arm, results in arms.items():
        assert results.plan.arm == arm
        assert len(results.completions) == 4
        assert results.audit is not None
        assert results.audit.unit == "texts of one prompt"
    before = (tmp_path / "as-published" / "samples.jsonl").read_bytes()
    run_study(plans["as-published"], model, tmp_path / "as-published")
    assert (tmp_path / "as-published" / "samples.jsonl").read_bytes() == before, "complete: nothing is generated"
    with pytest.raises(PlanError, match="another plan"):
        run_study(plans["temperature-alone"], model, tmp_path / "as-published")
