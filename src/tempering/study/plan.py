"""The plan of a study: which prompts, temperatures and samples. Knows nothing of models or of where results lie."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
)

from tempering.errors import ParameterError, PlanError
from tempering.measures.graders import grader_options
from tempering.models.base import shown_prompt
from tempering.params import SamplingParams
from tempering.study.files import read_yaml
from tempering.study.prompts import STORY_OPENINGS, Prompt, read_prompts

TEMPERATURES = (0.0, 0.3, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.5, 2.0)
MAX_RANGE = 10_000
MEASURING = ("grader", "corpus", "references", "reread", "embeddings", "judge", "judge_temperature")
"""Keys of a plan that say how texts are measured, not which are written."""


Temperature = Annotated[
    float,
    BeforeValidator(lambda value: math.inf if value == "inf" else value),
    PlainSerializer(lambda value: "inf" if math.isinf(value) else value),
]


class StudyPlan(BaseModel):
    """What a study is to do; frozen, validated, and the same in YAML, in flags and in ``plan.json``.

    Attributes:
        name: the name of the run folder and the title of the report.
        model: a model name, such as ``embedded`` or ``onnx:./folder``.
        prompts: at least one prompt; ids are unique.
        temperatures: at least one, ascending, each once; 0 and ``inf`` are allowed.
        samples: samples of each prompt at each temperature, >= 1.
        max_tokens: the longest a completion may become, >= 1.
        seed: the seed of all noise; the same sample index uses the same noise at every temperature.
        params: further fields of ``SamplingParams`` (top_p, order, ...), the same at every temperature.
        grader: how answers are graded, see ``tempering.measures.graders``; None is ``exact`` where prompts have
            expected answers, and nothing is graded where they have none.
        corpus: a file or folder with the text that the model was trained on, see ``tempering.measures.corpus``.
        references: a file or folder, of the same kinds, with texts of the kind that is wanted.
        reread: let the model read its texts again, for the measures that need it; takes as long as the generation.
        embeddings: a model of embeddings, see ``tempering.measures.embeddings``.
        judge: the name of a model that judges the texts.
        judge_temperature: what it answers at.
        preset: the built-in study that it is of, if any.
        arm: the arm of that study, if it has several.

    Example:
        >>> plan = StudyPlan()
        >>> len(plan.prompts), len(plan.temperatures), plan.samples, plan.size
        (8, 10, 3, 240)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="stories", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    model: str = Field(default="embedded", min_length=1)
    prompts: tuple[Prompt, ...] = Field(
        default=tuple(Prompt(id=name, text=text) for name, text in STORY_OPENINGS), min_length=1
    )
    temperatures: tuple[Temperature, ...] = Field(default=TEMPERATURES, min_length=1)
    samples: int = Field(default=3, ge=1)
    max_tokens: int = Field(default=160, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**64)
    params: dict[str, Any] = Field(default_factory=dict)
    grader: str | dict[str, Any] | None = None
    corpus: str | None = None
    references: str | None = None
    reread: bool = False
    embeddings: str | None = None
    judge: str | None = None
    judge_temperature: Annotated[float, Field(ge=0)] = 0.0
    preset: str = ""
    arm: str = ""

    @field_validator("grader")
    @classmethod
    def _check_grader(cls, value: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
        if value is not None:
            grader_options(value)
        return value

    @field_validator("prompts", mode="before")
    @classmethod
    def _read_prompts(cls, value: object) -> object:
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [Prompt.of(item) if isinstance(item, str) and item else item for item in value]
        return value

    @field_validator("prompts")
    @classmethod
    def _distinct_prompts(cls, value: tuple[Prompt, ...]) -> tuple[Prompt, ...]:
        seen: set[str] = set()
        for prompt in value:
            if not shown_prompt(prompt.content).strip():
                raise ValueError(f"prompt {prompt.id!r} is empty")
            if prompt.id in seen:
                raise ValueError(f"two prompts have the id {prompt.id!r}")
            seen.add(prompt.id)
        return value

    @field_validator("temperatures", mode="before")
    @classmethod
    def _read_temperatures(cls, value: object) -> object:
        return temperatures_of(value) if isinstance(value, str | int | float) else value

    @field_validator("temperatures")
    @classmethod
    def _sorted_temperatures(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        for temperature in value:
            SamplingParams(temperature=temperature)
        if len(set(value)) < len(value):
            raise ValueError("a temperature is given twice")
        return tuple(sorted(value))

    @field_validator("params")
    @classmethod
    def _check_params(cls, value: dict[str, Any]) -> dict[str, Any]:
        if reserved := {"temperature", "seed"} & value.keys():
            raise ValueError(f"{min(reserved)} is a key of the plan, not of params")
        if unknown := value.keys() - SamplingParams().as_dict().keys():
            raise ValueError(f"unknown sampling field {min(unknown)!r}")
        return {key: item for key, item in SamplingParams(**value).as_dict().items() if key in value}

    @property
    def expected(self) -> dict[str, tuple[str, ...]]:
        """The answers that count as right, by prompt id; prompts without any are left out."""
        return {prompt.id: prompt.expected for prompt in self.prompts if prompt.expected}

    @property
    def size(self) -> int:
        """How many completions the study consists of."""
        return len(self.prompts) * len(self.temperatures) * self.samples

    def params_at(self, temperature: float) -> SamplingParams:
        """Return the settings of the draw at one temperature."""
        return replace(SamplingParams(**self.params), temperature=temperature, seed=self.seed)

    def as_chat(self, system: str = "") -> StudyPlan:
        """Return the plan with every text as a user's message, after the system's if there is one."""
        return self.model_copy(update={"prompts": tuple(prompt.as_chat(system) for prompt in self.prompts)})

    def cells(self) -> Iterator[tuple[Prompt, float]]:
        """Yield every cell, temperatures outermost, so that an unfinished run holds whole temperatures."""
        for temperature in self.temperatures:
            for prompt in self.prompts:
                yield prompt, temperature

    def differences(self, other: StudyPlan) -> list[str]:
        """Return the names of the keys in which another plan asks for other texts.

        The folder's name, the answers expected and the keys of ``MEASURING`` change no text: a study can be measured in
        another way without being written again.
        """
        mine, theirs = self._texts(), other._texts()
        return [key for key in mine if mine[key] != theirs[key]]

    def _texts(self) -> dict[str, Any]:
        """Return what the texts depend on."""
        values = self.model_dump(mode="json", exclude={"name", *MEASURING})
        values["prompts"] = [{key: prompt[key] for key in prompt if key != "expected"} for prompt in values["prompts"]]
        return values


def temperatures_of(value: str | float) -> tuple[float, ...]:
    """Read temperatures: a number, a list ``0,0.5,1`` or a range ``low:high:step`` that includes both ends.

    Raises:
        ParameterError: not a number, a range that does not advance, or more than 10,000 values.

    Example:
        >>> temperatures_of("0:1:0.25")
        (0.0, 0.25, 0.5, 0.75, 1.0)
        >>> temperatures_of("0, 0.7, inf")
        (0.0, 0.7, inf)
    """
    if not isinstance(value, str):
        return (float(value),)
    try:
        if ":" not in value and value.strip():
            return tuple(float(part) for part in re.split(r"[,\s]+", value.strip().strip("[]")) if part)
        low, high, step = (float(part) for part in value.split(":"))
        count = math.floor((high - low) / step + 1e-9) + 1
    except (ValueError, OverflowError, ZeroDivisionError):
        count = 0
    if not 0 < count <= MAX_RANGE:
        raise ParameterError(
            f"temperatures must be numbers (0,0.5,1) or low:high:step (0:2:0.25), got {value!r}", field="temperatures"
        )
    # Multiples of the step, rounded: 0.3 rather than 0.30000000000000004 in folders, tables and plots.
    return tuple(round(low + index * step, 10) for index in range(count))


def make_plan(values: Mapping[str, Any]) -> StudyPlan:
    """Return the plan that these values describe, or raise one error that names the first wrong key."""
    try:
        return StudyPlan(**values)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, ParameterError):
            raise cause from None
        message = str(cause) if cause else first["msg"][0].lower() + first["msg"][1:]
        shown = "" if cause else f", got {_short(first['input'])}"
        raise PlanError(f"{where}: {message}{shown}") from None


def read_plan_file(path: Path) -> dict[str, Any]:
    """Return the keys of a YAML (or JSON) plan file; ``prompts`` may name a prompt file beside it."""
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise PlanError(f"{path} must hold keys such as 'model:' and 'temperatures:'")
    if isinstance(prompts := values.get("prompts"), str):
        values["prompts"] = read_prompts(path.parent / prompts)
    if isinstance(grader := values.get("grader"), str | dict):
        values["grader"] = _beside(path, grader)
    for key in ("corpus", "references"):
        if isinstance(place := values.get(key), str):
            values[key] = str(path.parent / place)
    return values


def _beside(path: Path, grader: str | dict[str, Any]) -> dict[str, Any]:
    """Return the options of a grader, its file named as seen from here rather than from the plan file."""
    options = grader_options(grader)
    if "file" in options:
        options["file"] = str(path.parent / options["file"])
    place, colon, name = str(options.get("function", "")).rpartition(":")
    if place.endswith(".py"):
        options["function"] = f"{path.parent / place}{colon}{name}"
    return options


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
