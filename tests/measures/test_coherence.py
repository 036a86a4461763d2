"""Coherence proxies: known words and pairs, sentence forms, and what broken text does to them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from tempering import Completion
from tempering.measures import measure
from tempering.measures.base import Samples

Make = Callable[..., Completion]
TEXT = (
    "Once upon a time there was a little girl who lived in a small house near the forest. She had a red ball, and she "
    "liked to play with it in the garden every day. One day the ball rolled away. She was very sad."
)


def value(name: str, text: Completion) -> float:
    return float(measure(name).function(Samples((text,)))[0])


def test_words_that_exist_and_words_that_do_not(completion: Make) -> None:
    assert value("nonword_share", completion(TEXT)) == 0
    broken = "The girl was in the hxqouse with the blarfzk and a zzqtree that was not there in the end."
    assert value("nonword_share", completion(broken)) == pytest.approx(3 / 19)
    assert value("nonword_share", completion("The king's 20 horses were in the house that he had.")) == 0
    assert math.isnan(value("nonword_share", completion("A raposa não estava em casa e o rei era triste.")))


def test_shuffled_words_are_pairs_that_nobody_wrote(completion: Make) -> None:
    shuffled = TEXT.replace(".", "").replace(",", "").split()
    random.Random(0).shuffle(shuffled)
    assert value("known_pairs", completion(TEXT)) > 0.95
    assert value("known_pairs", completion(" ".join(shuffled))) < value("known_pairs", completion(TEXT)) - 0.2
    assert math.isnan(value("known_pairs", completion("The. Was. Of. And.")))


def test_sentence_forms(completion: Make) -> None:
    text = 'and so on. "Run!" said Tom. he ran. They sat. Yes. Then the'
    # Left out: the first, which goes on with the prompt. Well formed: "Run!"? one word; said Tom.: no capital.
    assert value("sentence_form", completion(text)) == pytest.approx(1 / 6)
    assert value("sentence_form", completion(text, finish_reason="length")) == pytest.approx(1 / 5)
    assert math.isnan(value("sentence_form", completion("Only one.")))


def test_meaning_shared_by_adjacent_sentences(completion: Make) -> None:
    together = "The fox ran home. The fox slept at home. A king ate bread. The king liked bread."
    apart = "The fox ran home. A king ate bread. The fox slept at home. The king liked bread."
    same = "The fox ran home. The fox ran home. The fox ran home."
    made = tuple(completion(text, sample=place) for place, text in enumerate((together, apart, same, "One.")))
    got = measure("lsa_coherence").function(Samples(made))
    assert got[0] > got[1]
    assert got[2] == pytest.approx(1)
    assert math.isnan(got[3])
    assert math.isnan(value("lsa_coherence", completion("One. Two.")))
