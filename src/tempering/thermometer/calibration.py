"""At which temperature does a model predict texts best? Temperature scaling, and profiles of texts. Arrays only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tempering.statistics import Estimate, t_mean
from tempering.thermometer.likelihood import Pooled, Tokens, read_together


@dataclass(frozen=True)
class Calibration:
    """How texts are predicted, and at which temperature best.

    Attributes:
        pooled: one temperature for all texts, one each, and the test that one explains all.
        gain: bits a token that the pooled temperature predicts the texts better than T = 1, with its interval over
            texts (NaN for one). It is fitted on the same texts: on fresh ones it is about 1.44 / n bits a token less
            for n tokens.
        bits: bits a token at T = 1.
    """

    pooled: Pooled
    gain: Estimate
    bits: float


def calibrate(texts: Sequence[Tokens], *, confidence: float = 0.95) -> Calibration:
    """Fit one temperature to texts (temperature scaling, Guo et al. 2017), with what it gains.

    Args:
        texts: tokens of each text with their distributions, see ``thermometer.reading``.
        confidence: nominal coverage, in (0, 1).

    Raises:
        ParameterError: there is no text.
        LogitsError: a token is impossible.

    Example:
        >>> coin = [Tokens.of([[0.0, 2.0]] * 100, [0] * k + [1] * (100 - k)) for k in (28, 30, 32)]
        >>> found = calibrate(coin)  # 70 % ones, where the model says 88 %
        >>> round(found.pooled.reading.temperature, 2), found.gain.low > 0
        (2.36, True)
    """
    pooled = read_together(texts, confidence=confidence)
    best = pooled.reading.temperature
    inverse = 0.0 if math.isinf(best) else 1 / max(best, 1e-6)
    gains, clusters, at_one = [], [], 0.0
    for place, text in enumerate(texts):
        plain, own = text.own - text.moments(1.0)[0], inverse * text.own - text.moments(inverse)[0]
        gains.append((own - plain) / math.log(2))
        clusters.append(np.full(len(text), place))
        at_one -= float(plain.sum())
    gain = t_mean(np.concatenate(gains), np.concatenate(clusters), confidence=confidence)
    if len(texts) == 1:  # its tokens say nothing of other texts
        gain = replace(gain, low=math.nan, high=math.nan)
    return Calibration(pooled, gain, at_one / math.log(2) / gain.n)
