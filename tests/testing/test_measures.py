"""The conformance suite of measures: every built-in one passes, and each broken contract is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tempering.measures import MEASURES, measure
from tempering.measures.base import Measure, Samples
from tempering.measures.corpus import index_of
from tempering.measures.graders import make_grader
from tempering.testing import check_measure

PLAIN = measure("tokens")


def _more(samples: Samples) -> Samples:
    index = index_of(["the fox had a boat by the sea"], "toy")
    expected = {"a": ("fox", "boat"), "b": ("sea",)}
    return replace(samples, expected=expected, grader=make_grader("contains"), corpus=index, references=("a fox",))


WITHOUT_MODELS = [known for known in MEASURES if not known.needs & {"model", "embeddings", "judge"}]


@pytest.mark.parametrize(
    "known", [*WITHOUT_MODELS, measure("pass@2"), measure("training_novelty@3")], ids=lambda m: m.name
)
def test_every_measure_without_a_model_of_its_own_conforms(known: Measure) -> None:
    check_measure(known, _more)


def _values(make: Any) -> Measure:
    return replace(PLAIN, function=make)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (replace(PLAIN, validity=" "), "validity is empty"),
        (replace(PLAIN, criterion="beauty"), "criterion must be one of"),
        (replace(PLAIN, needs=frozenset({"luck"})), "needs must be of"),
        (replace(PLAIN, high=0.0), "low must be below high"),
        (_values(lambda samples: [1.0]), "must return an array"),
        (_values(lambda samples: np.zeros(len(samples.completions), dtype=np.float32)), "must be float64"),
        (_values(lambda samples: np.zeros(1)), "a value for each completion"),
        (_values(lambda samples: np.full(len(samples.completions), -1.0)), "is outside"),
        (_values(lambda samples: np.arange(len(samples.completions), dtype=np.float64)), "depend on the order"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_broken_contract_is_named(broken: Measure, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_measure(broken)


def test_a_measure_that_changes_its_mind_is_named() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(AssertionError, match="gave other values"):
        check_measure(_values(lambda samples: generator.random(len(samples.completions))))
