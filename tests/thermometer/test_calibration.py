"""Calibration: the temperature and the gain of texts with known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tempering.errors import ParameterError
from tempering.sampling.noise import gumbel
from tempering.thermometer.calibration import calibrate
from tempering.thermometer.likelihood import Tokens


def drawn(temperature: float, texts: int, length: int = 80) -> list[Tokens]:
    generator = np.random.default_rng(1)
    made = []
    for text in range(texts):
        z = generator.normal(size=(length, 50)) * 2.5
        made.append(Tokens.of(z, (z / temperature + gumbel(2, text, np.arange(length), 50)).argmax(axis=1)))
    return made


@pytest.mark.parametrize("temperature", [0.6, 1.6])
def test_a_miscalibrated_model_gains_what_the_likelihood_says(temperature: float) -> None:
    found = calibrate(drawn(temperature, 30))
    reading = found.pooled.reading
    assert reading.low < temperature < reading.high
    assert found.gain.n == reading.n == 2400
    assert found.gain.clusters == 30
    assert math.isclose(found.gain.value, reading.gain, rel_tol=1e-5)
    assert math.isclose(found.bits, -reading.log_likelihood_at_one / math.log(2) / 2400, rel_tol=1e-6)
    assert 0 < found.gain.low < found.gain.value < found.gain.high
    assert found.pooled.p_value > 1e-3


def test_a_calibrated_model_gains_next_to_nothing() -> None:
    """The gain of a fitted T is at least 0 and in the mean 0.72 / n bits a token: below 7 times that."""
    assert 0 <= calibrate(drawn(1.0, 30)).gain.value < 7 * 0.72 / 2400


def test_texts_at_the_edges() -> None:
    greedy = Tokens.of([[0.0, 1.0, 3.0]] * 20, [2] * 20)
    assert calibrate([greedy, greedy]).gain.value == pytest.approx(found_bits(3.0, 1.0))
    unlikely = Tokens.of([[0.0, 1.0, 3.0]] * 20, [0] * 20)
    assert calibrate([unlikely]).pooled.reading.temperature == math.inf
    with pytest.raises(ParameterError, match="no text"):
        calibrate([])


def found_bits(best: float, second: float) -> float:
    """Bits of the best token at T = 1, which a greedy reading saves whole."""
    return math.log2(1 + math.exp(second - best) + math.exp(-best))
