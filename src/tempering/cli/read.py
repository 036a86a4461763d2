"""``tempering read``: the temperature that a text reads at."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tempering.cli import options
from tempering.params import SamplingParams

if TYPE_CHECKING:
    from tempering.models.base import LogitsModel
    from tempering.thermometer.likelihood import Reading, Tokens


@options.with_sampling
def read(
    *,
    text: Annotated[str | None, typer.Argument(help="The text; - reads it from stdin.")] = None,
    text_file: Annotated[Path | None, typer.Option("--text-file", "-f", help="A file with the text.")] = None,
    prompt: Annotated[str, typer.Option("--prompt", help="What stood before the text.")] = "",
    model: options.Model = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the reading and the likelihood curve as JSON.")
    ] = False,
    sampling: dict[str, Any],
) -> None:
    """Read the temperature of a text: the T at which this model would most likely have written it.

    Give the truncation that it was drawn with, if there was one: without it, a truncated text reads too cold.
    """
    shown = options.text_of(text, text_file, "text", "--text-file")

    from tempering.models.base import require_logits  # noqa: PLC0415 - engines are loaded when a command runs
    from tempering.models.registry import load_model  # noqa: PLC0415
    from tempering.thermometer.reading import tokens_of_text  # noqa: PLC0415

    loaded = require_logits(load_model(model or "embedded"))
    if not sampling:
        tokens = tokens_of_text(loaded, prompt, shown)
        _show(tokens, as_json)
    else:
        _show_setting(loaded, prompt, shown, SamplingParams(**sampling), as_json)


def _show(tokens: Tokens, as_json: bool) -> None:
    from tempering.thermometer.likelihood import read_temperature  # noqa: PLC0415

    reading = read_temperature(tokens)
    if as_json:
        temperatures = [round(0.05 * step, 2) for step in range(1, 61)]
        curve = [{"temperature": t, "log_likelihood": tokens.log_likelihood(t)} for t in temperatures]
        print(json.dumps(reading.as_dict() | {"curve": curve}, indent=1, allow_nan=False))
    else:
        print(_in_words(reading))


def _in_words(reading: Reading) -> str:
    bits = [-value / reading.n / math.log(2) for value in (reading.log_likelihood, reading.log_likelihood_at_one)]
    return (
        f"T = {_t(reading.temperature)} [{_t(reading.low)}, {_t(reading.high)}] "
        f"({reading.confidence:.0%} profile-likelihood interval, n = {reading.n} tokens)\n"
        f"bits a token: {bits[0]:.3f} at that T, {bits[1]:.3f} at T = 1"
    )


def _t(value: float) -> str:
    return "inf" if math.isinf(value) else f"{value:.3f}"


def _show_setting(model: LogitsModel, prompt: str, text: str, params: SamplingParams, as_json: bool) -> None:
    from tempering.thermometer.reading import compare_settings  # noqa: PLC0415

    before = model.encode(prompt)
    ids = model.encode(prompt + text)[len(before) :]
    [found] = compare_settings(model, before, ids, [params])
    if as_json:
        record: dict[str, Any] = {"params": found.params.as_dict(), "impossible": list(found.impossible), "n": len(ids)}
        record["log_likelihood"] = found.log_likelihood if math.isfinite(found.log_likelihood) else None
        record["reading"] = found.reading.as_dict() if found.reading else None
        print(json.dumps(record, indent=1, allow_nan=False))
    elif found.impossible:
        place = found.impossible[0]
        print(
            f"impossible under these settings: {len(found.impossible)} of {len(ids)} tokens lie outside the kept set, "
            f"the first is token {place} ({model.decode([ids[place]])!r})"
        )
    elif found.reading:
        print(_in_words(found.reading))
    else:
        bits = -found.log_likelihood / len(ids) / math.log(2)
        print(
            f"T = {found.params.temperature:.3f} is the likeliest of 60 temperatures from 0.05 to 5 "
            f"(n = {len(ids)} tokens, {bits:.3f} bits a token); no interval, as the kept set moves with T"
        )
