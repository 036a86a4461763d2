"""``tempering report``: build the report of a run folder again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tempering.cli import options
from tempering.errors import StoreError

if TYPE_CHECKING:
    from tempering.study.arms import Arms
    from tempering.study.results import StudyResults

REPORT, FIGURES = "report.html", "figures"


def report(
    *,
    folder: Annotated[Path, typer.Argument(help="A run folder, as in runs/stories.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write; report.html in the folder unless given.")
    ] = None,
    figures: Annotated[
        bool, typer.Option("--figures", help="Also write every figure as SVG and PNG, into figures/ beside the report.")
    ] = False,
    against: options.Against = None,
    margin: options.Margins = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print its place and how complete the run is.")] = False,
) -> None:
    """Build the report of a run again, finished or not."""
    from tempering.study.arms import folder_of, load_arms  # noqa: PLC0415 - loaded when the command runs
    from tempering.study.comparisons import margins_of  # noqa: PLC0415

    arms = load_arms(folder, against=against, margins=margins_of(margin or []))
    page = write_reports(arms, folder, out)
    made = []
    for arm, results in arms.items() if figures else ():
        made += write_figures(results, folder_of(page.parent, arm) / FIGURES)
    if as_json:
        held, planned = (
            sum(counts) for counts in zip(*((len(r.completions), r.plan.size) for r in arms.values()), strict=True)
        )
        record = {"report": str(page), "samples": held, "planned": planned}
        print(json.dumps(record | {"figures": [str(path) for path in made]}))
    else:
        print(page, *made, sep="\n")


def write_reports(arms: Arms, folder: Path, out: Path | None = None) -> Path:
    """Write the page of a study and of each of its arms, and return where the study's is."""
    from tempering.report.arms import build_arms_report  # noqa: PLC0415
    from tempering.study.arms import folder_of  # noqa: PLC0415
    from tempering.study.store import write_atomically  # noqa: PLC0415

    page = out or folder / REPORT
    if "" in arms:
        return write_report(arms[""], page)
    for arm, results in arms.items():
        write_report(results, folder_of(folder, arm) / REPORT)
    write_atomically(page, build_arms_report(arms))
    return page


def write_report(results: StudyResults, path: Path) -> Path:
    """Write the page and return where it is."""
    from tempering.report.page import build_report  # noqa: PLC0415
    from tempering.study.store import write_atomically  # noqa: PLC0415

    write_atomically(path, build_report(results))
    return path


def write_figures(results: StudyResults, folder: Path) -> list[Path]:
    """Write every figure as SVG and PNG and return where they are."""
    from tempering.report.criteria import charts  # noqa: PLC0415
    from tempering.report.figures import exported  # noqa: PLC0415
    from tempering.study.store import write_atomically  # noqa: PLC0415

    try:
        folder.mkdir(exist_ok=True)
    except OSError as problem:
        raise StoreError(f"cannot write {folder}: {problem.strerror}") from None
    made: list[Path] = []
    for name, chart in charts(results).items():
        svg, png = exported(chart)
        files: dict[Path, str | bytes] = {folder / f"{name}.svg": svg, folder / f"{name}.png": png}
        for path, content in files.items():
            write_atomically(path, content)
        made += files
    return made
