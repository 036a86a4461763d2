"""``tempering check``: does a setting still stand after a new run? Made for continuous checks."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tempering.errors import ExportError, UsageError

EXIT_CODES = {"holds": 0, "moved": 5, "undecided": 6}
"""How the command ends, besides the codes of errors."""


def check(
    file: Annotated[
        Path, typer.Argument(help="A recommendation, a folder of tempering tune, or with --for an exported file.")
    ],
    *,
    against: Annotated[Path, typer.Option("--against", help="A new run of tempering tune, same goal.")],
    engine: Annotated[
        str | None, typer.Option("--for", help="The engine that the file was exported for.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Check a setting against a new run. Exit codes: 0 it stands, 5 the best T has moved, 6 the run could not tell."""
    from tempering.tuning.answer import read_recommendation  # noqa: PLC0415 - loaded when the command runs
    from tempering.tuning.checking import check as compare  # noqa: PLC0415

    new = read_recommendation(against)
    if engine:
        temperature, goal = _exported(engine, file), None
    else:
        old = read_recommendation(file)
        if old.settings is None:
            raise UsageError(f"{file} recommends no temperature: {old.sentence}")
        temperature, goal = old.settings.temperature, old.goal.name
    found = compare(temperature, goal, new)
    print(json.dumps(asdict(found), indent=1) if as_json else found.sentence)
    if code := EXIT_CODES[found.verdict]:
        raise typer.Exit(code)


def _exported(engine: str, file: Path) -> float:
    """Return the temperature of an exported file."""
    from tempering.tuning.export import exporter_of  # noqa: PLC0415

    exporter = exporter_of(engine)
    try:
        return exporter.parse(file.read_text(encoding="utf-8")).temperature
    except OSError as problem:
        raise ExportError(f"cannot read {file}: {problem.strerror}") from None
    except (ValueError, KeyError, TypeError, IndexError, SyntaxError) as problem:
        raise ExportError(f"{file} is no {exporter.filename}: {problem}") from None
