"""What ``tempering study`` does with people's ratings: write a sheet, analyse filled ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tempering.cli.terminal import say
from tempering.errors import RatingsError, UsageError

if TYPE_CHECKING:
    from tempering.study.ratings import RatingsAnalysis

RATINGS = "ratings.json"


def rate(
    folder: Path | None,
    files: list[Path] | None,
    out: Path | None,
    *,
    samples: int | None,
    seed: int | None,
    others: dict[str, object],
    as_json: bool,
) -> None:
    """Write a sheet for ``--rate``, or analyse those of ``--ratings``.

    Raises:
        UsageError: both are given, or an option of a run (``others``), which these do not start.
    """
    if folder and files:
        raise UsageError("give --rate to write a sheet or --ratings to analyse filled ones, not both")
    if given := [name for name, value in others.items() if value]:
        raise UsageError(f"{given[0]} has no meaning beside --rate and --ratings, which generate nothing")
    if folder:
        _write_sheet(folder, samples, seed, as_json)
    elif files:
        _analyse_sheets(files, out, as_json)


def _write_sheet(folder: Path, samples: int | None, seed: int | None, as_json: bool) -> None:
    from tempering.study.ratings import SHEET, write_rating_sheet  # noqa: PLC0415 - loaded when the command runs

    name = SHEET if seed is None else SHEET.replace(".csv", f"_{seed}.csv")
    sheet = write_rating_sheet(folder, folder / name, samples=samples, seed=seed or 0)
    print(json.dumps({"sheet": str(sheet)}) if as_json else sheet)
    say("give each rater a copy (another --seed gives another order); --ratings FILE analyses what comes back")


def _analyse_sheets(files: list[Path], folder: Path | None, as_json: bool) -> None:
    from tempering.report.ratings import ratings_record  # noqa: PLC0415
    from tempering.study.ratings import analyse_ratings  # noqa: PLC0415
    from tempering.study.store import RUN, write_atomically  # noqa: PLC0415

    folder = folder or files[0].parent
    if not (folder / RUN).exists():
        raise UsageError(f"{folder} is not the run folder of these sheets; name it with --out")
    try:
        analysis = analyse_ratings(folder, files)
    except RatingsError as problem:
        for line in problem.problems[1:]:
            say(line)
        raise
    record = json.dumps(ratings_record(analysis), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    write_atomically(folder / RATINGS, record)
    if as_json:
        print(record, end="")
    else:
        _show(analysis)
    say(f"analysis: {folder / RATINGS}")


def _show(analysis: RatingsAnalysis) -> None:
    from rich.console import Console  # noqa: PLC0415

    from tempering.report.ratings import ratings_in_words, ratings_table  # noqa: PLC0415

    Console().print(ratings_table(analysis))
    for line in ratings_in_words(analysis):
        print(line)
    print(f"intervals: over {analysis.unit}s; random intercepts: {', '.join(analysis.factors) or 'none'}")
