"""Parity with the warpers of transformers on thousands of rows, and the list of what stays different."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from tempering import SamplingParams, distribution
from tests.engines.parity import Case, cases, verdict

pytestmark = [pytest.mark.engine("transformers"), pytest.mark.filterwarnings("ignore")]

CHOICES: dict[str, list[float]] = {
    "temperature": [1e-3, 0.1, 0.5, 1.0, 1.7, 10.0, 1e4],
    "top_k": [1, 2, 5, 50, 1000],
    "top_p": [0.05, 0.5, 0.75, 0.9, 0.999],
    "min_p": [0.01, 0.1, 0.5, 1.0],
    "typical_p": [0.2, 0.5, 0.95],
    "epsilon": [0.001, 0.05, 0.3],
    "eta": [0.001, 0.05, 0.3],
}


def theirs(case: Case) -> np.ndarray:
    """Return their probabilities: their warpers in the sequence in which ``generate`` adds them."""
    import torch
    from transformers.generation import logits_process as engine

    warpers: dict[str, Any] = {
        "temperature": lambda v: engine.TemperatureLogitsWarper(float(v)),
        "top_k": engine.TopKLogitsWarper,
        "top_p": engine.TopPLogitsWarper,
        "min_p": engine.MinPLogitsWarper,
        "typical_p": lambda v: engine.TypicalLogitsWarper(mass=v),
        "epsilon": engine.EpsilonLogitsWarper,
        "eta": lambda v: engine.EtaLogitsWarper(epsilon=v),
    }
    scores = torch.from_numpy(case.logits.copy())[None]
    for name, make in warpers.items():
        if name in case.settings:
            scores = make(case.settings[name])(None, scores)
    return np.asarray(torch.softmax(scores, dim=-1)[0].numpy(), dtype=np.float64)


def test_two_thousand_rows() -> None:
    counts: Counter[str] = Counter()
    for case in cases(2_400, CHOICES, {"ties": "all"}, seed=1):
        found = verdict(case, theirs)
        counts[found] += 1
        assert found != "different", (case.settings, case.logits.tolist()[:60])
    assert counts["same"] > 0.9 * 2_400, counts


@pytest.mark.parametrize("settings", [{"top_p": 0.9}, {"top_k": 40}, {"min_p": 0.05}, {"typical_p": 0.9}], ids=str)
def test_a_large_vocabulary(settings: dict[str, Any]) -> None:
    z = (np.random.default_rng(3).normal(size=128_256) * 3).astype(np.float32)
    assert verdict(Case(z, settings), theirs) in {"same", "edge"}


def test_what_stays_different_t_tiny() -> None:
    """z / T overflows in float32 and the maximum minus itself is NaN; (z - max) / T has its limit."""
    case = Case(np.array([3.0, 2.0, 1.0], dtype=np.float32), {"temperature": 1e-40})
    assert np.isnan(theirs(case)).all()
    assert distribution(case.logits, SamplingParams(**case.settings)).tolist() == [1, 0, 0]


def test_what_stays_different_t_infinite_beside_a_masked_token() -> None:
    case = Case(np.array([3.0, -np.inf, 1.0], dtype=np.float32), {"temperature": np.inf})
    assert np.isnan(theirs(case)).all()
    assert distribution(case.logits, SamplingParams(**case.settings)).tolist() == [0.5, 0, 0.5]


def test_what_stays_different_ties_of_top_p() -> None:
    """As many tokens, but which of the tied ones is left to a sort that is not stable."""
    case = Case(np.zeros(4, dtype=np.float32), {"top_p": 0.6})
    assert set(np.flatnonzero(theirs(case))) == {1, 2, 3}
    assert set(np.flatnonzero(distribution(case.logits, SamplingParams(**case.settings)))) == {0, 1, 2}
    assert verdict(case, theirs) == "tie"


def test_what_stays_different_top_h() -> None:
    """Theirs adds up -p log p over the 100 best without renormalising what it keeps, as the paper does."""
    import torch
    from transformers.generation.logits_process import TopHLogitsWarper

    p = [0.4, 0.3, 0.2, 0.1]
    scores = TopHLogitsWarper(0.55)(None, torch.log(torch.tensor([p])))
    assert int(torch.isfinite(scores).sum()) == 1, "0.37 + 0.36 is above 0.55 of 1.28"
    assert (distribution(np.log(p), SamplingParams(top_h=0.55)) > 0).sum() == 2, "the entropy of 4/7, 3/7 is 0.68"


@pytest.mark.parametrize("temperature", [0.0, 2])
def test_what_stays_different_t_zero_and_whole_numbers_are_refused(temperature: float) -> None:
    from transformers.generation.logits_process import TemperatureLogitsWarper

    with pytest.raises(ValueError, match="strictly positive float"):
        TemperatureLogitsWarper(temperature)
    assert distribution([1.0, 0.0], SamplingParams(temperature=temperature))[0] > 0.5
