"""Every measure: hand-worked values, bounds on any text, and a description that says what it is."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempering import Completion, SamplingParams
from tempering.errors import ParameterError
from tempering.measures import MEASURES, left_out, measure, measures_for
from tempering.measures.base import CHARACTERS, CRITERIA, NEEDS, Measure, Samples
from tempering.measures.words import ngrams, sentences, words

Make = Callable[..., Completion]
Everything = Callable[[Sequence[Completion], dict[str, str]], Samples]
ALL = (*MEASURES, *(measure(name) for name in ("pass@2", "majority@2", "training_novelty@1", "training_novelty@2")))


def values(name: str, completions: list[Completion], exemplars: dict[str, str] | None = None) -> list[float]:
    return [float(value) for value in measure(name).function(Samples(tuple(completions), exemplars or {}))]


def _plain(text: str, prompt_id: str, sample: int) -> Completion:
    logprobs = tuple(-0.5 for _ in text.split()[:200])
    surprise, tokens = tuple(-value for value in logprobs), tuple(range(len(logprobs)))
    return Completion("p", text, tokens, logprobs, logprobs, surprise, "stop", SamplingParams(), prompt_id, sample, "m")


PIECES = ["the", "fox", "ran.", "Tom's", "🦊", "naïve", "שלום,", "ok!", "\n"]
TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(st.sampled_from(["the", "fox", "ran.", "Tom's", "🦊", "naïve", "שלום,", "ok!", "\n"]), max_size=120).map(
        " ".join
    ),
)


@pytest.mark.parametrize("known", ALL, ids=lambda known: known.name)
@settings(deadline=None, max_examples=40)  # compilers and libraries are loaded on first use
@given(texts=st.lists(TEXTS, min_size=1, max_size=6))
def test_any_text_gives_a_value_in_range_or_none(known: Measure, everything: Everything, texts: list[str]) -> None:
    completions = tuple(_plain(text, f"p{i % 2}", i) for i, text in enumerate(texts))
    got = known.function(everything(completions, {"p0": texts[0]}))
    assert got.shape == (len(texts),)
    assert got.dtype == np.float64
    defined = got[~np.isnan(got)]
    assert ((defined >= known.low - 1e-12) & (defined <= known.high + 1e-12)).all()


@pytest.mark.parametrize("known", ALL, ids=lambda known: known.name)
def test_the_order_of_texts_does_not_matter(known: Measure, everything: Everything) -> None:
    generator = random.Random(4)
    stock = ["red", "fox", "sea", "old", "boat", "went", "home.", "She", "sang."]
    texts = [" ".join(generator.choices(stock, k=n)) for n in (55, 60, 90, 140)]
    completions = [_plain(text, f"p{i % 2}", i) for i, text in enumerate(texts)]
    exemplars = {"p0": texts[0], "p1": texts[1]}
    there = known.function(everything(completions, exemplars))
    back = known.function(everything(completions[::-1], exemplars))[::-1]
    assert np.allclose(there, back, equal_nan=True)


@pytest.mark.parametrize("known", ALL, ids=lambda known: known.name)
def test_every_measure_says_what_it_is(known: Measure) -> None:
    assert measure(known.name).title == known.title
    assert known.criterion in CRITERIA
    assert known.needs <= NEEDS.keys()
    for text in (known.title, known.unit, known.more, known.validity, known.source, known.length):
        assert text.strip() == text
        assert text
    assert known.low < known.high
    assert known.length != "not known"


def test_names_and_titles_are_each_used_once() -> None:
    assert len({known.name for known in ALL}) == len({known.title for known in ALL}) == len(ALL)


def test_everything_there_brings_every_measure(everything: Everything) -> None:
    made = [_plain("The old fox was at home and it was in the sea.", f"p{i % 2}", i) for i in range(4)]
    names = [known.name for known in measures_for(everything(made, {"p0": "a", "p1": "b"}))]
    assert {known.name for known in ALL} <= set(names)
    assert [f"training_novelty@{n}" for n in range(1, 11)] == [name for name in names if name.startswith("training")]
    few = Samples((_plain("uma raposa", "p", 0),))
    assert "judged_novelty" not in [known.name for known in measures_for(few)]
    assert left_out(few)["judged_novelty"] == "needs a model that judges; the greedy text of each prompt"
    assert left_out(everything(made, {"p0": "a", "p1": "b"})) == {}


def test_another_language_is_said(completion: Make) -> None:
    german = completion("Der Fuchs ist nicht zu Hause und die Frau war mit dem Kind in der Stadt.")
    samples = Samples((german,))
    assert samples.languages == {"p": "German"}
    assert np.isnan(measure("connectives").function(samples)).all()
    assert left_out(samples)["connectives"] == "needs texts in English or Portuguese; these are in German"


def test_words_are_not_counted_where_they_cannot_be_told_apart(completion: Make) -> None:
    text = "国王拥有他想要的一切,但是他不快乐。他在海边的房子里住了很久。"
    samples = Samples(tuple(completion(text, sample=i) for i in range(3)), {"p": text})
    for name in ("unique_word_share", "distinct@1", "vendi_score", "self_bleu", "adjacent_overlap", "early_stop"):
        assert np.isnan(measure(name).function(samples)).all(), name
    assert measure("edit_distance").function(samples).tolist() == [0, 0, 0], "characters can be compared"
    assert samples.begun == (text, text, text), "a model can read it"


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(ParameterError, match="unique_word_share"):
        measure("quality")


def test_unique_words_are_those_of_one_distinct_text(completion: Make) -> None:
    made = [completion("The red fox"), completion("the BLUE hat"), completion("the red fox"), completion("the")]
    # red is in texts 1 and 3, which differ in their letters only by case, so they are two texts
    got = values("unique_word_share", [*made[:3], *made[:2] * 10])
    assert got[:3] == [0, pytest.approx(2 / 3), 0]


def test_words_are_counted_in_windows_of_equal_length(completion: Make) -> None:
    """19 of 20 texts have the budget; a longer text is several windows, a shorter one is undefined."""
    made = [completion("new old"), *(completion("old at", sample=i) for i in range(30)), completion("a b new2 c old d")]
    got = values("unique_word_share", [*made, completion("x")])
    assert got[0] == 0.5
    assert got[-2] == pytest.approx((1 + 1 + 0.5) / 3)
    assert math.isnan(got[-1])
    assert Samples(tuple(made)).budget == 2


def test_words_that_the_exemplar_lacks(completion: Make) -> None:
    made = [completion("the fox ran", "p"), completion("the cat sat", "q"), completion("a b c", "none")]
    got = values("new_word_share", made, {"p": "The fox, the sea.", "q": "the cat sat"})
    assert got[:2] == [pytest.approx(1 / 3), 0]
    assert math.isnan(got[2])


def test_copies_do_not_hide_what_is_new(completion: Make) -> None:
    same = [completion("a zebra", sample=i) for i in range(3)]
    assert values("unique_word_share", [*same, completion("a fox")]) == [0.5, 0.5, 0.5, 0.5]


def test_similarity_to_the_exemplar_of_the_same_prompt(completion: Make) -> None:
    made = [completion("a a b", "p"), completion("x y z", "q"), completion("a b c d", "none")]
    got = values("exemplar_similarity", made, {"p": "a b b", "q": "u v"})
    assert math.isclose(got[0], 0.8)
    assert got[1] == 0
    assert math.isnan(got[2])


def test_adjacent_sentences_share_content_words(completion: Make) -> None:
    text = "The fox saw a boat. The boat saw the fox! It rained."
    assert values("adjacent_overlap", [completion(text)]) == [pytest.approx((1.0 + 0.0) / 2)]
    assert math.isnan(values("adjacent_overlap", [completion("One sentence only.")])[0])


def test_distinct_pairs_and_repetition_in_windows_of_fifty(completion: Make) -> None:
    loop = "one two " * 25  # 50 words: 49 bigrams, 2 different; 47 4-grams, 2 different
    assert values("distinct@2", [completion(loop)]) == [pytest.approx(2 / 49)]
    assert values("self_repetition", [completion(loop)]) == [pytest.approx(45 / 47)]
    fresh = " ".join(f"w{i}" for i in range(50))
    assert values("distinct@2", [completion(fresh + " " + loop)]) == [pytest.approx((1 + 2 / 49) / 2)]
    assert values("self_repetition", [completion(fresh)]) == [0]
    assert values("distinct@1", [completion(loop)]) == [pytest.approx(2 / 50)]
    assert values("distinct@3", [completion(loop)]) == [pytest.approx(2 / 48)]


def test_length_does_not_move_the_windowed_measures(completion: Make) -> None:
    """The same process at twice the length: the mean differs by less than its noise (20 texts, 4 standard errors)."""
    generator = random.Random(1)
    vocabulary = [f"w{i}" for i in range(40)]
    short, long = ([completion(" ".join(generator.choices(vocabulary, k=k))) for _ in range(20)] for k in (100, 400))
    for name in ("distinct@2", "self_repetition"):
        a, b = np.array(values(name, short)), np.array(values(name, long))
        assert abs(a.mean() - b.mean()) < 4 * math.hypot(a.std() / 20**0.5, b.std() / 20**0.5) + 1e-3


def test_short_texts_are_compared_at_the_length_that_nearly_all_have(completion: Make) -> None:
    """Of texts of 8 and 16 different words the shorter is no more varied: 8 words of each are compared."""
    short, long = " ".join("abcdabcd"), " ".join("abcdabcdabcdabcd")
    made = [completion(text, sample=place) for place, text in enumerate([short, long, short, long, "a b"])]
    samples = Samples(tuple(made), {"p": long})
    assert (samples.budget, samples.characters, samples.reach) == (4, 7, 4)
    assert samples.begun == ("a b c d", "a b c d", "a b c d", "a b c d", None)
    for name in ("distinct@1", "distinct@2", "self_repetition", "loop_share", "compression_ratio", "edit_distance"):
        got = measure(name).function(samples)
        assert got[0] == got[1], name
        assert not math.isnan(got[0]), name
        assert math.isnan(got[4]), name


def test_compression_sees_redundancy_at_equal_length(completion: Make) -> None:
    generator = random.Random(2)
    noise = "".join(generator.choices("abcdefghijklmnopqrstuvwxyz ", k=900))
    loop, mixed, same, none = values(
        "compression_ratio",
        [completion("the sea " * 100), completion(noise), completion(noise[:CHARACTERS]), completion("x" * 199)],
    )
    assert loop > 10
    assert mixed == same < 2
    assert math.isnan(none)


def test_perplexity_entropy_and_length(completion: Make) -> None:
    made = completion("two words", raw=(math.log(0.5), math.log(0.125)))
    assert values("self_perplexity", [made]) == [pytest.approx(4.0)]
    assert values("mean_entropy", [made]) == [pytest.approx((math.log(2) + math.log(8)) / 2)]
    assert values("tokens", [made]) == [2]
    assert values("ended", [made]) == [1]
    assert math.isnan(values("self_perplexity", [completion("", raw=())])[0])


def test_words_and_sentences() -> None:
    assert words("Tom\u2019s caf\u00e9 -- 3 O'Clock_now") == ["tom's", "café", "3", "o'clock", "now"]
    assert words("... -- !") == []
    assert sentences("Hi! You.\n\nWell... yes? ...") == ["Hi!", "You.", "Well...", "yes?"]
    assert ngrams(["a", "b", "c", "d"], 4) == [("a", "b", "c", "d")]
    assert ngrams(["a"], 2) == []
