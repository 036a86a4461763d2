"""Answers that a function of yours grades: making this grader runs its code."""

from __future__ import annotations

import inspect
from importlib import import_module, util
from pathlib import Path
from typing import Any

from tempering.errors import GraderError
from tempering.measures.graders.base import Grader, answered


def python(function: str) -> Grader:
    """Return the grader that a function of (text, expected) is, named as FILE.py:FUNCTION or MODULE:FUNCTION.

    Raises:
        GraderError: it cannot be loaded, or takes other arguments.
    """
    place, _, name = function.rpartition(":")
    try:
        found = getattr(_module(place), name)
    except GraderError:
        raise
    except AttributeError:
        raise GraderError(f"{place} has no function {name!r}") from None
    except Exception as problem:  # loading runs the user's code, which may raise anything
        raise GraderError(f"cannot load the grader {function}: {' '.join(str(problem).split())}") from problem
    try:
        inspect.signature(found).bind("", ())
    except (TypeError, ValueError):
        raise GraderError(f"{function} must be a function of (text, expected)") from None
    return Grader("python", found, answered, needs_expected=False)


def _module(place: str) -> Any:
    if not place.endswith(".py"):
        return import_module(place)
    spec = util.spec_from_file_location("tempering_user_grader", Path(place))
    if spec is None or spec.loader is None:
        raise GraderError(f"cannot load the grader {place}")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
