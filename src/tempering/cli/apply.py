"""``tempering apply``: put a recommendation into the file that an engine reads."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from tempering.cli.terminal import say, shown
from tempering.errors import UsageError


def apply(
    source: Annotated[Path, typer.Argument(help="A folder of tempering tune, or its recommendation.json.")],
    target: Annotated[Path, typer.Argument(help="The file to write, or the folder of the model.")],
    *,
    engine: Annotated[str, typer.Option("--for", help="The engine: vllm, transformers, llama.cpp, ollama, ...")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also where nothing was confirmed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON; implies --yes.")] = False,
) -> None:
    """Write a recommendation into the file of an engine: shows the difference, keeps the old file beside it."""
    from tempering.tuning.answer import KINDS, read_recommendation  # noqa: PLC0415 - loaded when the command runs
    from tempering.tuning.applying import apply_change, plan_change  # noqa: PLC0415
    from tempering.tuning.export import exporter_of, render_checked  # noqa: PLC0415

    answer = read_recommendation(source)
    if answer.settings is None or (not answer.confirmed and not anyway):
        raise UsageError(
            f"nothing was confirmed ({KINDS[answer.kind]}): {answer.sentence} --anyway writes it all the same"
        )
    rendered = render_checked(engine, answer.settings)
    change = plan_change(exporter_of(engine), rendered.text, target)
    for warning in rendered.warnings:
        say(f"note: {warning}")
    if change.nothing:
        say(f"{change.path} holds these settings already")
    elif not as_json:
        print(shown(change.difference()), end="")
    if not change.nothing and not yes and not as_json:
        if not sys.stdin.isatty():
            raise UsageError("nothing was written: there is no terminal to ask; repeat with --yes")
        typer.confirm(f"Write {change.path}?", abort=True, err=True)
    backup = None if change.nothing else apply_change(change)
    if as_json:
        kept = str(backup) if backup else None
        print(json.dumps({"path": str(change.path), "changed": not change.nothing, "backup": kept}))
    elif not change.nothing:
        say(f"written: {change.path}" + (f"; the old file is {backup}" if backup else ""))
