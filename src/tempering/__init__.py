"""tempering finds, explains and sets the temperature of a language model, by measurement.

Names are loaded when first used, so that ``import tempering`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tempering._version import __version__

if TYPE_CHECKING:
    from tempering.errors import TemperingError
    from tempering.params import SamplingParams

_HOME = {
    "SamplingParams": "tempering.params",
    "TemperingError": "tempering.errors",
}

__all__ = ["SamplingParams", "TemperingError", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tempering' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
