"""The conformance suite of models: everything that the rest of the library relies on, checked on a real model."""

from __future__ import annotations

import numpy as np

from tempering.errors import PromptError
from tempering.generation.decode import generate
from tempering.generation.request import Request
from tempering.models.base import LogitsModel, Model, TextModel, TextRequest
from tempering.params import SamplingParams

TEXT = "The old man went to the sea, and the boy came with him. They had a small boat."
OTHERS = ("A", "It was a dark night and nobody was on the road.", "One, two, three")


def check_model(model: Model, *, tolerance: float = 1e-3) -> None:
    """Check that a model keeps the contract of ``LogitsModel``.

    Args:
        model: the model.
        tolerance: how far logits of the same text may differ between the ways to compute them (rounding).

    Raises:
        AssertionError: it does not; the message says what is wrong.

    Example:
        >>> from tempering import load_model
        >>> check_model(load_model("embedded"))
    """
    assert isinstance(model, LogitsModel), "it lacks a method of LogitsModel"
    _check_info(model)
    _check_text(model)
    tokens = model.encode(TEXT)
    whole = model.score(tokens)
    _check_logits(model, tokens, whole)
    _check_steps(model, tokens, whole, tolerance)
    _check_neighbours(model, tokens, whole, tolerance)
    _check_forks(model, tokens, tolerance)
    _check_limits(model)
    _check_generation(model)


def check_text_model(model: Model, *, max_tokens: int = 8) -> None:
    """Check that a model keeps the contract of ``TextModel``; it is asked for eight short texts.

    Args:
        model: the model.
        max_tokens: how long the texts may become.

    Raises:
        AssertionError: it does not; the message says what is wrong.
    """
    assert isinstance(model, TextModel), "it lacks a method of TextModel"
    assert model.info.name, "info.name is empty"
    assert model.info.identity, "info.identity is empty"
    assert list(model.write([])) == [], "no requests must give no answers"
    requests = [
        TextRequest(TEXT, SamplingParams(temperature=t), seed, max_tokens) for t in (0.0, 1.0) for seed in (1, 2)
    ]
    pieces: dict[int, str] = {}

    def note(index: int, piece: str) -> None:
        pieces[index] = pieces.get(index, "") + piece

    for on_text in (None, note):
        answers = list(model.write(iter(requests), on_text=on_text))
        assert sorted(index for index, _ in answers) == [0, 1, 2, 3], "each request must be answered once, by its index"
        for index, answer in answers:
            assert answer.finish_reason in {"stop", "length"}, f"unknown reason {answer.finish_reason!r}"
            assert on_text is None or pieces.get(index, "") == answer.text, "the pieces of a text must add up to it"
            served = answer.served
            assert (served.tokens is None) == (served.logprobs is None), "tokens and logprobs come together"
            assert len(served.tokens or ()) == len(served.logprobs or ()), "each token needs one logprob"
            assert served.completion_tokens is None or served.completion_tokens <= max_tokens + 1, "it writes too much"
            answer.text.encode()  # half a character cannot be stored


def _check_info(model: LogitsModel) -> None:
    info = model.info
    assert info.identity, "info.identity is empty"
    assert info.vocabulary > 0, "info.vocabulary must be positive"
    assert info.context > 1, "info.context must be above 1"
    assert all(0 <= token < info.vocabulary for token in info.end_tokens), "an end token lies outside the vocabulary"


def _check_text(model: LogitsModel) -> None:
    begin = model.encode("")
    tokens = model.encode(TEXT)
    assert tokens[: len(begin)] == begin, "a text must begin with the marks that an empty text has"
    assert model.decode(tokens[len(begin) :]).strip() == TEXT, "decode(encode(text)) must be the text"
    assert model.encode(TEXT) == tokens, "encode must be repeatable"


def _check_logits(model: LogitsModel, tokens: list[int], whole: np.ndarray) -> None:
    assert whole.shape == (len(tokens), model.info.vocabulary), f"score must be [tokens, vocab], got {whole.shape}"
    assert whole.dtype == np.float32, f"logits must be float32, got {whole.dtype}"
    assert not np.isnan(whole).any(), "logits must not be NaN"
    assert np.isfinite(whole.max(axis=1)).all(), "every row needs a finite logit, and none may be +inf"


def _near(first: np.ndarray, second: np.ndarray, tolerance: float, what: str) -> None:
    both = np.isfinite(first) & np.isfinite(second)
    worst = float(np.abs(np.where(both, first, 0) - np.where(both, second, 0)).max())
    assert worst <= tolerance, f"{what}: logits differ by {worst:.2g}, more than {tolerance:g}"


def _check_steps(model: LogitsModel, tokens: list[int], whole: np.ndarray, tolerance: float) -> None:
    prefix, batch = model.prefill(tokens[:4]), model.batch(2)
    assert prefix.tokens == tuple(tokens[:4]), "a prefix must hold the tokens that it has read"
    _near(prefix.logits, whole[3], tolerance, "prefill against score")
    batch.place(0, prefix)
    for index in range(4, len(tokens)):
        step = batch.step(np.array([tokens[index]]))
        assert step.shape == (1, model.info.vocabulary), f"a step must return [rows, vocab], got {step.shape}"
        _near(step[0], whole[index], tolerance, f"step {index} against score")


def _check_neighbours(model: LogitsModel, tokens: list[int], whole: np.ndarray, tolerance: float) -> None:
    """Check that a text is not moved by others of other lengths, before, beside and after it."""
    batch = model.batch(len(OTHERS) + 1)
    for row, text in enumerate(OTHERS):
        batch.place(row, model.prefill(model.encode(text)))
    place = len(OTHERS)
    batch.place(place, model.prefill(tokens[:6]))
    for index in range(6, len(tokens)):
        rows = [tokens[(index + row) % len(tokens)] for row in range(place)]
        step = batch.step(np.array([*rows, tokens[index]]))
        _near(step[place], whole[index], tolerance, "a text beside others against score")
        if index == 9:  # a row begins anew in the middle
            batch.place(0, model.prefill(model.encode(OTHERS[1])))
    batch.copy(place, 0)
    again = batch.step(np.array([tokens[3]]))
    _near(again[0], model.score([*tokens, tokens[3]])[-1], tolerance, "a row moved to the front")


def _check_forks(model: LogitsModel, tokens: list[int], tolerance: float) -> None:
    batch = model.batch(3)
    batch.place(0, model.prefill(tokens[:5]))
    batch.copy(0, 1)
    apart = batch.step(np.array([tokens[5], tokens[6]]))
    _near(apart[0], model.score(tokens[:6])[-1], tolerance, "a text after its fork")
    _near(apart[1], model.score([*tokens[:5], tokens[6]])[-1], tolerance, "a fork")


def _check_limits(model: LogitsModel) -> None:
    for tokens, what in (([], "an empty prompt"), ([1] * (model.info.context + 1), "a prompt beyond the context")):
        try:
            model.prefill(tokens)
        except PromptError:
            continue
        raise AssertionError(f"{what} must raise PromptError")


def _check_generation(model: LogitsModel) -> None:
    requests = [
        Request(TEXT, SamplingParams(temperature=t, seed=1), s, max_tokens=8) for t in (0.0, 1.0) for s in (0, 1)
    ]
    first, again = (sorted(generate(model, requests), key=lambda c: (c.params.temperature, c.sample)) for _ in range(2))
    assert first == again, "the same requests must give the same completions"
    assert first[0].tokens == first[1].tokens, "at T=0 every sample must be the same"
    for completion in first:
        assert completion.text == model.decode(completion.tokens), "the text must be that of the tokens"
