"""Numbers in, estimates out: every one with an interval and n. Knows nothing of text."""

from tempering.statistics.bootstrap import bca_mean
from tempering.statistics.change import ChangePoint, change_point
from tempering.statistics.comparisons import Comparison, holm, paired_comparisons
from tempering.statistics.curve import CurveBand, curve_band
from tempering.statistics.effects import cliffs_delta, cohens_d
from tempering.statistics.estimate import Estimate
from tempering.statistics.means import mean_p, t_mean
from tempering.statistics.mixed import FixedEffect, MixedModel, mixed_model
from tempering.statistics.power import (
    Equivalence,
    detectable,
    equivalence,
    smallest_detectable_effect,
    smallest_detectable_trend,
)
from tempering.statistics.proportions import wilson
from tempering.statistics.reliability import cronbach_alpha
from tempering.statistics.trend import rank_trend

__all__ = [
    "ChangePoint",
    "Comparison",
    "CurveBand",
    "Equivalence",
    "Estimate",
    "FixedEffect",
    "MixedModel",
    "bca_mean",
    "change_point",
    "cliffs_delta",
    "cohens_d",
    "cronbach_alpha",
    "curve_band",
    "detectable",
    "equivalence",
    "holm",
    "mean_p",
    "mixed_model",
    "paired_comparisons",
    "rank_trend",
    "smallest_detectable_effect",
    "smallest_detectable_trend",
    "t_mean",
    "wilson",
]
