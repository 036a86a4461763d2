"""The OpenAI SDK: a call. What stands behind the endpoint decides the order, so no truncation is exported."""

from __future__ import annotations

import ast

from tempering.params import SamplingParams
from tempering.tuning.export.base import Exporter, Rendered, check_supported, check_temperature

SUPPORTS = frozenset({"frequency_penalty", "presence_penalty"})
FIELDS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")

WARNINGS = (
    "Some models refuse a temperature; the endpoint then answers 400.",
    "The endpoint may have defaults that the SDK cannot name (top_k, min_p): tempering doctor shows those that act.",
)


def _render(params: SamplingParams) -> Rendered:
    check_supported(params, "openai", SUPPORTS)
    check_temperature(params, "openai", lowest=0.0, highest=2.0)
    fields = "".join(f"    {name}={getattr(params, name)!r},\n" for name in FIELDS)
    return Rendered(
        "from openai import OpenAI\n\nclient = OpenAI()\nanswer = client.chat.completions.create(\n"
        f'    model="MODEL",\n    messages=[{{"role": "user", "content": "PROMPT"}}],\n{fields})\n',
        WARNINGS,
    )


def _parse(text: str) -> SamplingParams:
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    values = {item.arg: item.value for call in calls for item in call.keywords}
    return SamplingParams(**{name: ast.literal_eval(values[name]) for name in FIELDS})


OPENAI = Exporter("openai", "a call of the OpenAI SDK", "call.py", None, _render, _parse)
