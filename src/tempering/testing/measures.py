"""The conformance suite of measures: what a study relies on, checked on texts of every kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tempering.generation.completion import Completion
from tempering.measures.base import CRITERIA, NEEDS, Measure, Samples
from tempering.params import SamplingParams

STORY = (
    " was a fox who lived by the sea. The fox had a boat. One day the boat was gone, and the fox was sad. "
    "A bird came and said that it had seen the boat. So the fox and the bird went to look for the boat together."
)
TEXTS = (STORY, STORY, f"{STORY} {STORY}", "the end " * 60, "", "...", "\n\n", "ok", "שלום 🦊 naïve \ufffd", "x" * 500)


def check_measure(measure: Measure, with_more: Callable[[Samples], Samples] | None = None) -> None:
    """Check that a measure keeps its contract.

    Args:
        measure: the measure.
        with_more: adds what it needs beside texts, exemplars and logprobs, such as a grader or a model.

    Raises:
        AssertionError: it does not; the message says what is wrong.

    Example:
        >>> from tempering.measures import measure
        >>> check_measure(measure("unique_word_share"))
    """
    _check_words(measure)
    samples = _samples(range(len(TEXTS)), with_more)
    values = measure.function(samples)
    assert isinstance(values, np.ndarray), "function must return an array"
    assert values.dtype == np.float64, f"values must be float64, got {values.dtype}"
    assert values.shape == (len(TEXTS),), f"there must be a value for each completion, got shape {values.shape}"
    defined = values[~np.isnan(values)]
    inside = (defined >= measure.low) & (defined <= measure.high)
    assert inside.all(), f"{defined[~inside][:1]} is outside [{measure.low}, {measure.high}]"
    assert np.array_equal(measure.function(samples), values, equal_nan=True), "the same samples gave other values"
    places = np.random.default_rng(0).permutation(len(TEXTS))
    moved = measure.function(_samples(places.tolist(), with_more))
    assert np.allclose(moved, values[places], equal_nan=True), "values depend on the order of the completions"
    assert measure.function(_samples([], with_more)).shape == (0,), "no completions must give no values"


def _check_words(measure: Measure) -> None:
    for name in ("name", "title", "unit", "more", "validity", "source", "length"):
        assert str(getattr(measure, name)).strip(), f"{name} is empty"
    assert measure.criterion in CRITERIA, f"criterion must be one of {', '.join(CRITERIA)}"
    assert measure.needs <= NEEDS.keys(), f"needs must be of {', '.join(NEEDS)}"
    assert measure.low < measure.high, "low must be below high"


def _samples(places: range | list[int], with_more: Callable[[Samples], Samples] | None) -> Samples:
    completions = tuple(_completion(place) for place in places)
    samples = Samples(completions, {"a": STORY, "b": "A fox had a boat."})
    return with_more(samples) if with_more else samples


def _completion(place: int) -> Completion:
    text = TEXTS[place]
    logprobs = tuple(-0.1 * (1 + index % 7) for index in range(len(text.split())))
    return Completion(
        prompt="There",
        text=text,
        tokens=tuple(range(1, len(logprobs) + 1)),
        raw_logprobs=logprobs,
        processed_logprobs=logprobs,
        entropies=tuple(-value for value in logprobs),
        finish_reason="stop" if place % 2 else "length",
        params=SamplingParams(temperature=0.5 + place % 2),
        prompt_id="ab"[place % 3 == 0],
        sample=place,
        model="none",
    )
