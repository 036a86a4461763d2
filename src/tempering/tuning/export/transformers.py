"""transformers: generation_config.json. Without do_sample it ignores T; at T=0 it wants do_sample off and no T."""

from __future__ import annotations

import json
from typing import Any

from tempering.params import SamplingParams
from tempering.tuning.export.base import Exporter, Rendered, fitted

SUPPORTS = frozenset({"top_k", "top_p", "min_p", "typical_p", "epsilon", "eta", "repetition_penalty"})
NAMES = {"epsilon": "epsilon_cutoff", "eta": "eta_cutoff"}
"""Fields that it calls otherwise."""


def _render(params: SamplingParams) -> Rendered:
    found, notes = fitted(params, "transformers", "transformers", SUPPORTS)
    notes.append("It belongs beside the weights; tempering apply keeps the other fields of the file that is there.")
    if found.temperature == 0:
        values: dict[str, Any] = {"do_sample": False, "num_beams": 1, "repetition_penalty": found.repetition_penalty}
        # Named with what means "not set", as an older file's values would be warned about under greedy decoding.
        values |= {"temperature": 1.0, "top_k": 50, "top_p": 1.0, "min_p": None, "typical_p": 1.0}
        values |= {"epsilon_cutoff": 0.0, "eta_cutoff": 0.0}
        return Rendered(json.dumps(values, indent=2) + "\n", tuple(notes))
    values = {
        "do_sample": True,
        "num_beams": 1,
        "temperature": float(found.temperature),
        "top_k": found.top_k,
        "top_p": found.top_p,
        "min_p": found.min_p or None,
        "typical_p": found.typical_p,
        "epsilon_cutoff": found.epsilon,
        "eta_cutoff": found.eta,
        "repetition_penalty": found.repetition_penalty,
    }
    return Rendered(json.dumps(values, indent=2) + "\n", tuple(notes))


def _parse(text: str) -> SamplingParams:
    values = json.loads(text)
    if not values["do_sample"]:
        return SamplingParams(temperature=0, repetition_penalty=values["repetition_penalty"])
    found: dict[str, Any] = {name: values[NAMES.get(name, name)] or 0 for name in SUPPORTS}
    return SamplingParams(**found | {"temperature": values["temperature"]})


def _merge(old: str, new: str) -> str:
    """Return the file that is there with our fields; ids of end and padding tokens and the rest are kept."""
    return json.dumps(json.loads(old) | json.loads(new), indent=2) + "\n"


TRANSFORMERS = Exporter(
    "transformers",
    "transformers: generation_config.json",
    "generation_config.json",
    "transformers",
    _render,
    _parse,
    _merge,
)
