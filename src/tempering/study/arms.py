"""Studies of several arms: each arm is a run folder of its own inside the study's folder. Knows nothing of reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tempering.errors import StoreError
from tempering.study.analysis import load_results
from tempering.study.results import StudyResults
from tempering.study.store import RUN

Arms = dict[str, StudyResults]
"""Results by the name of the arm; one under the empty name for a study that is one run."""


def folder_of(folder: Path, arm: str) -> Path:
    """Return the run folder of an arm; the study's folder itself for a study that is one run.

    Example:
        >>> folder_of(Path("runs/x"), "alone").as_posix(), folder_of(Path("runs/x"), "").as_posix()
        ('runs/x/alone', 'runs/x')
    """
    return folder / arm if arm else folder


def check_folder(folder: Path, arms: Iterable[str]) -> None:
    """Check that a folder can hold these arms.

    Raises:
        StoreError: it is the folder of a single run.
    """
    if any(arms) and (folder / RUN).exists():
        raise StoreError(f"{folder} holds a study of one run; choose another folder with --out")


def load_arms(folder: Path, *, against: float | None = None, margins: Mapping[str, float] | None = None) -> Arms:
    """Return the results of every arm in a folder, finished or not.

    Raises:
        StoreError: neither a run folder nor a folder of arms.
        RunFormatError: another version of the format.
    """
    inside = sorted(path.parent for path in folder.glob(f"*/{RUN}"))
    if (folder / RUN).exists() or not inside:
        return {"": load_results(folder, against=against, margins=margins)}
    return {path.name: load_results(path, against=against, margins=margins) for path in inside}
