"""Every error that tempering raises on purpose.

Each says what happened, where, and what to do, in one line; the command line prints that line and exits with the
error's ``exit_code``::

    TemperingError              1
    ├── UsageError              2   the request itself cannot be honoured
    │   ├── ParameterError          a sampling field or option outside its range
    │   ├── PromptError             an empty prompt, or one longer than the model's context
    │   ├── PlanError               a study plan that cannot be read, or that differs from the one in the folder
    │   ├── GraderError             a grader that cannot be loaded, raises, or gives no number in [0, 1]
    │   ├── GoalError               a goal that cannot be read, contradicts itself, or cannot be measured here
    │   ├── ExportError             settings that an engine cannot be told
    │   ├── RatingsError            rating sheets that cannot be read; has a line for each problem
    │   └── CorpusError             a corpus that cannot be read, or that holds no word
    ├── ModelError              3   a model cannot be found, loaded or run
    │   ├── UnknownModelError       the name means nothing here
    │   ├── MissingExtraError       an optional package is not installed
    │   ├── ChatTemplateError       a conversation for a model that has no template, or whose template refuses it
    │   ├── ServerError             a server cannot be reached, refuses a request, or answers what cannot be read
    │   ├── BudgetError             the requests or tokens that a server may be asked for are spent
    │   ├── NoLogitsError           what was asked needs full logits; a server gives text
    │   └── LogitsError             logits that must not be sampled: NaN, +inf, or nothing left in a row
    └── StoreError              4   a run folder cannot be read or written
        └── RunFormatError          the folder was written by another version of the format

An interrupted command (Ctrl-C) exits with 130.
"""

from __future__ import annotations

from collections.abc import Sequence


class TemperingError(Exception):
    """The root of the tree; catch it to catch them all."""

    exit_code = 1


class UsageError(TemperingError):
    """The request itself cannot be honoured."""

    exit_code = 2


class ParameterError(UsageError, ValueError):
    """A sampling field or option is outside its range; ``field`` names it."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class PromptError(UsageError, ValueError):
    """A prompt is empty, or longer than the model's context."""


class PlanError(UsageError, ValueError):
    """A study plan cannot be read, or differs from the one that the run folder was begun with."""


class GraderError(UsageError, ValueError):
    """A grader cannot be loaded, raises on an answer, or gives no number in [0, 1]."""


class GoalError(UsageError, ValueError):
    """A tuning goal cannot be read, contradicts itself, or cannot be measured on this model or task."""


class ExportError(UsageError, ValueError):
    """An engine cannot be told these settings, or would not do what was measured."""


class CorpusError(UsageError, ValueError):
    """A corpus cannot be read, or holds no word."""


class RatingsError(UsageError, ValueError):
    """Rating sheets cannot be read; ``problems`` has a line for each thing that is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(problems[0] + more)
        self.problems = tuple(problems)


class ModelError(TemperingError):
    """A model cannot be found, loaded or run."""

    exit_code = 3


class UnknownModelError(ModelError):
    """A model name that no backend knows."""


class MissingExtraError(ModelError, ImportError):
    """An optional package is not installed; the message carries the install line."""


class ChatTemplateError(ModelError, ValueError):
    """A conversation was given to a model that has no chat template, or whose template refuses it."""


class ServerError(ModelError):
    """A server cannot be reached, refuses a request, or answers what cannot be read; ``status`` is HTTP's, if any."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class BudgetError(ModelError):
    """The requests or tokens that a server may be asked for are spent."""


class NoLogitsError(ModelError, TypeError):
    """What was asked needs full logits, and the model gives text only."""


class LogitsError(ModelError, ValueError):
    """Logits that must not be sampled; ``row`` is the index of the first bad row (``()`` for a single row)."""

    def __init__(self, message: str, *, row: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.row = row


class StoreError(TemperingError):
    """A run folder cannot be read or written."""

    exit_code = 4


class RunFormatError(StoreError):
    """The run folder was written by another version of the format."""
