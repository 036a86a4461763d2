"""Numbers in, estimates out: every one with an interval and n. Knows nothing of text."""

from tempering.statistics.bootstrap import bootstrap_difference, bootstrap_mean
from tempering.statistics.estimate import Estimate
from tempering.statistics.mixed import FixedEffect, MixedModel, mixed_model
from tempering.statistics.reliability import cronbach_alpha
from tempering.statistics.trend import rank_trend

__all__ = [
    "Estimate",
    "FixedEffect",
    "MixedModel",
    "bootstrap_difference",
    "bootstrap_mean",
    "cronbach_alpha",
    "mixed_model",
    "rank_trend",
]
