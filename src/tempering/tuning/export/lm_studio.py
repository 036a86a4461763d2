"""LM Studio: a preset. Its engines are llama.cpp and MLX, both with T last."""

from __future__ import annotations

import json
from typing import Any

from tempering.params import SamplingParams
from tempering.tuning.export.base import Exporter, Rendered, fitted

SUPPORTS = frozenset({"top_k", "top_p", "min_p"})


def _render(params: SamplingParams) -> Rendered:
    found, notes = fitted(params, "lm-studio", "llama.cpp", SUPPORTS)
    fields: dict[str, Any] = {
        "temperature": found.temperature,
        "topKSampling": found.top_k,
        # "checked" false means off: the value beside it is then not used.
        "topPSampling": {"checked": found.top_p < 1, "value": found.top_p},
        "minPSampling": {"checked": found.min_p > 0, "value": found.min_p},
        "repeatPenalty": {"checked": False, "value": 1.0},
    }
    preset = {
        "identifier": "@local:tempering",
        "name": "tempering",
        "changed": False,
        "operation": {"fields": [{"key": f"llm.prediction.{key}", "value": value} for key, value in fields.items()]},
        "load": {"fields": []},
    }
    if sum(step in SUPPORTS for step in found.active_steps()) > 1:
        notes.append("With an MLX model top-k comes last of the truncations: use one truncation there.")
    return Rendered(
        json.dumps(preset, indent=2) + "\n",
        (
            *notes,
            "The form is that of presets in use, the order of samplers that of llama.cpp: LM Studio specifies neither, "
            "and neither was checked in it. Import the preset, and look at what it shows.",
        ),
    )


def _parse(text: str) -> SamplingParams:
    fields = {item["key"].rpartition(".")[2]: item["value"] for item in json.loads(text)["operation"]["fields"]}
    top_p, min_p = fields["topPSampling"], fields["minPSampling"]
    return SamplingParams(
        temperature=fields["temperature"],
        top_k=fields["topKSampling"],
        top_p=top_p["value"] if top_p["checked"] else 1.0,
        min_p=min_p["value"] if min_p["checked"] else 0.0,
        order="llama.cpp",
    )


LM_STUDIO = Exporter("lm-studio", "an LM Studio preset", "tempering.preset.json", "llama.cpp", _render, _parse)
