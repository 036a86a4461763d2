"""Known-valid-set probes: counts by hand, the chance that two answers differ, and the sets that ship."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempering import Completion
from tempering.measures import measure
from tempering.measures.base import Samples
from tempering.measures.graders import make_grader
from tempering.study.presets.base import preset
from tests.measures.conftest import make

Make = Callable[..., Completion]
CITIES = ("Paris", "Rome", "Oslo")


def of(completion: Make, answers: list[str], expected: tuple[str, ...] = CITIES) -> Samples:
    made = tuple(completion(text, sample=place) for place, text in enumerate(answers))
    return Samples(made, expected={"p": expected}, grader=make_grader("exact"))


def test_validity_coverage_and_evenness(completion: Make) -> None:
    samples = of(completion, ["Paris", "paris.", "Rome", "Atlantis", "I do not know"])
    assert measure("accuracy").function(samples).tolist() == [1, 1, 1, 0, 0]
    coverage, evenness = (measure(name).function(samples) for name in ("valid_coverage", "valid_evenness"))
    assert coverage[0] == pytest.approx(2 / 3)
    assert evenness[0] == pytest.approx(2 / 3), "of three pairs of valid answers two differ"
    assert np.isnan([coverage[1:], evenness[1:]]).all()


def test_few_answers_can_cover_what_they_could(completion: Make) -> None:
    assert measure("valid_coverage").function(of(completion, ["Paris", "Rome"]))[0] == 1
    none = of(completion, ["here", "there"])
    assert measure("valid_coverage").function(none)[0] == 0
    assert np.isnan(measure("valid_evenness").function(none)).all()
    lone = of(completion, ["Paris", "Paris"], ("Paris",))
    assert np.isnan(measure("valid_coverage").function(lone)).all(), "one right answer is no list"


@given(st.lists(st.sampled_from(CITIES), min_size=2, max_size=12))
def test_evenness_is_the_share_of_pairs_that_differ(answers: list[str]) -> None:
    pairs = list(combinations(answers, 2))
    value = measure("valid_evenness").function(of(make, answers))[0]
    assert value == pytest.approx(sum(a != b for a, b in pairs) / len(pairs))


@pytest.mark.parametrize("name", ["probes", "probes-pt"])
def test_every_answer_of_a_shipped_set_is_its_own(name: str) -> None:
    chosen = preset(name)
    grader = make_grader(chosen.plan["grader"])
    for prompt in chosen.prompts:
        assert len(prompt.expected) > 3
        for item in prompt.expected:
            matched = Counter(other for other in prompt.expected if grader(f" **{item}**, of course", (other,)) == 1)
            assert matched == {item: 1}, (prompt.id, item)
        assert grader("perhaps", prompt.expected) == 0
