"""A recommendation in the form that an engine reads: one file an engine. Knows settings; knows no model, no search."""

from __future__ import annotations

from tempering.errors import ExportError
from tempering.params import SamplingParams
from tempering.tuning.export.base import Exporter, Rendered
from tempering.tuning.export.litellm import LITELLM
from tempering.tuning.export.llama_cpp import LLAMA_CPP, LLAMA_CPP_REQUEST
from tempering.tuning.export.lm_studio import LM_STUDIO
from tempering.tuning.export.ollama import OLLAMA, OLLAMA_REQUEST
from tempering.tuning.export.openai import OPENAI
from tempering.tuning.export.plain import JSON, TOML, YAML
from tempering.tuning.export.transformers import TRANSFORMERS
from tempering.tuning.export.vllm import VLLM, VLLM_REQUEST, VLLM_SERVE

EXPORTERS: dict[str, Exporter] = {
    exporter.name: exporter
    for exporter in (
        VLLM,
        VLLM_SERVE,
        VLLM_REQUEST,
        TRANSFORMERS,
        LLAMA_CPP,
        LLAMA_CPP_REQUEST,
        OLLAMA,
        OLLAMA_REQUEST,
        LM_STUDIO,
        OPENAI,
        LITELLM,
        JSON,
        YAML,
        TOML,
    )
}
"""Every target by its name."""

__all__ = ["EXPORTERS", "Exporter", "Rendered", "exporter_of", "render_checked"]


def exporter_of(name: str) -> Exporter:
    """Return an exporter by its name.

    Raises:
        ExportError: there is none of that name; the message lists them.

    Example:
        >>> exporter_of("transformers").filename
        'generation_config.json'
    """
    if name not in EXPORTERS:
        raise ExportError(f"the engine must be one of {', '.join(EXPORTERS)}, got {name!r}")
    return EXPORTERS[name]


def render_checked(name: str, params: SamplingParams) -> Rendered:
    """Return the settings in the form of a target, read back and compared before anyone uses them.

    Raises:
        ExportError: the target cannot be told them.

    Example:
        >>> print(render_checked("llama.cpp", SamplingParams(temperature=0.7)).text.split()[:2])
        ['--temp', '0.7']
    """
    exporter = exporter_of(name)
    rendered = exporter.render(params)
    back = exporter.parse(rendered.text)
    if back.temperature != params.temperature:
        raise ExportError(f"{name}: the file reads back as T = {back.temperature:g}, not {params.temperature:g}")
    return rendered
