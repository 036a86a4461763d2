"""Studies of several arms: each arm is a run folder of its own inside the study's folder. Knows nothing of reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tempering.errors import StoreError
from tempering.models.base import Model
from tempering.study.analysis import load_results
from tempering.study.audit import Audit
from tempering.study.plan import StudyPlan
from tempering.study.results import StudyResults
from tempering.study.run import Progress, run_study
from tempering.study.store import RUN

Arms = dict[str, StudyResults]
"""Results by the name of the arm; one under the empty name for a study that is one run."""


def folder_of(folder: Path, arm: str) -> Path:
    """Return the run folder of an arm; the study's folder itself for a study that is one run."""
    return folder / arm if arm else folder


def run_arms(
    plans: Mapping[str, StudyPlan],
    model: Model,
    folder: Path,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    on_audit: Callable[[Audit], None] | None = None,
    command: str = "",
    against: float | None = None,
) -> Arms:
    """Run the arms one after the other; the same call after a kill goes on where it stopped.

    Raises:
        StoreError: the folder holds a run of one arm, or cannot be written.
        PlanError: an arm's folder was begun with another plan or model.
    """
    if any(plans) and (folder / RUN).exists():
        raise StoreError(f"{folder} holds a study of one run; choose another folder with --out")
    found = {}
    for arm, plan in plans.items():
        found[arm] = run_study(
            plan,
            model,
            folder_of(folder, arm),
            on_progress=on_progress,
            on_audit=on_audit,
            command=command,
            against=against,
        )
    return found


def load_arms(folder: Path, *, against: float | None = None) -> Arms:
    """Return the results of every arm in a folder, finished or not, in the order of the plan's names.

    Raises:
        StoreError: neither a run folder nor a folder of arms.
        RunFormatError: another version of the format.
    """
    inside = sorted(item.parent for item in folder.glob(f"*/{RUN}")) if folder.is_dir() else []
    if (folder / RUN).exists() or not inside:
        return {"": load_results(folder, against=against)}
    found = {path.name: load_results(path, against=against) for path in inside}
    return {arm: found[arm] for arm in sorted(found, key=lambda name: (found[name].plan.arm != name, name))}
