"""What measures may use besides the run folder, and the values that were measured with it. Knows no measure by name.

A report is built again without the model, the corpus or your grader's code; what they gave is then read from
``measures.parquet``. Code that a run folder names is never run by reading the folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tempering.measures.graders import Grader, grader_options, make_grader
from tempering.study.plan import StudyPlan

if TYPE_CHECKING:
    import polars as pl

MEASURED = "measures.parquet"


@dataclass(frozen=True)
class Sources:
    """What a run brings to its measures.

    Attributes:
        grader: a grader that is already loaded.
    """

    grader: Grader | None = None


def sources_of(plan: StudyPlan) -> Sources:
    """Return what a plan asks for; a ``python`` grader loads your code.

    Raises:
        GraderError: the grader cannot be loaded.
    """
    return Sources(make_grader(plan.grader) if plan.grader is not None else None)


def grader_of(plan: StudyPlan, sources: Sources) -> Grader | None:
    """Return the grader of a plan: the one that is loaded, or one that runs no code of a user."""
    if sources.grader is not None:
        return sources.grader
    if plan.grader is None:
        return make_grader("exact") if plan.expected else None
    options = grader_options(plan.grader)
    return None if options["kind"] == "python" or "file" in options else make_grader(options)


def measured_before(folder: Path) -> pl.DataFrame | None:
    """Return the values that were measured when the run was made; None if there are none that can be read."""
    import polars as pl  # noqa: PLC0415 - loaded when used, for a light start

    try:
        return pl.read_parquet(folder / MEASURED)
    except (OSError, pl.exceptions.PolarsError):
        return None
