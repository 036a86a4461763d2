"""The task: prompts, expected answers, a grader, prompts held out. Knows files; knows nothing of models or goals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tempering.errors import ParameterError, PlanError
from tempering.params import SamplingParams
from tempering.study.files import read_yaml
from tempering.study.plan import make_plan, read_plan_file
from tempering.study.prompts import Prompt, read_prompts
from tempering.tuning.prompts import OPENINGS

HELD_OUT = 1 / 3
"""Share of the prompts that is held out where the task names none."""

TEMPERATURES = tuple(round(0.05 * step, 2) for step in range(41))


class TuneTask(BaseModel):
    """What to tune on; the same keys in a YAML file.

    Attributes:
        name: of the task and its folder.
        prompts: at least one; ids are unique.
        held_out: prompts for the confirmation alone; a third of the prompts, chosen by the seed, unless given.
        grader: how answers are graded (see ``measures.graders``); exact unless given, where there are expected answers.
        max_tokens: the longest a text may become, >= 1.
        temperatures: the candidates, ascending.
        params: further fields of ``SamplingParams``, the same at every temperature.

    Example:
        >>> task = TuneTask(prompts=[{"id": "a", "text": "Why?"}])
        >>> len(task.prompts), len(task.temperatures)
        (1, 41)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="stories", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    prompts: tuple[Prompt, ...] = Field(
        default=tuple(Prompt(id=name, text=text) for name, text in OPENINGS), min_length=1
    )
    held_out: tuple[Prompt, ...] = ()
    grader: str | dict[str, Any] | None = None
    max_tokens: int = Field(default=80, ge=1)
    temperatures: tuple[float, ...] = TEMPERATURES
    params: dict[str, Any] = Field(default_factory=dict)

    @field_validator("prompts", "held_out", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            if blank := [place for place, item in enumerate(value, 1) if isinstance(item, str) and not item.strip()]:
                raise ValueError(f"prompt {blank[0]} is empty")
            return [Prompt.of(item) if isinstance(item, str) else item for item in value]
        return value

    @field_validator("temperatures", mode="before")
    @classmethod
    def _range(cls, value: object) -> object:
        from tempering.study.plan import temperatures_of  # noqa: PLC0415

        return temperatures_of(value) if isinstance(value, str | int | float) else value

    @model_validator(mode="after")
    def _checked(self) -> TuneTask:
        # A study's plan checks the same things: ids, empty prompts, temperatures, sampling fields.
        values = self.model_dump(mode="json", include={"name", "max_tokens", "params"})
        plan = make_plan(values | {"prompts": (*self.prompts, *self.held_out), "temperatures": self.temperatures})
        if len(plan.temperatures) < 2:
            raise ParameterError("a search needs two temperatures or more", field="temperatures")
        if not np.isfinite(plan.temperatures).all():
            raise ParameterError("a search needs finite temperatures", field="temperatures")
        object.__setattr__(self, "temperatures", plan.temperatures)
        object.__setattr__(self, "params", plan.params)
        return self

    @property
    def graded(self) -> bool:
        """Whether there is something to grade answers by."""
        return self.grader is not None or any(prompt.expected for prompt in self.prompts)

    def as_chat(self, system: str = "") -> TuneTask:
        """Return the task with every text as a user's message, after the system's if there is one."""
        changed = {name: tuple(p.as_chat(system) for p in getattr(self, name)) for name in ("prompts", "held_out")}
        return self.model_copy(update=changed)

    def base(self, seed: int) -> SamplingParams:
        """Return the settings that every candidate shares."""
        return SamplingParams(**self.params, seed=seed)

    def split(self, seed: int) -> tuple[tuple[Prompt, ...], tuple[Prompt, ...]]:
        """Return the prompts to search with and those held out: as given, or split by prompt.

        Fewer than three prompts are not split: the confirmation then has fresh texts of the same prompts.
        """
        if self.held_out or len(self.prompts) < 3:
            return self.prompts, self.held_out
        count = max(1, round(HELD_OUT * len(self.prompts)))
        chosen = set(np.random.default_rng([seed, 7]).permutation(len(self.prompts))[:count].tolist())
        first = tuple(p for i, p in enumerate(self.prompts) if i not in chosen)
        return first, tuple(p for i, p in enumerate(self.prompts) if i in chosen)


def make_task(values: dict[str, Any]) -> TuneTask:
    """Return the task that these values describe.

    Raises:
        PlanError: a key is wrong; the message names it.
    """
    try:
        return TuneTask(**values)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, ParameterError | PlanError):
            raise cause from None
        raise PlanError(
            f"task: {place}: {cause or first['msg']}" if place else f"task: {cause or first['msg']}"
        ) from None


def read_task(path: Path) -> dict[str, Any]:
    """Return the keys of a task file: YAML with ``prompts``, or prompts alone (JSON Lines, CSV, a text a line).

    Raises:
        PlanError: it cannot be read, or holds no prompt.
    """
    if path.suffix in {".yaml", ".yml", ".json"}:
        if not read_yaml(path):
            raise PlanError(f"{path} holds no prompt: the task is empty")
        values = read_plan_file(path)
        if isinstance(held := values.get("held_out"), str):
            values["held_out"] = read_prompts(path.parent / held)
        if not values.get("prompts"):
            raise PlanError(f"{path} holds no prompt: the task is empty")
    else:
        values = {"prompts": read_prompts(path)}
    values.setdefault("name", path.stem)
    return values
