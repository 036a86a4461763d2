"""Goals: what a use case wants of its texts, in numbers. Knows measures by name; knows nothing of models or search."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tempering.errors import GoalError
from tempering.measures import measure

TASK_MEASURES = ("agreement", "surprise")
"""Measures of a tuning run besides those of a study: the share of equal answers among several to one prompt, and the
log of the perplexity under the model itself (nats a token), as a perplexity in the thousands would drown the others."""


class Bound(BaseModel):
    """A limit on a measure's mean that the recommended setting must keep.

    Attributes:
        measure: its name.
        at_least: the mean must not be below.
        at_most: the mean must not be above.
        within: the mean must not be further from its best over all searched settings than this share of it, in (0, 1).
        best: which end is the best one, for ``within``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: str = Field(min_length=1)
    at_least: float | None = None
    at_most: float | None = None
    within: float | None = Field(default=None, gt=0, lt=1)
    best: Literal["highest", "lowest"] = "highest"

    @model_validator(mode="after")
    def _says_something(self) -> Bound:
        if self.at_least is None and self.at_most is None and self.within is None:
            raise ValueError(f"the bound on {self.measure} needs at_least, at_most or within")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(
                f"the bounds on {self.measure} contradict each other: "
                f"at least {self.at_least:g}, at most {self.at_most:g}"
            )
        return self

    def in_words(self) -> str:
        """Return the bound as a reader sees it.

        Example:
            >>> Bound(measure="ended", at_least=0.5).in_words()
            'ended at least 0.5'
        """
        parts = []
        if self.at_least is not None:
            parts.append(f"at least {self.at_least:g}")
        if self.at_most is not None:
            parts.append(f"at most {self.at_most:g}")
        if self.within is not None:
            parts.append(f"within {self.within:.0%} of its {self.best} value")
        return f"{self.measure} {' and '.join(parts)}"


class Goal(BaseModel):
    """What a use case wants: one measure as high as possible, or a weighted sum, subject to bounds.

    Attributes:
        name: of the use case.
        about: one sentence for a reader.
        maximise: the measure to raise; to lower one, give it a negative weight.
        weights: instead of ``maximise``: measures and their weights.
        bounds: limits that must be kept.
        k: how many texts of a prompt the application will use, >= 1.
        use: with k > 1, what it does with them: take the best (pass@k), or let them vote (majority).
        answer: whether one value is wanted or the range of all that are as good.
        margin: the smallest difference of the objective that matters to the user, > 0, in its unit.
        without_answers: what to do if the objective is accuracy and there is nothing to grade by.

    Example:
        >>> goal = load_goal("creative-writing")
        >>> goal.maximise, goal.bounds[0].measure
        ('unique_word_share', 'known_pairs')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="custom", pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")
    about: str = ""
    maximise: str | None = None
    weights: dict[str, float] = Field(default_factory=dict)
    bounds: tuple[Bound, ...] = ()
    k: int = Field(default=1, ge=1, le=1000)
    use: Literal["best", "majority"] = "best"
    answer: Literal["value", "range"] = "value"
    margin: float = Field(default=0.02, gt=0)
    without_answers: Literal["agreement", "turning-point"] = "turning-point"

    @model_validator(mode="after")
    def _wants_something(self) -> Goal:
        if (self.maximise is None) == (not self.weights):
            raise ValueError("a goal needs either maximise or weights")
        if self.weights and not any(self.weights.values()):
            raise ValueError("all weights are 0: nothing is wanted")
        seen: set[str] = set()
        for bound in self.bounds:
            if bound.measure in seen:
                raise ValueError(f"{bound.measure} has two bounds; write them as one")
            seen.add(bound.measure)
        return self

    @property
    def objective(self) -> dict[str, float]:
        """Weight of each measure in what is maximised."""
        return {self.maximise: 1.0} if self.maximise is not None else dict(self.weights)

    @property
    def objective_name(self) -> str:
        """The objective as a reader sees it."""
        if self.maximise is not None:
            return self.maximise if self.k == 1 else f"{self.maximise} ({self.use} of {self.k})"
        return " + ".join(f"{weight:g} {name}" for name, weight in self.weights.items())

    @property
    def span(self) -> float:
        """The largest difference that the objective can have; infinite where a measure of it has no end."""
        return math.fsum(abs(weight) * (limits(name)[1] - limits(name)[0]) for name, weight in self.objective.items())

    @property
    def measures(self) -> tuple[str, ...]:
        """Every measure that must be known, those of the objective first."""
        return tuple(dict.fromkeys([*self.objective, *(bound.measure for bound in self.bounds)]))

    @property
    def group(self) -> int:
        """Texts that make one value: k, and two at least where answers are compared with each other."""
        return max(self.k, 2 if "agreement" in self.measures else 1)

    def in_words(self) -> str:
        """Return what is wanted in one sentence."""
        limits = "; ".join(bound.in_words() for bound in self.bounds)
        return f"{self.objective_name} as high as possible{f', subject to {limits}' if limits else ''}"


def use_cases() -> tuple[str, ...]:
    """Return the names of the use cases that come with the package.

    Example:
        >>> "code" in use_cases()
        True
    """
    folder = files("tempering.tuning") / "usecases"
    return tuple(sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml")))


def use_case_text(name: str) -> str:
    """Return the file of a use case, comments included, as a start for one's own.

    Raises:
        GoalError: there is none of that name.
    """
    if name not in use_cases():
        raise GoalError(f"goal must be a file or one of {', '.join(use_cases())}, got {name!r}")
    return (files("tempering.tuning") / "usecases" / f"{name}.yaml").read_text(encoding="utf-8")


def load_goal(source: str | Path) -> Goal:
    """Return the goal of a use case or of a YAML file.

    Raises:
        GoalError: no such use case or file, not YAML, or a key that is wrong; the message names it.
    """
    path = Path(source)
    if str(source) not in use_cases() and (path.suffix in {".yaml", ".yml", ".json"} or path.exists()):
        try:
            text, where = path.read_text(encoding="utf-8-sig"), str(path)
        except (OSError, UnicodeDecodeError) as problem:
            raise GoalError(f"cannot read the goal {path}: {problem}") from None
    else:
        text, where = use_case_text(str(source)), f"use case {source}"
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise GoalError(f"{where} is not YAML: {' '.join(str(problem).split())}") from None
    if not isinstance(values, dict):
        raise GoalError(f"{where} must hold keys such as 'maximise:' and 'bounds:'")
    return make_goal({"name": path.stem} | values, where)


def make_goal(values: dict[str, Any], where: str = "goal") -> Goal:
    """Return the goal that these values describe.

    Raises:
        GoalError: a key is wrong; the message names it.

    Example:
        >>> make_goal({"maximise": "accuracy", "bounds": [{"measure": "ended", "at_least": 2, "at_most": 1}]})
        Traceback (most recent call last):
        tempering.errors.GoalError: goal: bounds.0: the bounds on ended contradict each other: at least 2, at most 1
    """
    try:
        return Goal(**values)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        said = str(first.get("ctx", {}).get("error") or first["msg"])
        raise GoalError(f"{where}: {place}: {said}" if place else f"{where}: {said}") from None


def limits(name: str) -> tuple[float, float]:
    """Return the smallest and the largest value that a measure can have."""
    own = {"agreement": (0.0, 1.0), "surprise": (0.0, math.inf)}
    return own[name] if name in own else (measure(name).low, measure(name).high)
