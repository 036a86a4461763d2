"""``tempering doctor``: what a model or server really does with its settings."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tempering.cli import options
from tempering.cli.terminal import say, shown


def doctor(
    *,
    name: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="The model: see tempering models.")] = None,
    model: options.Model = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="What to ask; many words should be able to follow it.")
    ] = None,
    chat: options.Chat = False,
    system: options.System = None,
    repeats: Annotated[int, typer.Option("--repeats", min=6, help="Texts in each group that is compared.")] = 8,
    draws: Annotated[int, typer.Option("--draws", min=8, help="One-token texts in each group (servers).")] = 24,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="The length of the longer texts.")] = 24,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers with their evidence as JSON.")] = False,
) -> None:
    """Ask a model what it really does: does T act, is T = 0 repeatable, which hidden settings act, does the seed hold.

    A server is sent some 200 short requests. "None seen" is not "none": the number of texts stands beside each answer.
    """
    from tempering.models.base import conversation  # noqa: PLC0415 - engines are loaded when a command runs
    from tempering.models.registry import load_model  # noqa: PLC0415
    from tempering.study.findings import PROMPT  # noqa: PLC0415
    from tempering.study.probe import probe_model  # noqa: PLC0415

    text = prompt or PROMPT
    asked = conversation(text, system or "") if chat or system else text
    loaded = load_model(name or model or "embedded")
    say(f"asking {loaded.info.name}")
    found = probe_model(loaded, prompt=asked, repeats=repeats, draws=draws, max_tokens=max_tokens)
    if as_json:
        print(json.dumps(found.as_dict(), ensure_ascii=False, indent=1, allow_nan=False))
        return
    print(shown(f"{found.model} ({found.engine}), {found.requests} texts"))
    for finding in found.findings:
        print(shown(f"  {finding.question}\n      {finding.answer}"))
