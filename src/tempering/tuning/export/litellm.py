"""LiteLLM: a model of its proxy's configuration, with the settings as its parameters."""

from __future__ import annotations

import yaml

from tempering.params import SamplingParams
from tempering.tuning.export.base import Exporter, Rendered, check_supported, check_temperature
from tempering.tuning.export.openai import FIELDS, SUPPORTS, WARNINGS


def _render(params: SamplingParams) -> Rendered:
    check_supported(params, "litellm", SUPPORTS)
    check_temperature(params, "litellm", lowest=0.0, highest=2.0)
    values = {name: getattr(params, name) for name in FIELDS}
    entry = {"model_name": "tempered", "litellm_params": {"model": "PROVIDER/MODEL", **values}}
    return Rendered(
        yaml.safe_dump({"model_list": [entry]}, sort_keys=False),
        ("A request that names a temperature wins over this file.", *WARNINGS),
    )


def _parse(text: str) -> SamplingParams:
    [entry] = yaml.safe_load(text)["model_list"]
    return SamplingParams(**{name: entry["litellm_params"][name] for name in FIELDS})


LITELLM = Exporter("litellm", "a model in LiteLLM's proxy configuration", "litellm.yaml", None, _render, _parse)
