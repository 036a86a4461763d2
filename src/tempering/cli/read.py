"""``tempering read``: the temperature that texts read at, and whether a server honours the one it is asked for."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tempering.cli import options
from tempering.cli.terminal import say
from tempering.errors import PromptError, UsageError
from tempering.params import SamplingParams
from tempering.report.untrusted import printable

if TYPE_CHECKING:
    from tempering.models.base import LogitsModel
    from tempering.thermometer.audit import AskedAndRead, Explanation
    from tempering.thermometer.likelihood import Reading, Tokens

ASKED = "0,0.5,1,1.5"


@options.with_sampling
def read(
    *,
    text: Annotated[str | None, typer.Argument(help="The text; - reads it from stdin.")] = None,
    text_file: Annotated[Path | None, typer.Option("--text-file", "-f", help="A file with the text.")] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            "--texts", help="A file of texts, a line each, or JSON Lines with text (and prompt).", show_default=False
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            "--server", help="Audit a server (http://host:port/v1#name) that serves --model.", show_default=False
        ),
    ] = None,
    temperatures: Annotated[
        str | None,
        typer.Option(
            "--temperatures", "-T", help=f"What the server is asked for. (default: {ASKED})", show_default=False
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", "-n", min=1, help="Texts of the server at each prompt and T.")
    ] = 2,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="The length of the server's texts.")] = 48,
    prompt: Annotated[str, typer.Option("--prompt", help="What stood before the text.")] = "",
    model: options.Model = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the reading and the likelihood curve as JSON.")
    ] = False,
    sampling: dict[str, Any],
) -> None:
    """Read the temperature of a text: the T at which this model would most likely have written it.

    Give the truncation that it was drawn with, if there was one: without it, a truncated text reads too cold. With
    --texts one temperature for many texts, and what it gains in bits a token; with --server an audit.
    """
    if sum(given is not None for given in (text if text != "-" else None, text_file, texts, server)) > 1:
        raise UsageError("give one of: a text, --text-file, --texts, --server")
    if temperatures is not None and server is None:
        raise UsageError("--temperatures belongs to --server: a text has the temperature that is read")
    if texts and sampling:
        raise UsageError("--texts reads without truncation; a setting can be given with a single text")
    shown = None if texts or server else options.text_of(text, text_file, "text", "--text-file")

    from tempering.models.base import require_logits  # noqa: PLC0415 - engines are loaded when a command runs
    from tempering.models.registry import load_model  # noqa: PLC0415

    loaded = require_logits(load_model(model or "embedded"))
    if server:
        asked = SamplingParams(**sampling)
        size = samples, max_tokens
        _audit(loaded, server, prompt, temperatures=temperatures or ASKED, params=asked, size=size, as_json=as_json)
    elif texts:
        _calibrate(loaded, prompt, texts, as_json)
    elif shown is not None and not sampling:
        from tempering.thermometer.reading import tokens_of_text  # noqa: PLC0415

        _show(tokens_of_text(loaded, prompt, shown), as_json)
    elif shown is not None:
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
    return "-" if math.isnan(value) else "inf" if math.isinf(value) else f"{value:.3f}"


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


def _calibrate(model: LogitsModel, prompt: str, file: Path, as_json: bool) -> None:
    from tempering.study.records import plain  # noqa: PLC0415
    from tempering.thermometer.calibration import calibrate  # noqa: PLC0415
    from tempering.thermometer.reading import tokens_of_document  # noqa: PLC0415

    found = calibrate([tokens_of_document(model, before, text) for before, text in _texts_of(file, prompt)])
    pooled, gain = found.pooled, found.gain
    if as_json:
        record = {
            "reading": pooled.reading.as_dict(),
            "texts": [reading.as_dict() for reading in pooled.each],
            "p_one_temperature": pooled.p_value,
            "gain_bits_per_token": {"value": gain.value, "low": gain.low, "high": gain.high, "n": gain.n},
            "bits_per_token_at_one": found.bits,
        }
        print(json.dumps(plain(record), indent=1, allow_nan=False))
        return
    print(_in_words(pooled.reading))
    interval = "" if math.isnan(gain.low) else f" [{gain.low:.3f}, {gain.high:.3f}] (95 % over {gain.clusters} texts)"
    print(f"gain over T = 1: {gain.value:.3f} bits a token{interval}, fitted on these texts")
    if len(pooled.each) > 1:
        ends = sorted(reading.temperature for reading in pooled.each)
        print(
            f"texts by themselves: T from {_t(ends[0])} to {_t(ends[-1])}, median {_t(ends[len(ends) // 2])}; "
            f"one T explains all: p = {pooled.p_value:.2g} (likelihood ratio)"
        )


def _texts_of(file: Path, prompt: str) -> list[tuple[str, str]]:
    """Return prompt and text of each line of a file."""
    found = []
    for number, line in enumerate(options.text_of(None, file, "file of texts", "--texts").splitlines(), 1):
        if not line.strip():
            continue
        if file.suffix != ".jsonl":
            found.append((prompt, line))
            continue
        try:
            record = json.loads(line)
            pair = record.get("prompt", prompt), record["text"]
        except (ValueError, KeyError, TypeError, AttributeError):
            pair = None, None
        if not all(isinstance(part, str) for part in pair) or not pair[1]:
            raise PromptError(f"{file}, line {number}: expected an object with 'text', and 'prompt' if there is one")
        found.append(pair)
    return found


def _audit(
    model: LogitsModel,
    server: str,
    prompt: str,
    *,
    temperatures: str,
    params: SamplingParams,
    size: tuple[int, int],
    as_json: bool,
) -> None:
    from tempering.models.registry import load_model  # noqa: PLC0415
    from tempering.study.plan import temperatures_of  # noqa: PLC0415
    from tempering.study.prompts import STORY_OPENINGS  # noqa: PLC0415
    from tempering.study.records import plain  # noqa: PLC0415
    from tempering.thermometer.audit import audit_server  # noqa: PLC0415

    prompts = [prompt] if prompt else [text for _, text in STORY_OPENINGS]
    asked, (samples, max_tokens) = temperatures_of(temperatures), size
    say(f"asking for {len(prompts) * len(asked) * samples} texts of up to {max_tokens} tokens")
    found = audit_server(
        load_model(server), model, prompts, asked, params=params, samples=samples, max_tokens=max_tokens
    )
    if as_json:
        print(json.dumps(plain(found.as_dict()), indent=1, allow_nan=False))
        return
    print(printable(f"{found.server}, read with {found.model}"))
    print("  asked  read   interval         tokens")
    for row in found.rows:
        print(_row_in_words(row))
    print("truncations, likeliest first (nats behind the best):")
    best = found.explanations[0].log_likelihood
    for one in found.explanations[:5]:
        print(f"  {_explanation_in_words(model, one, best)}")


def _row_in_words(row: AskedAndRead) -> str:
    verdict = {True: "honoured", False: "NOT honoured", None: "nothing can be told"}[row.honoured]
    return f"  {row.asked:<5g}  {_t(row.read)}  [{_t(row.low)}, {_t(row.high)}]  {row.n:>6}  {verdict}"


def _explanation_in_words(model: LogitsModel, one: Explanation, best: float) -> str:
    if one.first is None:
        return f"{one.name}: {best - one.log_likelihood:.1f}"
    asked, place, token = one.first
    return (
        f"{one.name}: impossible, {one.impossible} tokens lie outside the kept set, the first is token {place} "
        f"of a text at T = {asked:g} ({printable(model.decode([token]))!r})"
    )
