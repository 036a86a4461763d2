"""The program ``tempering``: its commands, and how every error ends. Loads nothing heavy before a command runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from tempering._version import __version__
from tempering.cli import (
    apply,
    bench,
    check,
    doctor,
    explore,
    fork,
    generate,
    models,
    orders,
    read,
    report,
    serve,
    study,
    tune,
)
from tempering.cli.terminal import say
from tempering.errors import TemperingError

EPILOG = "Exit codes: 0 done, 1 error, 2 bad request, 3 model, 4 run folder, 5 and 6 see check, 130 interrupted."
INTERRUPTED = 130

app = typer.Typer(
    name="tempering",
    help="Find, explain and set the temperature of a language model, by measurement.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("study", rich_help_panel="Main verbs")(study.study)
app.command("tune", rich_help_panel="Main verbs")(tune.tune)
app.command("read", rich_help_panel="Main verbs")(read.read)
app.command("generate", rich_help_panel="Main verbs")(generate.generate)
app.command("explore", rich_help_panel="Main verbs")(explore.explore)
app.command("serve", rich_help_panel="Main verbs")(serve.serve)
app.command("orders", rich_help_panel="Looking inside")(orders.orders)
app.command("fork", rich_help_panel="Looking inside")(fork.fork)
app.command("doctor", rich_help_panel="Looking inside")(doctor.doctor)
app.command("models", rich_help_panel="Looking inside")(models.models)
app.command("report", rich_help_panel="Runs")(report.report)
app.command("check", rich_help_panel="Runs")(check.check)
app.command("apply", rich_help_panel="Runs")(apply.apply)
app.command("bench", rich_help_panel="Bench")(bench.bench)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tempering {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass


def main() -> None:
    """Run the program; an error is one line on stderr and a documented exit code."""
    debug = "--debug" in sys.argv[1:]
    try:
        code = app(prog_name="tempering", standalone_mode=False)
    except TyperException as problem:
        say(f"error: {problem.format_message()}; see: tempering --help")
        code = problem.exit_code
    except TemperingError as problem:
        if debug:
            raise
        say(f"error: {problem}")
        code = problem.exit_code
    except typer.Abort:
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout (head, less) has gone: nothing is wrong, but Python must not flush into it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
