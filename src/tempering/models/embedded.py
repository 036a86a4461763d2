"""The embedded model: a small story model whose weights are part of the package."""

from __future__ import annotations

from pathlib import Path

from tempering.models.onnx import OnnxModel

WEIGHTS = Path(__file__).parent / "weights"


def load(rest: str = "") -> OnnxModel:  # noqa: ARG001 - the name has no second part
    """Return the embedded model; its card is ``MODEL_CARD.md`` in the folder ``WEIGHTS``."""
    return OnnxModel(WEIGHTS, name="embedded")
