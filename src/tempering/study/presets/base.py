"""The built-in studies as data: what is asked for, and the plans that it means on a model. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from tempering.errors import ChatTemplateError, ParameterError, PlanError
from tempering.generation.prompts import read_prompt
from tempering.models.base import ChatModel, Message, Model, TextModel, conversation
from tempering.models.openai import OpenAIModel
from tempering.study.plan import StudyPlan, make_plan
from tempering.study.prompts import Prompt


class PresetPrompt(BaseModel):
    """One prompt in two forms.

    Attributes:
        id: what its noise is keyed by.
        chat: the message to a model that was trained on conversations.
        begun: words that are put into that model's mouth, where it can be made to go on from them.
        text: the beginning of a text for a model that was not.
        expected: the answers that are valid, if it is a question.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    chat: str
    begun: str = ""
    text: str
    expected: tuple[str, ...] = ()

    def for_model(self, model: Model) -> Prompt:
        """Return the form that fits a model."""
        asked = conversation(self.chat)
        begun = (*asked, Message("assistant", self.begun)) if self.begun else asked
        if isinstance(model, TextModel):
            goes_on = isinstance(model, OpenAIModel) and model.dialect.prefill is not None
            return Prompt(id=self.id, messages=begun if goes_on else asked, expected=self.expected)
        if isinstance(model, ChatModel):
            try:
                model.encode_chat(asked)
                return Prompt(id=self.id, messages=begun, expected=self.expected)
            except ChatTemplateError:
                pass
        return Prompt(id=self.id, text=self.text, expected=self.expected)


class Preset(BaseModel):
    """A built-in study.

    Attributes:
        name: what it is called on the command line.
        title: of the work that it follows.
        source: of that work.
        what: it does, in one line.
        plan: keys of a plan, at the size of the work.
        prompts: its own prompts, if it has any; else those of the plan, or the built-in ones.
        needs_prompts: whether the user has to give prompts.
        quick: a number of samples with which the embedded model needs about a minute.
        arms: for each arm its sampling fields; empty for a study that is one run.
        against: the reference temperature; the plan's nearest to 1 if None.
        published: figures of the work, to stand beside what is found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    source: str
    what: str
    plan: dict[str, Any]
    prompts: tuple[PresetPrompt, ...] = ()
    needs_prompts: bool = False
    quick: int = Field(ge=1)
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    against: float | None = None
    published: dict[str, Any] = Field(default_factory=dict)


def preset_names() -> list[str]:
    """Return the names of the built-in studies.

    Example:
        >>> preset_names()
        ['peeperkorn-2024', 'phases', 'probes', 'probes-pt', 'renze-2024', 'turn-2025']
    """
    here = files("tempering.study.presets").iterdir()
    return sorted(item.name.removesuffix(".yaml") for item in here if item.name.endswith(".yaml"))


def preset(name: str) -> Preset:
    """Return a built-in study.

    Raises:
        ParameterError: there is none of that name; the message lists them.

    Example:
        >>> list(preset("peeperkorn-2024").arms)
        ['as-published', 'temperature-alone']
    """
    if name not in preset_names():
        raise ParameterError(f"preset must be one of {', '.join(preset_names())}, got {name!r}", field="preset")
    text = files("tempering.study.presets").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return Preset(name=name, **yaml.safe_load(text))


def plans_of(chosen: Preset, model: Model, values: Mapping[str, Any]) -> dict[str, StudyPlan]:
    """Return the plan of each arm on a model, or one plan under the empty name.

    Args:
        chosen: the built-in study.
        model: decides the form of the prompt, and how many tokens its context leaves if ``values`` does not say.
        values: keys of a plan that win over those of the study.

    Raises:
        PlanError: the study needs prompts and there are none.
        UsageError: the values are no plan.
    """
    if chosen.needs_prompts and not values.get("prompts"):
        raise PlanError(f"{chosen.name} needs --prompts FILE: questions with their expected answers")
    merged = {"name": chosen.name} | chosen.plan | dict(values) | {"preset": chosen.name}
    if chosen.prompts and "prompts" not in values:
        merged["prompts"] = [prompt.for_model(model) for prompt in chosen.prompts]
    if "max_tokens" not in values:
        merged["max_tokens"] = _room(make_plan(merged), model)
    own = dict(values.get("params") or {})
    arms = chosen.arms or {"": {}}
    return {
        name: make_plan(merged | {"arm": name, "params": dict(chosen.plan.get("params", {})) | fields | own})
        for name, fields in arms.items()
    }


def _room(plan: StudyPlan, model: Model) -> int:
    """Return the plan's limit, or what the context of the model leaves after the longest prompt."""
    if isinstance(model, TextModel):
        return plan.max_tokens
    longest = max(len(read_prompt(model, prompt.content).tokens) for prompt in plan.prompts)
    return max(1, min(plan.max_tokens, model.info.context - longest))
