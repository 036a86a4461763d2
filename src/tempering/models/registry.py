"""Model names to backends: a small table of what to load, when it is used."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Literal, overload

from tempering.errors import UnknownModelError
from tempering.models.base import LogitsModel, Model

BACKENDS = {
    "embedded": ("tempering.models.embedded:load", "embedded", "a small story model that ships with the package"),
    "hf": (
        "tempering.models.transformers:load",
        "hf:./folder or hf:ORG/NAME",
        "a causal model of transformers, from safetensors",
    ),
    "gguf": ("tempering.models.llama_cpp:load", "gguf:./model.gguf", "a GGUF file, through llama.cpp"),
    "onnx": ("tempering.models.onnx:load", "onnx:./folder", "a folder with model.onnx, tokenizer.json and model.json"),
    "http": (
        "tempering.models.openai:load_http",
        "http://host:port/v1#model",
        "a model behind an OpenAI-compatible server: text, no logits",
    ),
    "https": ("tempering.models.openai:load_https", "https://host/v1#model", "the same, the key from the environment"),
}
"""Kind of name: where its loader is, how the name is written, what it is."""

NEEDS = {"hf": ("transformers", ("torch", "transformers")), "gguf": ("gguf", ("llama_cpp",))}
"""Kinds that need an extra: its name, and the modules that it brings."""

ENTRY_POINTS = "tempering.models"


@overload
def load_model(name: Literal["embedded"]) -> LogitsModel: ...


@overload
def load_model(name: str) -> Model: ...


def load_model(name: str) -> Model:
    """Return the model that a name stands for.

    Args:
        name: as ``BACKENDS`` writes them, or a kind that an installed package adds (entry point ``tempering.models``: a
            function from the part after the colon to a ``LogitsModel`` or ``TextModel``).

    Raises:
        UnknownModelError: no backend knows the name.
        ModelError: the model cannot be loaded.

    Example:
        >>> load_model("embedded").info.vocabulary
        4096
    """
    kind, colon, rest = name.partition(":")
    loader = _loader(kind)
    if loader is None or (kind == "embedded" and colon):
        known = ", ".join(written for _, written, _ in BACKENDS.values())
        raise UnknownModelError(f"unknown model {name!r}; a model name is one of: {known}")
    return loader(rest)


def missing_extra(kind: str) -> str | None:
    """Return the line that installs what a kind of model lacks here; None if nothing is missing.

    Example:
        >>> missing_extra("embedded") is None
        True
    """
    extra, modules = NEEDS.get(kind, ("", ()))
    missing = any(find_spec(module) is None for module in modules)
    return f"pip install 'tempering[{extra}]'" if missing else None


def _loader(kind: str) -> Callable[[str], Model] | None:
    if kind in BACKENDS:
        module, _, attribute = BACKENDS[kind][0].partition(":")
        found: Callable[[str], Model] = getattr(import_module(module), attribute)
        return found
    for entry in entry_points(group=ENTRY_POINTS, name=kind):
        plugin: Callable[[str], Model] = entry.load()
        return plugin
    return None
