"""Texts on their way: pieces joined are the text up to the stop string, whatever the pieces."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tempering import Request, SamplingParams
from tempering.generation.decode import Decoder, Drawn
from tempering.models.onnx import OnnxModel
from tempering.web.writer import UNLIKELY, TextWriter, first_stop, held_back, shown_logprob


def tokens_of(model: OnnxModel, text: str) -> list[Drawn]:
    """Return what a decoder tells while it writes a given text."""
    ids = tuple(model.encode(text)[1:])
    decoder = Decoder(model, 1)
    decoder.add(Request("A", SamplingParams(), max_tokens=len(ids), begin=ids))
    drawn = []
    while len(decoder):
        drawn += decoder.step()
    return drawn


def write(model: OnnxModel, drawn: list[Drawn], stops: tuple[str, ...]) -> tuple[str, list[int], str | None]:
    writer, text, tokens, finish = TextWriter(model, stops), "", list[int](), None
    for one in drawn:
        piece = writer.push(one)
        assert piece.offset == len(text)
        text += piece.text
        tokens += [shown.token for shown in piece.tokens]
        finish = piece.finish
        if finish:
            break
    return text, tokens, finish


def test_without_stops_all_is_shown(model: OnnxModel) -> None:
    drawn = tokens_of(model, " naïve 🦊 cats")
    text, tokens, finish = write(model, drawn, ())
    assert (text, finish) == (" naïve 🦊 cats", "length")
    assert tokens == [one.token for one in drawn]


def test_a_stop_string_across_tokens_is_never_shown(model: OnnxModel) -> None:
    drawn = tokens_of(model, " one two three four")
    text, tokens, finish = write(model, drawn, ("o th", "zzz"))
    assert (text, finish) == (" one tw", "stop")
    assert tokens == [one.token for one in drawn[: len(tokens)]]
    assert len(tokens) < len(drawn)


def test_what_may_become_a_stop_string_is_held_back_until_it_cannot(model: OnnxModel) -> None:
    text, tokens, finish = write(model, tokens_of(model, " one two"), (" twofold",))
    assert (text, finish) == (" one two", "length")
    assert len(tokens) == len(tokens_of(model, " one two"))


@given(st.text("ab", max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_held_back_is_the_longest_beginning_of_a_stop(text: str, stops: list[str]) -> None:
    length = held_back(text, stops)
    beginnings = {stop[:n] for stop in stops for n in range(1, len(stop))}
    assert length == max((n for n in range(1, len(text) + 1) if text[-n:] in beginnings), default=0)


@given(st.text("ab ", max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
@settings(max_examples=50)
def test_first_stop_is_the_earliest(text: str, stops: list[str]) -> None:
    found = first_stop(text, stops)
    places = [i for i in range(len(text)) if any(text.startswith(stop, i) for stop in stops)]
    assert found == (places[0] if places else None)


def test_an_impossible_token_has_the_fields_own_number() -> None:
    assert shown_logprob(float("-inf")) == UNLIKELY
    assert shown_logprob(-3.5) == -3.5
