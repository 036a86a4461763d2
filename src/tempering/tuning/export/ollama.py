"""Ollama: a Modelfile and a request. It has two samplers with unlike orders, so only what both agree on is exported."""

from __future__ import annotations

import json
import re
from typing import Any

from tempering.params import SamplingParams
from tempering.tuning.export.base import Exporter, Rendered, check_supported

SUPPORTS = frozenset({"top_k"})
"""Which engine runs a model decides whether T stands before or after top-p and min-p: with them it is not known what
T means. top-k keeps the same tokens on either side."""

OFF: dict[str, Any] = {
    "top_p": 1.0,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""Its defaults act (top_k 40, top_p 0.9, a repetition penalty): switched off."""


UNCHECKED = (
    "Not checked in a running Ollama: where T stands among its samplers depends on the engine that runs the model, so "
    "only T and top-k are written, and the rest is switched off."
)


def _options(params: SamplingParams) -> dict[str, Any]:
    check_supported(params, "ollama", SUPPORTS)
    return {"temperature": params.temperature, "top_k": params.top_k, **OFF}


def _modelfile(params: SamplingParams) -> Rendered:
    lines = "".join(f"PARAMETER {name} {value}\n" for name, value in _options(params).items())
    return Rendered(
        lines,
        (
            "Put a line FROM with your model before it, then: ollama create NAME -f Modelfile.",
            "The temperature of a Modelfile is ignored on /v1 (the OpenAI-compatible endpoint): there the client's "
            "request must carry it; the target ollama-request has it for /api.",
            UNCHECKED,
        ),
    )


def _from_modelfile(text: str) -> SamplingParams:
    return _params({name: float(value) for name, value in re.findall(r"^PARAMETER (\S+) (\S+)$", text, re.MULTILINE)})


def _request(params: SamplingParams) -> Rendered:
    return Rendered(
        json.dumps({"options": _options(params)}, indent=2) + "\n",
        ("For /api/generate and /api/chat: add model and prompt (or messages).", UNCHECKED),
    )


def _params(options: dict[str, Any]) -> SamplingParams:
    return SamplingParams(temperature=options["temperature"], top_k=int(options["top_k"]))


def _merge(old: str, new: str) -> str:
    """Return the Modelfile that is there with our parameters in the place of its own."""
    ours = "|".join(("temperature", "top_k", *OFF))
    kept = [line for line in old.splitlines() if not re.match(rf"\s*PARAMETER\s+({ours})\s", line, re.IGNORECASE)]
    return "\n".join(kept).rstrip() + "\n" + new


OLLAMA = Exporter("ollama", "an Ollama Modelfile", "Modelfile", None, _modelfile, _from_modelfile, _merge)
OLLAMA_REQUEST = Exporter(
    "ollama-request",
    "a request to Ollama's own API",
    "ollama-request.json",
    None,
    _request,
    lambda text: _params(json.loads(text)["options"]),
)
