"""Options that several commands share, made from the fields of ``SamplingParams``, which hold their help."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from tempering.errors import PromptError, UsageError
from tempering.params import ORDERS, SamplingParams

SAMPLING = "Sampling"

Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="The model: see tempering models. (default: embedded)", show_default=False),
]

Chat = Annotated[
    bool, typer.Option("--chat", help="The prompt is a message: answer it, in the model's own chat template.")
]
System = Annotated[
    str | None, typer.Option("--system", help="The system's message; implies --chat.", show_default=False)
]

READING = "What the report says"
Against = Annotated[
    float | None,
    typer.Option(
        "--against",
        help="The T that the others are compared with. (default: nearest to 1)",
        show_default=False,
        rich_help_panel=READING,
    ),
]
Margins = Annotated[
    list[str] | None,
    typer.Option(
        "--margin",
        metavar="MEASURE=VALUE",
        help="Up to where a difference is too small to matter: are temperatures the same? Can be repeated.",
        show_default=False,
        rich_help_panel=READING,
    ),
]


def with_sampling(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for every truncation, penalty and the order.

    The command takes ``sampling``: the fields that were given. One that is not given is absent, so that the value of a
    plan file, or the default of ``SamplingParams``, stands. Temperature and seed are each command's own.
    """
    names = [item.name for item in fields(SamplingParams) if item.name not in {"temperature", "seed"}]
    added = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(n)) for n in names]

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        sampling = {name: value for name in names if (value := values.pop(name)) is not None}
        if "," in sampling.get("order", ""):
            sampling["order"] = tuple(step.strip() for step in sampling["order"].split(","))
        command(**values, sampling=sampling)

    own = [item for item in inspect.signature(command, eval_str=True).parameters.values() if item.name != "sampling"]
    wrapper.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {item.name: item.annotation for item in (*own, *added)}
    return wrapper


def _option(name: str) -> Any:
    item = next(item for item in fields(SamplingParams) if item.name == name)
    kind: type
    if name == "order":
        kind, text = str, f"the order of the steps: an engine's ({', '.join(ORDERS)}) or steps with commas"
    elif name == "ties":
        kind, text = str, "what top-k keeps of ties at its edge: id (exactly k) or all"
    else:
        kind, text = (int if item.metadata["whole"] else float), item.metadata["text"]
    shown = f"{text[0].upper()}{text[1:]}."
    flag = "--" + name.replace("_", "-")
    return Annotated[kind | None, typer.Option(flag, help=shown, rich_help_panel=SAMPLING, show_default=False)]


def text_of(argument: str | None, file: Path | None, what: str, flag: str) -> str:
    """Return a text from the one place where it was given: an argument, a file, or stdin (no argument, or -).

    Raises:
        UsageError: it was given twice.
        PromptError: it was given nowhere, is empty, or cannot be read.
    """
    if argument is not None and file is not None:
        raise UsageError(f"give the {what} as an argument or with {flag}, not both")
    if file is None and argument not in {None, "-"}:
        text = str(argument)
    else:
        text = _read(file, what)
        # A file or pipe ends with a line end that nobody means as part of the text.
        text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise PromptError(f"the {what} is empty")
    return text


def _read(file: Path | None, what: str) -> str:
    if file is None:
        if sys.stdin.isatty():
            raise PromptError(f"there is no {what}: give one in quotes, or pipe it in")
        return sys.stdin.buffer.read().decode("utf-8", errors="replace")
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise PromptError(f"cannot read {file}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise PromptError(f"cannot read {file}: it is not UTF-8 text") from None
