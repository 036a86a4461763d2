"""Model names to backends: a small table of what to load, when it is used."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points

from tempering.errors import UnknownModelError
from tempering.models.base import LogitsModel

BACKENDS = {
    "embedded": ("tempering.models.embedded:load", "embedded", "a small story model that ships with the package"),
    "onnx": ("tempering.models.onnx:load", "onnx:./folder", "a folder with model.onnx, tokenizer.json and model.json"),
}
"""Kind of name: where its loader is, how the name is written, what it is."""

ENTRY_POINTS = "tempering.models"


def load_model(name: str) -> LogitsModel:
    """Return the model that a name stands for.

    Args:
        name: ``embedded``, ``onnx:./folder``, or a kind that an installed package adds (entry point
            ``tempering.models``: a function from the part after the colon to a ``LogitsModel``).

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


def _loader(kind: str) -> Callable[[str], LogitsModel] | None:
    if kind in BACKENDS:
        module, _, attribute = BACKENDS[kind][0].partition(":")
        found: Callable[[str], LogitsModel] = getattr(import_module(module), attribute)
        return found
    for entry in entry_points(group=ENTRY_POINTS, name=kind):
        plugin: Callable[[str], LogitsModel] = entry.load()
        return plugin
    return None
