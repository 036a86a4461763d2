"""``tempering orders``: what the same settings mean in other engines."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tempering.cli import options
from tempering.params import SamplingParams

if TYPE_CHECKING:
    from tempering.sampling.binding import TruncationReport
    from tempering.sampling.equivalence import OrderFacts


ROWS_OF_REPORT = 32
"""Steps that the truncation report looks at, spread over the text: it goes through many temperatures."""


@options.with_sampling
def orders(
    *,
    prompt: Annotated[
        str | None, typer.Argument(help="A text whose every token is looked at; - reads it from stdin.")
    ] = None,
    prompt_file: Annotated[Path | None, typer.Option("--prompt-file", "-f", help="A file with the text.")] = None,
    model: options.Model = None,
    temperature: Annotated[
        float, typer.Option("--temperature", "-T", help="Divides the logits.", rich_help_panel=options.SAMPLING)
    ] = 1.0,
    to: Annotated[
        str | None, typer.Option("--to", help="Also translate the settings to this order.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    sampling: dict[str, Any],
) -> None:
    """Show what the same settings mean under every order, on a model's real next-token distributions.

    The equivalent temperature gives the same entropy without truncation. Moved is the share of probability that changes
    hands against the order given (transformers unless --order says otherwise).
    """
    text = options.text_of(prompt, prompt_file, "prompt", "--prompt-file")
    params = SamplingParams(temperature=temperature, **sampling)

    from tempering.generation.prompts import read_prompt  # noqa: PLC0415 - engines are loaded when a command runs
    from tempering.models.base import require_logits  # noqa: PLC0415
    from tempering.models.registry import load_model  # noqa: PLC0415
    from tempering.sampling.binding import truncation_report  # noqa: PLC0415
    from tempering.sampling.equivalence import compare_orders, translate  # noqa: PLC0415

    loaded = require_logits(load_model(model or "embedded"))
    read_prompt(loaded, text)
    tokens = loaded.encode(text)
    logits = loaded.score(tokens)
    facts = compare_orders(logits, params)
    translation = translate(params, to, logits) if to else None
    report = truncation_report(logits[:: max(1, -(-len(logits) // ROWS_OF_REPORT))], params)
    if as_json:
        record: dict[str, Any] = {"n": len(tokens), "params": params.as_dict()}
        record["orders"] = [_jsonable(asdict(row)) for row in facts]
        record["truncation"] = _jsonable(asdict(report)) | {"sentences": report.sentences()}
        if translation:
            record["translation"] = asdict(translation) | {"params": translation.params.as_dict()}
        print(json.dumps(record, indent=1, allow_nan=False))
        return
    _print(facts, len(tokens))
    _print_truncation(report)
    if translation:
        print(f"\nas {to}: {_settings(translation.params)}")
        print(f"{translation.note}; {translation.gap:.4f} of the probability moves on these {len(tokens)} steps")


def _jsonable(record: dict[str, Any]) -> dict[str, Any]:
    return {
        key: str(value) if isinstance(value, float) and math.isinf(value) else value for key, value in record.items()
    }


def _print(facts: list[OrderFacts], n: int) -> None:
    print(f"{'order':<14}{'kept':>9}{'kept mass':>11}{'entropy':>9}{'equivalent T':>14}{'moved':>8}")
    for row in facts:
        print(
            f"{row.order:<14}{row.kept:>9.1f}{row.kept_mass:>11.3f}{row.entropy:>9.3f}"
            f"{row.equivalent_temperature:>14.3f}{row.moved:>8.3f}"
        )
    print(f"means over {n} steps (equivalent T: median); entropy in nats")


def _print_truncation(report: TruncationReport) -> None:
    if not report.rules:
        return
    print(
        f"\ntruncation keeps {report.kept:.1f} tokens and drops {report.dropped:.3f} of the mass (n = {report.n} steps)"
    )
    for rule, sentence in zip(report.rules, report.sentences(), strict=True):
        print(f"  {sentence}; in its turn it drops {rule.removed:.1f} tokens with {rule.dropped:.3f} of the mass")
    print("  decides: it alone gives the kept set in most steps; inactive: leaving it out changes nothing in most")


def _settings(params: SamplingParams) -> str:
    defaults = SamplingParams().as_dict()
    changed = {key: value for key, value in params.as_dict().items() if value != defaults[key] or key == "temperature"}
    return ", ".join(
        f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}" for key, value in changed.items()
    )
