"""llama.cpp: flags and a request to its server. Both name the sequence of samplers, so any order can be told."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from tempering.errors import ExportError
from tempering.params import SamplingParams
from tempering.tuning.export.base import Exporter, Rendered, check_supported, known_order

SUPPORTS = frozenset({"top_k", "top_p", "min_p", "typical_p", "top_n_sigma"})

SAMPLERS = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typ_p",
    "top_n_sigma": "top_n_sigma",
}
"""Steps by the names of ``--samplers``; steps that are off are left out of the sequence."""

FLAGS = {
    "temperature": "--temp",
    "top_k": "--top-k",
    "top_p": "--top-p",
    "min_p": "--min-p",
    "typical_p": "--typical",
    "top_n_sigma": "--top-nsigma",
}

OFF = {
    "--repeat-penalty": "1.0",
    "--presence-penalty": "0.0",
    "--frequency-penalty": "0.0",
    "--dry-multiplier": "0.0",
    "--xtc-probability": "0.0",
    "--dynatemp-range": "0.0",
    "--mirostat": "0",
}
"""What else acts on the distribution, switched off."""

REQUEST_OFF = {
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "dry_multiplier": 0.0,
    "xtc_probability": 0.0,
    "dynatemp_range": 0.0,
    "mirostat": 0,
}


def _sequence(params: SamplingParams) -> list[str]:
    """Return the samplers that are on, in the order of the settings."""
    active = set(params.active_steps())
    return [SAMPLERS[step] for step in params.steps if step in active]


def _checked(params: SamplingParams, target: str) -> dict[str, Any]:
    # Penalties are refused: llama.cpp counts the prompt's tokens too, and only the last 64.
    check_supported(params, target, SUPPORTS)
    # Its own sign for "off" is -1; 0 would keep every logit not below the largest.
    return {name: getattr(params, name) for name in FLAGS} | {"top_n_sigma": params.top_n_sigma or -1.0}


def _flags(params: SamplingParams) -> Rendered:
    values = _checked(params, "llama.cpp")
    parts = [f"{FLAGS[name]} {value!r}" for name, value in values.items()]
    parts += [f"{flag} {value}" for flag, value in OFF.items()]
    return Rendered(" ".join([*parts, f"--samplers {shlex.quote(';'.join(_sequence(params)))}"]) + "\n")


def _from_flags(text: str) -> SamplingParams:
    words = shlex.split(text)
    flags = dict(zip(words[::2], words[1::2], strict=True))
    values = {name: float(flags.pop(flag)) for name, flag in FLAGS.items()}
    sequence = flags.pop("--samplers").split(";")
    if flags != OFF:
        raise ExportError("llama.cpp: a sampler acts that is not ours")
    return _params(values, sequence)


def _request(params: SamplingParams) -> Rendered:
    values = _checked(params, "llama.cpp-request") | REQUEST_OFF | {"samplers": _sequence(params)}
    return Rendered(json.dumps(values, indent=2) + "\n", ("Add prompt (or messages) to the body.",))


def _from_request(text: str) -> SamplingParams:
    values = json.loads(text)
    sequence = values.pop("samplers")
    if {name: values.pop(name) for name in REQUEST_OFF} != REQUEST_OFF:
        raise ExportError("llama.cpp: a sampler acts that is not ours")
    return _params(values, sequence)


def _params(values: Mapping[str, Any], sequence: list[str]) -> SamplingParams:
    steps = {sampler: step for step, sampler in SAMPLERS.items()}
    order = tuple(steps[sampler] for sampler in sequence)
    found = dict(values) | {"top_k": int(values["top_k"]), "top_n_sigma": max(values["top_n_sigma"], 0.0)}
    return known_order(SamplingParams(**found, order=order))


LLAMA_CPP = Exporter("llama.cpp", "flags of llama-cli and llama-server", "llama-flags.txt", None, _flags, _from_flags)
LLAMA_CPP_REQUEST = Exporter(
    "llama.cpp-request", "a request to llama-server", "llama-request.json", None, _request, _from_request
)
