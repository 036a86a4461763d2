"""Diversity between samples, loops and early stops: closed forms and the extremes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempering import Completion
from tempering.measures import measure
from tempering.measures.base import Samples
from tempering.measures.degeneration import looping
from tempering.measures.diversity import vendi

Make = Callable[..., Completion]
CELL = ("cell_distinct@2", "shared_4grams", "vendi_score")


def cell(completion: Make, texts: list[str], name: str) -> list[float]:
    made = tuple(completion(text, sample=place) for place, text in enumerate(texts))
    return [float(value) for value in measure(name).function(Samples(made))]


def test_copies_are_one_text_and_strangers_are_many(completion: Make) -> None:
    text = "the fox ran over the hill to see the sea"
    other = "a king ate bread while birds sang songs at night"
    assert cell(completion, [text] * 4, "vendi_score")[0] == pytest.approx(1 / 4)
    assert cell(completion, [text, other], "vendi_score")[0] == pytest.approx(1)
    assert cell(completion, [text] * 3, "shared_4grams")[0] == 1
    assert cell(completion, [text, other], "shared_4grams")[0] == 0
    assert cell(completion, [text] * 3, "self_bleu") == pytest.approx([1, 1, 1])
    assert max(cell(completion, [text, other], "self_bleu")) < 0.05
    assert cell(completion, [text, text], "cell_distinct@2")[0] == pytest.approx(9 / 18)


def test_values_of_a_cell_stand_once(completion: Make) -> None:
    for name in CELL:
        got = cell(completion, ["a b c d e", "a b c d f", "g h i j k"], name)
        assert not math.isnan(got[0])
        assert np.isnan(got[1:]).all()
        assert math.isnan(cell(completion, ["a b c d e"], name)[0])
    assert cell(completion, ["a b c d e", "a b c d f", "g h i j k"], "shared_4grams")[0] == pytest.approx(
        (0.5 + 0.5) / 3
    )


@given(st.integers(1, 6), st.floats(0, 1))
def test_vendi_of_equal_similarity(n: int, similarity: float) -> None:
    """The kernel with one off-diagonal value has eigenvalues (1 + (n-1) s) / n and (1 - s) / n, n - 1 times."""
    kernel = np.full((n, n), similarity)
    np.fill_diagonal(kernel, 1.0)
    values = [(1 + (n - 1) * similarity) / n, *[(1 - similarity) / n] * (n - 1)]
    expected = math.exp(-sum(value * math.log(value) for value in values if value > 0))
    assert math.isclose(vendi(kernel), expected, rel_tol=1e-6)


def test_repeated_text_has_fewer_different_pairs(completion: Make) -> None:
    fresh = " ".join(f"w{place}" for place in range(60))
    again = "the fox ran home and " * 12
    assert cell(completion, [again], "distinct@2") < cell(completion, [fresh], "distinct@2")
    assert cell(completion, [again], "compression_ratio") != cell(completion, [fresh], "compression_ratio")
    assert cell(completion, [again], "self_repetition") > cell(completion, [fresh], "self_repetition")


def test_bleu_is_that_of_the_library(completion: Make) -> None:
    import sacrebleu

    texts = ["the fox ran to the old sea", "the fox ran to a new sea", "one fox ran to the old sea"]
    expected = sacrebleu.sentence_bleu(texts[0], [texts[1], texts[2]], tokenize="none", use_effective_order=True).score
    assert cell(completion, texts, "self_bleu")[0] == pytest.approx(expected / 100)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("a b c d e f g", 0),
        ("no no no", 3),
        ("no no", 0),
        ("x a b a b a b y", 6),
        ("x a b a b a y", 0),
        ("a b c a b c a b c a d", 10),
        ("", 0),
        (" ".join(["w" + str(place) for place in range(17)] * 3), 0),
        (" ".join(["w" + str(place) for place in range(16)] * 3), 48),
    ],
)
def test_loops_are_blocks_said_three_times(text: str, inside: int) -> None:
    assert sum(looping(text.split())) == inside


def test_shares_of_loops_and_early_stops(completion: Make) -> None:
    half = " ".join([f"w{place}" for place in range(25)] + ["on", "and", "on", "and", "on"] * 5)
    assert cell(completion, [half], "loop_share")[0] == pytest.approx(sum(looping(half.split())) / 50)
    assert math.isnan(cell(completion, [""], "loop_share")[0])
    made = (completion("The end."), completion("The end.", finish_reason="length"), completion("a b c d e f g h i j"))
    assert measure("early_stop").function(Samples(made)).tolist() == [1, 0, 0]
