"""JSON, YAML and TOML: every field of the settings by its own name, with the order."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

import yaml

from tempering.params import SamplingParams
from tempering.tuning.export.base import Exporter, Rendered


def _values(params: SamplingParams) -> dict[str, Any]:
    """Return every field but the seed, which is no recommendation."""
    return {name: value for name, value in params.as_dict().items() if name != "seed"}


def _params(values: Mapping[str, Any]) -> SamplingParams:
    order = values["order"]
    return SamplingParams(**{**values, "order": order if isinstance(order, str) else tuple(order)})


def _toml(params: SamplingParams) -> Rendered:
    # JSON's numbers, texts and lists are TOML's as well.
    return Rendered("".join(f"{name} = {json.dumps(value)}\n" for name, value in _values(params).items()))


JSON = Exporter(
    "json",
    "every field as JSON",
    "sampling.json",
    None,
    lambda params: Rendered(json.dumps(_values(params), indent=2) + "\n"),
    lambda text: _params(json.loads(text)),
)
YAML = Exporter(
    "yaml",
    "every field as YAML",
    "sampling.yaml",
    None,
    lambda params: Rendered(yaml.safe_dump(_values(params), sort_keys=False)),
    lambda text: _params(yaml.safe_load(text)),
)
TOML = Exporter("toml", "every field as TOML", "sampling.toml", None, _toml, lambda text: _params(tomllib.loads(text)))
