"""``tempering generate``: write text at any temperature."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tempering.cli import options
from tempering.cli.terminal import say, shown
from tempering.errors import UsageError
from tempering.params import SamplingParams

if TYPE_CHECKING:
    from tempering.generation.completion import Completion
    from tempering.generation.request import Request
    from tempering.models.base import Model


@options.with_sampling
def generate(
    *,
    prompt: Annotated[str | None, typer.Argument(help="The text to continue; - reads it from stdin.")] = None,
    prompt_file: Annotated[
        Path | None, typer.Option("--prompt-file", "-f", help="A file whose whole text is the prompt.")
    ] = None,
    model: options.Model = None,
    chat: options.Chat = False,
    system: options.System = None,
    temperature: Annotated[
        float,
        typer.Option("--temperature", "-T", help="Divides the logits; 0 is greedy.", rich_help_panel=options.SAMPLING),
    ] = 1.0,
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="How many texts.")] = 1,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="The longest a text may become.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="The seed: the same seed gives the same text.")] = 0,
    stream: Annotated[bool, typer.Option("--stream", help="Show the text as it is written.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print tokens, logprobs and settings as JSON.")] = False,
    sampling: dict[str, Any],
) -> None:
    """Continue a prompt, or answer a message (--chat), at any temperature.

    Prints prompt and text; several texts are divided by a line of dashes. Logprobs in the JSON are in nats: raw ones
    are the model's own at T=1, processed ones are under the settings.
    """
    if stream and as_json:
        raise UsageError("--stream and --json cannot be used together")
    text = options.text_of(prompt, prompt_file, "prompt", "--prompt-file")
    params = SamplingParams(temperature=temperature, seed=seed, **sampling)

    from tempering.generation.request import Request  # noqa: PLC0415 - engines are loaded when a command runs
    from tempering.models.base import conversation  # noqa: PLC0415
    from tempering.models.registry import load_model  # noqa: PLC0415

    asked = conversation(text, system or "") if chat or system else text
    requests = [Request(asked, params, sample, max_tokens=max_tokens) for sample in range(samples)]
    loaded = load_model(model or "embedded")
    if stream:
        _stream(loaded, requests)
    elif as_json:
        print(json.dumps(_record(loaded, requests), ensure_ascii=False, indent=1, allow_nan=False))
    else:
        for index, completion in enumerate(_completions(loaded, requests)):
            if index:
                print("---")
            print(shown((text if asked is text else "") + completion.text))


def _completions(model: Model, requests: list[Request]) -> list[Completion]:
    from tempering.generation.decode import generate as decode  # noqa: PLC0415

    return sorted(decode(model, requests), key=lambda completion: completion.sample)


def _record(model: Model, requests: list[Request]) -> dict[str, Any]:
    completions = [completion.as_dict() for completion in _completions(model, requests)]
    for completion in completions:
        for shared in ("prompt", "prompt_id"):
            completion.pop(shared)
    return {"prompt": requests[0].prompt, "completions": completions}


def _stream(model: Model, requests: list[Request]) -> None:
    from tempering.generation.decode import generate as decode  # noqa: PLC0415
    from tempering.generation.stream import TextStream  # noqa: PLC0415
    from tempering.models.base import TextModel  # noqa: PLC0415

    def write(text: str) -> None:
        sys.stdout.write(shown(text))
        sys.stdout.flush()

    for index, request in enumerate(requests):
        if index:
            write("---\n")
        if isinstance(request.prompt, str):
            write(request.prompt)
        if isinstance(model, TextModel):
            [completion] = decode(model, [request], on_text=lambda _, piece: write(piece))
            write("\n")
        else:
            text = TextStream(model)

            def write_token(_: Request, token: int, text: TextStream = text) -> None:
                write(text.push(token))

            [completion] = decode(model, [request], batch_size=1, on_token=write_token)
            write(text.rest() + "\n")
        if completion.finish_reason == "length" and index == len(requests) - 1:
            length = completion.token_count
            counted = "" if length is None else f" at {length} tokens"
            say(f"(stopped{counted}; --max-tokens sets the limit)")
