"""Generation: the same seed gives the same text however it is batched; what is recorded agrees with the model."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import tempering
from tempering import Completion, Request, SamplingParams
from tempering.errors import LogitsError, ParameterError, PromptError
from tempering.generation.decode import Decoder, generate
from tempering.generation.stream import TextStream
from tempering.models.base import PromptText
from tempering.models.onnx import OnnxModel
from tempering.sampling.noise import sequence_of

PROMPTS = ("Once upon a time", "The dragon was", "Tom and Lily went to the park because")


def _requests(limit: int = 24) -> list[Request]:
    return [
        Request(prompt, SamplingParams(temperature=t, seed=3), sample, max_tokens=limit)
        for t in (0.0, 0.7, 1.0, 1.6, math.inf)
        for prompt in PROMPTS
        for sample in range(2)
    ]


def _by_key(completions: list[Completion]) -> dict[tuple[PromptText, float, int], Completion]:
    return {(c.prompt, c.params.temperature, c.sample): c for c in completions}


@pytest.fixture(scope="module")
def together(model: OnnxModel) -> dict[tuple[PromptText, float, int], Completion]:
    return _by_key(list(generate(model, _requests())))


@pytest.mark.parametrize("size", [1, 2, 5, 16])
def test_the_batch_size_changes_nothing(
    model: OnnxModel, together: dict[tuple[PromptText, float, int], Completion], size: int
) -> None:
    assert _by_key(list(generate(model, _requests(), batch_size=size))) == together


def test_order_and_company_change_nothing(
    model: OnnxModel, together: dict[tuple[PromptText, float, int], Completion]
) -> None:
    some = [_requests()[i] for i in np.random.default_rng(1).permutation(30)[:9]]
    for key, completion in _by_key(list(generate(model, some, batch_size=4))).items():
        assert together[key] == completion


def test_another_process_writes_the_same(together: dict[tuple[PromptText, float, int], Completion]) -> None:
    code = (
        "from tempering import *;"
        "r = Request('Once upon a time', SamplingParams(temperature=1.6, seed=3), 1, max_tokens=24);"
        "print(*next(generate(load_model('embedded'), [r])).tokens)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert tuple(map(int, out.split())) == together["Once upon a time", 1.6, 1].tokens


def test_what_is_recorded_can_be_computed_again(model: OnnxModel) -> None:
    """Tokens, logprobs and entropies from the public functions on the model's own logits."""
    params = SamplingParams(temperature=0.9, top_p=0.9, repetition_penalty=1.2, seed=11)
    [done] = generate(model, [Request(PROMPTS[0], params, 4, max_tokens=20)])
    assert done.raw_logprobs is not None
    assert done.processed_logprobs is not None
    assert done.entropies is not None
    prompt = tuple(model.encode(PROMPTS[0]))
    for step, token in enumerate(done.tokens):
        logits = model.score([*prompt, *done.tokens[:step]])[-1]
        context = tempering.Context(prompt, done.tokens[:step])
        sequence = sequence_of(PROMPTS[0], 4)
        assert int(tempering.draw(logits, params, sequence=sequence, step=step, context=context)) == token
        pair = tempering.logprob(logits, token, params, context)
        assert math.isclose(done.raw_logprobs[step], pair.raw, abs_tol=2e-3)
        assert math.isclose(done.processed_logprobs[step], pair.processed, abs_tol=2e-3)
        assert math.isclose(done.entropies[step], tempering.facts(logits, params, context).entropy, abs_tol=2e-3)


def test_greedy_is_the_argmax_and_ignores_the_seed(model: OnnxModel) -> None:
    requests = [Request(PROMPTS[1], SamplingParams(temperature=0, seed=s), s, max_tokens=30) for s in range(3)]
    texts = {completion.tokens for completion in generate(model, requests)}
    [tokens] = texts
    prompt = model.encode(PROMPTS[1])
    scores = model.score([*prompt, *tokens])[len(prompt) - 1 : -1]
    assert scores.argmax(axis=1).tolist() == list(tokens)


def test_temperature_changes_the_text(together: dict[tuple[PromptText, float, int], Completion]) -> None:
    assert len({together[PROMPTS[0], t, 0].tokens for t in (0.0, 0.7, 1.0, 1.6, math.inf)}) == 5


def test_samples_and_seeds_are_told_apart(model: OnnxModel) -> None:
    base = Request(PROMPTS[0], SamplingParams(seed=1), 0, max_tokens=15)
    others = [base, replace(base, sample=1), replace(base, params=SamplingParams(seed=2)), replace(base, prompt_id="x")]
    assert len({completion.tokens for completion in generate(model, others)}) == 4


def test_texts_end_by_themselves_or_at_the_limit(model: OnnxModel) -> None:
    requests = [Request(PROMPTS[2], SamplingParams(temperature=0.6), s, max_tokens=300) for s in range(12)]
    done = list(generate(model, requests))
    assert {"stop"} <= {completion.finish_reason for completion in done}
    for completion in done:
        assert (completion.finish_reason == "length") == (len(completion.tokens) == 300)
        assert 0 not in completion.tokens
        extra = completion.finish_reason == "stop"
        assert len(completion.entropies or ()) == len(completion.tokens) + extra
        assert len(completion.raw_logprobs or ()) == len(completion.tokens)
        assert len(completion.processed_logprobs or ()) == len(completion.tokens) == completion.token_count
        assert completion.text == model.decode(completion.tokens)


def test_a_text_stops_where_the_context_is_full(model: OnnxModel) -> None:
    prompt = "word " * 500
    length = len(model.encode(prompt))
    [done] = generate(model, [Request(prompt, SamplingParams(temperature=math.inf), max_tokens=400)])
    assert len(done.tokens) == 512 - length
    assert done.finish_reason == "length"


