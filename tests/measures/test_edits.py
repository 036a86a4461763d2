"""Edit distance: against the plain table of Wagner and Fischer."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempering.generation.completion import Completion
from tempering.measures.base import Samples
from tempering.measures.edits import edit_distance
from tempering.params import SamplingParams

TEXT = st.text(alphabet="abcé😀 ", max_size=80)


def table(first: str, second: str) -> int:
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def completion(text: str, prompt: str = "p") -> Completion:
    return Completion("x", text, (), (), (), (), "stop", SamplingParams(), prompt, 0, "m")


@given(TEXT.filter(bool), TEXT.filter(bool))
def test_it_is_the_length_of_the_shortest_edit_over_the_length(text: str, exemplar: str) -> None:
    samples, begun = Samples((completion(text),), {"p": exemplar}), exemplar[: len(text)]
    assert edit_distance(samples)[0] == pytest.approx(table(begun, text) / len(text))


def test_known_distances() -> None:
    texts = ("kitten", "sitting", "", "kitten")
    prompts = ("p", "p", "p", "without")
    samples = Samples(tuple(map(completion, texts, prompts)), {"p": "kitten"})
    values = edit_distance(samples).tolist()
    assert samples.characters == 3
    assert values[:2] == pytest.approx([0, 1 / 3])
    assert math.isnan(values[2])
    assert math.isnan(values[3])
