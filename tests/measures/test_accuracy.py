"""Accuracy, majority and pass@k: closed forms, enumeration, and where they are undefined."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempering import Completion
from tempering.errors import ParameterError
from tempering.measures import measure, measures_for
from tempering.measures.accuracy import SUBSETS, majority_at_k, pass_at_k
from tempering.measures.base import Samples
from tempering.measures.graders import make_grader

Make = Callable[..., Completion]


@given(st.integers(1, 8), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_right_answer(n: int, data: st.DataObject) -> None:
    correct, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    right = [index < correct for index in range(n)]
    subsets = list(combinations(right, k))
    assert math.isclose(pass_at_k(n, correct, k), sum(map(any, subsets)) / len(subsets))


@pytest.mark.parametrize(("n", "correct", "k"), [(0, 0, 1), (3, 1, 0), (3, 1, 4), (3, 4, 1), (3, -1, 1)])
def test_impossible_counts_are_refused(n: int, correct: int, k: int) -> None:
    with pytest.raises(ParameterError):
        pass_at_k(n, correct, k)


def test_majority_by_hand() -> None:
    answers, scores = ("a", "b", "b", None), (1.0, 0.0, 0.0, 0.0)
    assert majority_at_k(answers, scores, 4) == 0
    # Pairs: ab ab a- bb b- b-: a tie is half, an abstention leaves the other.
    assert math.isclose(majority_at_k(answers, scores, 2), (0.5 + 0.5 + 1) / 6)
    assert majority_at_k([None, None], [0, 0], 2) == 0


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=7))
def test_one_vote_is_plain_accuracy(answers: list[str]) -> None:
    scores = [float(answer == "a") for answer in answers]
    assert math.isclose(majority_at_k(answers, scores, 1), float(np.mean(scores)))


def test_drawn_subsets_agree_with_the_binomial_form() -> None:
    """Two answers, 30 votes of 15 from 40: sampled mean within 4 standard errors of the hypergeometric sum."""
    n, right, k = 40, 22, 15
    assert math.comb(n, k) > SUBSETS
    exact = sum(math.comb(right, c) * math.comb(n - right, k - c) for c in range(8, k + 1)) / math.comb(n, k)
    answers = ["a"] * right + ["b"] * (n - right)
    got = majority_at_k(answers, [1.0] * right + [0.0] * (n - right), k)
    assert abs(got - exact) < 4 * math.sqrt(exact * (1 - exact) / SUBSETS)


def _graded(completion: Make, texts: dict[str, list[str]]) -> Samples:
    made = [completion(text, name, index) for name, own in texts.items() for index, text in enumerate(own)]
    return Samples(tuple(made), {}, {"p": ("4",), "q": ("5",)}, make_grader("number"))


def test_measures_of_a_cell_stand_at_its_first_completion(completion: Make) -> None:
    samples = _graded(completion, {"p": ["4", "it is 4", "5"], "q": ["1", "2", "5"], "r": ["4", "4", "4"]})
    assert measure("accuracy").function(samples)[:6].tolist() == [1, 1, 0, 0, 0, 1]
    assert np.isnan(measure("accuracy").function(samples)[6:]).all()
    passed = measure("pass@2").function(samples)
    assert passed[[0, 3]].tolist() == [pass_at_k(3, 2, 2), pass_at_k(3, 1, 2)]
    assert Counter(np.isnan(passed).tolist()) == {True: 7, False: 2}
    assert measure("majority@3").function(samples)[[0, 3]] == pytest.approx([1, 1 / 3])
    assert np.isnan(measure("pass@4").function(samples)).all()


def test_a_study_shows_the_k_it_has_samples_for(completion: Make) -> None:
    names = [known.name for known in measures_for(_graded(completion, {"p": ["4"] * 5}))]
    assert names[:5] == ["accuracy", "majority@2", "pass@2", "majority@4", "pass@4"]
    without = Samples((completion("4"),), {}, {}, make_grader("number"))
    assert "accuracy" not in [known.name for known in measures_for(without)]
    assert np.isnan(measure("accuracy").function(Samples((completion("4"),)))).all()


@pytest.mark.parametrize("name", ["pass@0", "pass@x", "best@3", "pass@", "nothing"])
def test_no_such_measure(name: str) -> None:
    with pytest.raises(ParameterError, match="measure must be one of"):
        measure(name)
