"""``tempering report``: build the report of a run folder again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tempering.cli import options
from tempering.errors import StoreError, UsageError
from tempering.params import SamplingParams

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
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at",
            help="Instead: what the texts say of other settings, as in T=0.8,top_p=0.9; may be repeated.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print its place and how complete the run is.")] = False,
) -> None:
    """Build the report of a run again, finished or not.

    With --at the model reads the texts of the run again, and every measure of single texts is estimated at other
    settings by reweighting, or refused where too few of the texts would count.
    """
    if at:
        _elsewhere(folder, [setting_of(text) for text in at], as_json)
        return
    from tempering.study.arms import folder_of, load_arms  # noqa: PLC0415 - loaded when the command runs
    from tempering.study.comparisons import margins_of  # noqa: PLC0415

    arms = load_arms(folder, against=against, margins=margins_of(margin) if margin else None)
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


def setting_of(text: str) -> SamplingParams:
    """Return the settings that a text names.

    Raises:
        UsageError: a part is no setting with its value.

    Example:
        >>> found = setting_of("T=0.8,top_p=0.9")
        >>> found.temperature, found.top_p
        (0.8, 0.9)
    """
    fields = {"T": "temperature"} | {name: name for name in SamplingParams().as_dict()}
    values: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in fields or not value:
            raise UsageError(f"--at takes settings as in T=0.8,top_p=0.9, not {part!r}")
        try:
            values[fields[name]] = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            values[fields[name]] = value  # an order, or what SamplingParams refuses by name
    return SamplingParams(**values)


def _elsewhere(folder: Path, settings: list[SamplingParams], as_json: bool) -> None:
    from tempering.models.base import require_logits  # noqa: PLC0415 - engines are loaded when a command runs
    from tempering.models.registry import load_model  # noqa: PLC0415
    from tempering.study.analysis import load_results, samples_of  # noqa: PLC0415
    from tempering.study.curves import elsewhere  # noqa: PLC0415
    from tempering.study.records import plain  # noqa: PLC0415

    results = load_results(folder)
    model = require_logits(load_model(results.plan.model))
    if model.info.identity != results.manifest.model:
        raise StoreError(f"{folder} was made with {results.manifest.model}, and {model.info.identity} is here now")
    rows = elsewhere(results, samples_of(folder), model, settings)
    if as_json:
        record = [{"params": params.as_dict()} | asdict(row) for params, row in rows]
        print(json.dumps(plain(record), indent=1, allow_nan=False))
        return
    from rich.console import Console  # noqa: PLC0415

    from tempering.report.table import elsewhere_table  # noqa: PLC0415

    for setting in settings:
        Console(highlight=False).print(elsewhere_table(setting, [row for params, row in rows if params == setting]))