def test_bad_requests_are_refused(model: OnnxModel) -> None:
    with pytest.raises(PromptError, match="empty"):
        Request("")
    with pytest.raises(ParameterError, match="max_tokens must be at least 1"):
        Request("a", max_tokens=0)
    with pytest.raises(ParameterError, match="sample must be"):
        Request("a", sample=-1)
    with pytest.raises(ParameterError, match="batch_size must be"):
        list(generate(model, [], batch_size=0))
    with pytest.raises(PromptError, match="context of embedded holds 512"):
        list(generate(model, [Request("word " * 600)]))


def test_no_requests_no_completions(model: OnnxModel) -> None:
    assert list(generate(model, [])) == []


def test_a_completion_survives_json(together: dict[tuple[PromptText, float, int], Completion]) -> None:
    for completion in together.values():
        record = json.loads(json.dumps(completion.as_dict(), allow_nan=False))
        assert Completion.from_dict(record) == completion


@pytest.mark.parametrize("text", ["plain words", "naïve 🦊🦊 日本", "half \u00e9\u0301 marks"])
def test_a_stream_shows_whole_characters_only(model: OnnxModel, text: str) -> None:
    stream = TextStream(model)
    parts = [stream.push(token) for token in model.encode(text)[1:]]
    assert "".join(parts) + stream.rest() == text
    assert all("\ufffd" not in part for part in parts)


def test_texts_join_and_leave_a_running_batch_unchanged(model: OnnxModel) -> None:
    """Whatever happens around a text, it is the one that it is alone."""
    requests = [
        Request(PROMPTS[i % 3], SamplingParams(temperature=0.9, seed=i), max_tokens=5 + 4 * (i % 4)) for i in range(10)
    ]
    alone = {request: next(generate(model, [request])) for request in requests}
    decoder, waiting, leavers = Decoder(model, 3), list(requests), {requests[1], requests[4]}
    tickets: dict[Request, int] = {}
    done: list[Completion] = []
    step = 0
    while waiting or len(decoder):
        if waiting and decoder.free and step % 2 == 0:
            request = waiting.pop(0)
            tickets[request] = decoder.add(request)
        if step % 5 == 4:
            for request in leavers & tickets.keys():
                decoder.remove(tickets[request])
        done += [drawn.completion for drawn in decoder.step() if drawn.completion]
        step += 1
    assert len(done) == 8
    for completion in done:
        assert completion in alone.values()
    assert not decoder.remove(tickets[requests[1]]), "it has left"


def test_a_text_that_begins_with_its_own_tokens_goes_on_as_it_did(model: OnnxModel) -> None:
    request = Request(PROMPTS[0], SamplingParams(temperature=1.2, seed=5), max_tokens=16)
    [whole] = generate(model, [request])
    [again] = generate(model, [replace(request, begin=whole.tokens[:9])])
    assert again == whole


def test_a_forced_token_is_told_with_its_own_logprobs(model: OnnxModel) -> None:
    request = Request(PROMPTS[0], SamplingParams(temperature=0.5, top_k=2), max_tokens=4)
    decoder = Decoder(model, 1)
    decoder.add(request, alternatives=6)
    [first] = decoder.step()
    raw = [one.raw for one in first.alternatives]
    assert raw == sorted(raw, reverse=True)
    assert [one.processed > -math.inf for one in first.alternatives] == [True] * 2 + [False] * 4
    cut = first.alternatives[4]
    [forced] = generate(model, [replace(request, begin=(cut.token,))])
    assert forced.tokens[0] == cut.token
    assert forced.raw_logprobs is not None
    assert forced.processed_logprobs is not None
    assert (forced.raw_logprobs[0], forced.processed_logprobs[0]) == (cut.raw, -math.inf)
    with pytest.raises(ParameterError, match="begin must be ids"):
        list(generate(model, [replace(request, begin=(4096,))]))


def test_bad_logits_end_one_text_and_not_its_neighbours(model: OnnxModel) -> None:
    """The second text's logits break after its first token; the first goes on as it would alone."""
    good = Request(PROMPTS[0], SamplingParams(seed=1), max_tokens=6)
    decoder = Decoder(model, 2)
    kept, broken = decoder.add(good), decoder.add(replace(good, prompt=PROMPTS[1]))
    decoder.step()
    decoder._logits[1, 7] = math.nan
    with pytest.raises(LogitsError, match="row 1"):
        decoder.step()
    [(ticket, problem)] = decoder.refused()
    assert ticket == broken
    assert "NaN" in str(problem)
    done = []
    while len(decoder):
        done += [drawn.completion for drawn in decoder.step() if drawn.ticket == kept and drawn.completion]
    assert done == list(generate(model, [good]))


def test_mirostat_keeps_its_state_from_step_to_step(model: OnnxModel) -> None:
    params = SamplingParams(mirostat_tau=3, mirostat_eta=0.5, seed=4)
    [done] = generate(model, [Request(PROMPTS[0], params, max_tokens=12)])
    assert done.processed_logprobs is not None
    prompt, mu = tuple(model.encode(PROMPTS[0])), 6.0
    for step, token in enumerate(done.tokens):
        logits = model.score([*prompt, *done.tokens[:step]])[-1]
        own = float(
            tempering.logprob(logits, token, params, tempering.Context(prompt, done.tokens[:step], mu)).processed
        )
        assert math.isclose(done.processed_logprobs[step], own, abs_tol=2e-3)
        mu -= 0.5 * (-own / math.log(2) - 3)
