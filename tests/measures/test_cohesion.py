"""Cohesion and typicality: hand-worked values, and shuffling takes what order gives."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from tempering import Completion
from tempering.measures import measure
from tempering.measures.base import Samples

Make = Callable[..., Completion]

STORY = (
    "The fox lived in a house. The house had a garden. In the garden stood a tree. The tree had a nest. "
    "In the nest sat a bird. The bird sang a song. The song was old. Old people knew it. People came to the river. "
    "The river was cold. Cold wind blew. The wind took a hat."
)
SHUFFLED = " ".join(f"{part}." for part in np.random.default_rng(3).permutation(STORY.rstrip(".").split(". ")))


def value(name: str, text: Completion, **more: object) -> float:
    return float(measure(name).function(Samples((text,), **more))[0])  # type: ignore[arg-type]


def test_entities_by_hand(completion: Make) -> None:
    text = "The fox saw a boat. The fox ran. A boat came. The fox sang."
    # fox: + + - +, boat: + - + -. Transitions with someone there: fox 3 (1 kept), boat 3 (0 kept).
    assert value("entity_continuity", completion(text)) == pytest.approx(1 / 6)
    assert value("entity_continuity", completion("One ran. Two sat. Three sang. Four slept.")) == 0
    assert math.isnan(value("entity_continuity", completion("The fox ran. It sat.")))


@pytest.mark.parametrize("name", ["adjacent_overlap", "entity_continuity", "lsa_coherence"])
def test_shuffled_sentences_hang_together_less(completion: Make, name: str) -> None:
    samples = Samples((completion(STORY, "p", 0), completion(SHUFFLED, "p", 1)))
    there, shuffled = measure(name).function(samples)
    assert there > shuffled


def test_connectives_in_a_hundred_words(completion: Make) -> None:
    text = "The fox was at home, but as soon as it saw the sea it ran, because it was so cold in the house."
    assert value("connectives", completion(text)) == pytest.approx(100 * 4 / 23)
    portuguese = "O rei não era feliz, mas de repente a rainha veio e por isso ele ficou em casa com ela."
    assert value("connectives", completion(portuguese)) == pytest.approx(100 * 3 / 20)
    assert math.isnan(value("connectives", completion("Lis i kruk")))


def test_function_words_of_the_language_are_left_out(completion: Make) -> None:
    portuguese = "O rei não era feliz com ela. A rainha não era triste com ele."
    assert value("adjacent_overlap", completion(portuguese)) == 0


def test_marks_of_a_story(completion: Make) -> None:
    assert value("story_marks", completion("Once there was a king, but he was not happy.")) == 1
    assert value("story_marks", completion("The sum of the angles of it is the same as that of the other.")) == 0
    assert value("story_marks", completion("Era uma vez um rei que não era feliz, mas queria a paz para ela.")) == 1


def test_distance_to_references(completion: Make) -> None:
    references = ("the fox ran to the sea", "a fox at the sea", "the sea and the fox")
    texts = ("the fox at the sea", "a dragon ate my homework", "the fox slept in bed")
    made = tuple(completion(text, sample=place) for place, text in enumerate(texts))
    near, far, between = measure("reference_distance").function(Samples(made, references=references))
    assert near < between < far
    assert far == pytest.approx(1 - value_of_article(references), abs=0.35)
    assert np.isnan(measure("reference_distance").function(Samples(made))).all()
    assert value("reference_distance", completion("zzz qqq"), references=references) == 1


def value_of_article(references: tuple[str, ...]) -> float:
    """Return how much of the references is the word that they share with the far text."""
    return sum("a" in text.split() for text in references) / len(references)
