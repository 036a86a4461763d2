"""``tempering report``: build the report of a run folder again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tempering.study.results import StudyResults

REPORT = "report.html"


def report(
    folder: Annotated[Path, typer.Argument(help="A run folder, as in runs/stories.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write; report.html in the folder unless given.")
    ] = None,
    against: Annotated[
        float | None,
        typer.Option(
            "--against", help="The T that the others are compared with. [default: nearest to 1]", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print its place and how complete the run is.")] = False,
) -> None:
    """Build the report of a run again, finished or not."""
    from tempering.study.analysis import load_results  # noqa: PLC0415 - loaded when the command runs

    results = load_results(folder, against=against)
    page = write_report(results, out or folder / REPORT)
    if as_json:
        print(json.dumps({"report": str(page), "samples": len(results.completions), "planned": results.plan.size}))
    else:
        print(page)


def write_report(results: StudyResults, path: Path) -> Path:
    """Write the page and return where it is."""
    from tempering.report.page import build_report  # noqa: PLC0415
    from tempering.study.store import write_atomically  # noqa: PLC0415

    write_atomically(path, build_report(results))
    return path
