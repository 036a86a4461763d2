"""vLLM: SamplingParams in Python, defaults of a server, a request. It raises 0 < T < 0.01 to 0.01 and refuses T > 2."""

from __future__ import annotations

import ast
import json
import shlex
from typing import Any

from tempering.errors import ExportError
from tempering.params import SamplingParams
from tempering.tuning.export.base import PENALTIES, Exporter, Rendered, check_temperature, fitted

SUPPORTS = frozenset({"top_k", "top_p", "min_p", *PENALTIES})
LOWEST, HIGHEST = 0.01, 2.0

SERVED = (
    "A request that names a field wins over these defaults: check that your client sends none of its own.",
    "Without this option vLLM takes its defaults from the model's generation_config.json.",
)


def _values(params: SamplingParams) -> tuple[dict[str, Any], list[str]]:
    """Return every field, those that are off told explicitly, as a model's own defaults would act otherwise."""
    found, notes = fitted(params, "vllm", "vllm", SUPPORTS)
    check_temperature(found, "vllm", lowest=LOWEST, highest=HIGHEST)
    values = {
        "temperature": found.temperature,
        "top_k": found.top_k,
        "top_p": found.top_p,
        "min_p": found.min_p,
    } | {name: getattr(found, name) for name in PENALTIES}
    return values, notes


def _params(values: dict[str, Any]) -> SamplingParams:
    if unknown := values.keys() - {"temperature", *SUPPORTS}:
        raise ExportError(f"vllm: unknown field {min(unknown)}")
    return SamplingParams(**values | {"top_k": max(values["top_k"], 0), "order": "vllm"})


def _python(params: SamplingParams) -> Rendered:
    values, notes = _values(params)
    fields = "".join(f"    {name}={value!r},\n" for name, value in values.items())
    return Rendered(f"from vllm import SamplingParams\n\nsampling = SamplingParams(\n{fields})\n", tuple(notes))


def _from_python(text: str) -> SamplingParams:
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return _params({str(item.arg): ast.literal_eval(item.value) for item in calls[0].keywords})


def _serve(params: SamplingParams) -> Rendered:
    values, notes = _values(params)
    return Rendered(f"--override-generation-config {shlex.quote(json.dumps(values))}\n", (*notes, *SERVED))


def _from_serve(text: str) -> SamplingParams:
    return _params(json.loads(shlex.split(text)[1]))


def _request(params: SamplingParams) -> Rendered:
    values, notes = _values(params)
    return Rendered(json.dumps(values, indent=2) + "\n", (*notes, "Add model and messages (or prompt) to the body."))


VLLM = Exporter("vllm", "vLLM in Python: SamplingParams", "sampling.py", "vllm", _python, _from_python)
VLLM_SERVE = Exporter(
    "vllm-serve", "vllm serve: --override-generation-config", "vllm-flags.txt", "vllm", _serve, _from_serve
)
VLLM_REQUEST = Exporter(
    "vllm-request",
    "a request to a vLLM server",
    "vllm-request.json",
    "vllm",
    _request,
    lambda t: _params(json.loads(t)),
)
