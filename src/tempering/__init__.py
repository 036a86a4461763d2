"""tempering finds, explains and sets the temperature of a language model, by measurement.

Names are loaded when first used, so that ``import tempering`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tempering._version import __version__

if TYPE_CHECKING:
    from tempering.errors import TemperingError
    from tempering.generation.completion import Completion
    from tempering.generation.decode import generate
    from tempering.generation.forks import ForkTree, fork_tree
    from tempering.generation.request import Request
    from tempering.measures import measure, measures_for
    from tempering.measures.base import Samples
    from tempering.measures.corpus import open_corpus
    from tempering.measures.graders import make_grader
    from tempering.models.base import LogitsModel, TextModel, require_logits
    from tempering.models.registry import load_model
    from tempering.params import SamplingParams
    from tempering.sampling.binding import TruncationReport, truncation_report
    from tempering.sampling.distribution import Logprobs, distribution, logprob
    from tempering.sampling.draw import draw
    from tempering.sampling.equivalence import (
        Translation,
        compare_orders,
        equivalent_temperature,
        translate,
    )
    from tempering.sampling.facts import Facts, facts
    from tempering.sampling.penalties import Context
    from tempering.sampling.thermodynamics import Thermodynamics, thermodynamics
    from tempering.statistics.estimate import Estimate
    from tempering.statistics.reweighting import reweight
    from tempering.study.ratings import analyse_ratings, write_rating_sheet
    from tempering.thermometer.likelihood import Reading, read_temperature
    from tempering.thermometer.reading import read_text
    from tempering.tuning.answer import Recommendation
    from tempering.tuning.plan import TunePlan
    from tempering.tuning.run import tune

_HOME = {
    "Completion": "tempering.generation.completion",
    "Context": "tempering.sampling.penalties",
    "Estimate": "tempering.statistics.estimate",
    "Facts": "tempering.sampling.facts",
    "ForkTree": "tempering.generation.forks",
    "LogitsModel": "tempering.models.base",
    "Logprobs": "tempering.sampling.distribution",
    "Reading": "tempering.thermometer.likelihood",
    "Recommendation": "tempering.tuning.answer",
    "Request": "tempering.generation.request",
    "Samples": "tempering.measures.base",
    "SamplingParams": "tempering.params",
    "TemperingError": "tempering.errors",
    "TextModel": "tempering.models.base",
    "Thermodynamics": "tempering.sampling.thermodynamics",
    "Translation": "tempering.sampling.equivalence",
    "TruncationReport": "tempering.sampling.binding",
    "TunePlan": "tempering.tuning.plan",
    "analyse_ratings": "tempering.study.ratings",
    "compare_orders": "tempering.sampling.equivalence",
    "distribution": "tempering.sampling.distribution",
    "draw": "tempering.sampling.draw",
    "equivalent_temperature": "tempering.sampling.equivalence",
    "facts": "tempering.sampling.facts",
    "fork_tree": "tempering.generation.forks",
    "generate": "tempering.generation.decode",
    "load_model": "tempering.models.registry",
    "logprob": "tempering.sampling.distribution",
    "make_grader": "tempering.measures.graders",
    "measure": "tempering.measures",
    "measures_for": "tempering.measures",
    "open_corpus": "tempering.measures.corpus",
    "read_temperature": "tempering.thermometer.likelihood",
    "read_text": "tempering.thermometer.reading",
    "require_logits": "tempering.models.base",
    "reweight": "tempering.statistics.reweighting",
    "thermodynamics": "tempering.sampling.thermodynamics",
    "translate": "tempering.sampling.equivalence",
    "truncation_report": "tempering.sampling.binding",
    "tune": "tempering.tuning.run",
    "write_rating_sheet": "tempering.study.ratings",
}

__all__ = [
    "Completion",
    "Context",
    "Estimate",
    "Facts",
    "ForkTree",
    "LogitsModel",
    "Logprobs",
    "Reading",
    "Recommendation",
    "Request",
    "Samples",
    "SamplingParams",
    "TemperingError",
    "TextModel",
    "Thermodynamics",
    "Translation",
    "TruncationReport",
    "TunePlan",
    "__version__",
    "analyse_ratings",
    "compare_orders",
    "distribution",
    "draw",
    "equivalent_temperature",
    "facts",
    "fork_tree",
    "generate",
    "load_model",
    "logprob",
    "make_grader",
    "measure",
    "measures_for",
    "open_corpus",
    "read_temperature",
    "read_text",
    "require_logits",
    "reweight",
    "thermodynamics",
    "translate",
    "truncation_report",
    "tune",
    "write_rating_sheet",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tempering' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
