"""Edit distance: against the plain table of Wagner and Fischer, and the axioms of a distance."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempering.generation.completion import Completion
from tempering.measures.base import Samples
from tempering.measures.edits import edit_distance, levenshtein
from tempering.params import SamplingParams

TEXT = st.text(alphabet="abcé😀 ", max_size=80)


def table(first: str, second: str) -> int:
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


@given(TEXT, TEXT)
def test_it_is_the_length_of_the_shortest_edit(first: str, second: str) -> None:
    assert levenshtein(first, second) == table(first, second)


@given(TEXT, TEXT, TEXT)
def test_it_is_a_distance(a: str, b: str, c: str) -> None:
    assert levenshtein(a, b) == levenshtein(b, a)
    assert (levenshtein(a, b) == 0) == (a == b)
    assert levenshtein(a, c) <= levenshtein(a, b) + levenshtein(b, c)


def completion(text: str, prompt: str = "p") -> Completion:
    return Completion("x", text, (), (), (), (), "stop", SamplingParams(), prompt, 0, "m")


def test_it_is_normalised_by_the_longer_text() -> None:
    texts = ("kitten", "sitting", "", "kitten")
    prompts = ("p", "p", "p", "without")
    samples = Samples(tuple(map(completion, texts, prompts)), {"p": "kitten"})
    values = edit_distance(samples).tolist()
    assert values[:3] == pytest.approx([0, 3 / 7, 1])
    assert math.isnan(values[3])
