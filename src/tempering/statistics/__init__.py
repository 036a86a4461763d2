"""Numbers in, estimates out: every one with an interval and n. Knows nothing of text."""

from tempering.statistics.bootstrap import bootstrap_difference, bootstrap_mean
from tempering.statistics.estimate import Estimate
from tempering.statistics.trend import rank_trend

__all__ = ["Estimate", "bootstrap_difference", "bootstrap_mean", "rank_trend"]
