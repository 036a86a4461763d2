"""The recommendation: what a tuning run says, as data with a stable, versioned form. Knows no model, shows nothing."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tempering._version import __version__
from tempering.errors import StoreError
from tempering.params import SamplingParams
from tempering.statistics.estimate import Estimate
from tempering.tuning.goals import Goal

FORMAT = 1

Kind = Literal["value", "range", "no-effect", "more-budget", "fixed", "label-free"]

KINDS: dict[Kind, str] = {
    "value": "a temperature",
    "range": "a range of temperatures",
    "no-effect": "no detectable effect",
    "more-budget": "not enough budget",
    "fixed": "this model fixes its temperature",
    "label-free": "a suggestion without grades",
}
"""What a run can answer."""


Role = Literal["recommended", "contrast", "current", "sampler"]
"""Why a setting was confirmed: the winner, the one it must beat, the default in use, another sampler's winner."""


class Number(BaseModel):
    """An estimate in a file: null stands for what is undefined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float | None
    low: float | None
    high: float | None
    n: int
    prompts: int

    @classmethod
    def of(cls, estimate: Estimate, low: float = -math.inf, high: float = math.inf) -> Number:
        """Return an estimate with its interval cut where the measure ends."""
        ends = (max(estimate.low, low), min(estimate.high, high))
        value, first, last = (None if math.isnan(v) else v for v in (estimate.value, *ends))
        return cls(value=value, low=first, high=last, n=estimate.n, prompts=estimate.clusters)


class CurvePoint(BaseModel):
    """What is believed of a measure at one setting, and what was measured there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: str
    temperature: float
    top_p: float = 1.0
    min_p: float = 0.0
    believed: float
    low: float
    high: float
    measured: float | None = None
    n: int = 0


class Fresh(BaseModel):
    """A measure on fresh texts at one setting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    temperature: float
    top_p: float = 1.0
    min_p: float = 0.0
    measure: str
    estimate: Number


class Recommendation(BaseModel):
    """What a tuning run says; the file's form is version ``FORMAT``, another one is refused.

    Attributes:
        format: version of this form.
        kind: one of ``KINDS``.
        sentence: the answer in words.
        notes: what else must be known, a sentence each.
        params: the settings recommended, every field, with the order they were measured under; also where the kind is
            no value: what to use if one must be chosen now. None where the model fixes T.
        low: lower end of the interval of the best T (of the range, for a range).
        high: upper end.
        confidence: of every interval.
        sure: probability that the choice is within the margin of the best.
        confirmed: whether fresh texts bear it out.
        effect: objective at the recommended setting less that at the contrast, on fresh texts.
        detectable: the difference that would have been seen with a chance of 80 %.
        more_samples: about how many texts more would decide; None where it is decided or cannot be said.
        goal: what was wanted.
        fresh: the confirmation's estimates.
        curves: what was found of every measure over the searched settings.
        current: the T that was in use before.
        model: identity of the model.
        task: name of the task.
        prompts: how many the search used.
        held_out: how many only the confirmation used.
        samples: texts spent.
        tokens: tokens spent.
        errors: texts that could not be graded, and why, a line each.
        seed: of all noise.
        tempering: version.
        created: UTC, ISO 8601.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    kind: Kind
    sentence: str
    notes: tuple[str, ...] = ()
    params: dict[str, Any] | None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    sure: float | None = None
    confirmed: bool = False
    effect: Number | None = None
    detectable: float | None = None
    more_samples: int | None = None
    goal: Goal
    fresh: tuple[Fresh, ...] = ()
    curves: tuple[CurvePoint, ...] = ()
    current: float
    model: str
    task: str
    prompts: int
    held_out: int
    samples: int
    tokens: int
    errors: tuple[str, ...] = ()
    seed: int = 0
    tempering: str = __version__
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def settings(self) -> SamplingParams | None:
        """The settings recommended, or None where there are none."""
        if self.params is None:
            return None
        values = dict(self.params)
        if isinstance(values.get("order"), list):
            values["order"] = tuple(values["order"])
        return SamplingParams(**values)

    def to_json(self) -> str:
        """Return the file's text."""
        return self.model_dump_json(indent=1) + "\n"


def read_recommendation(path: Path) -> Recommendation:
    """Read a recommendation, or the one in a run folder.

    Raises:
        StoreError: it is missing, damaged, or of another version of the form.
    """
    if path.is_dir():
        path = path / "recommendation.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise StoreError(f"{path} has format {values['format']}, this version of tempering reads {FORMAT}")
        return Recommendation.model_validate(values)
    except OSError as problem:
        raise StoreError(f"cannot read {path}: {problem.strerror}") from None
    except (ValueError, KeyError, TypeError, ValidationError):
        raise StoreError(f"{path} is not a recommendation of tempering tune") from None
