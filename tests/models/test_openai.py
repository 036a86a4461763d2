"""Models behind a server: what is sent, what comes back, and every way in which a server can fail."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tempering import Completion, Request, SamplingParams, TextModel, generate, load_model
from tempering.errors import (
    BudgetError,
    ModelError,
    ParameterError,
    PromptError,
    ServerError,
    TemperingError,
    UnknownModelError,
)
from tempering.generation.served import server_seed
from tempering.models import transport
from tempering.models.base import Message, TextRequest, conversation
from tempering.models.openai import OpenAIModel

if TYPE_CHECKING:
    from tests.models.conftest import FaultServer


def _model(server: FaultServer, options: str = "") -> OpenAIModel:
    model = load_model(f"{server.base}{'?' + options if options else ''}#m")
    assert isinstance(model, OpenAIModel)
    return model


def _one(server: FaultServer, options: str = "", **params: Any) -> Completion:
    [done] = generate(_model(server, options), [Request("Tom", SamplingParams(**params), max_tokens=9)])
    return done


def _until_it_fails(model: OpenAIModel, requests: list[Request]) -> tuple[list[Completion], Exception]:
    done = []
    try:
        for completion in generate(model, requests):
            done.append(completion)
    except TemperingError as problem:
        return done, problem
    raise AssertionError("it did not fail")


def test_it_is_a_text_model(server: FaultServer) -> None:
    model = _model(server)
    assert isinstance(model, TextModel)
    assert model.info.identity == f"{server.base}#m"
    assert model.info.details["server"] == "vLLM"


def test_words_put_into_its_mouth_are_gone_on_from(server: FaultServer) -> None:
    asked = (*conversation("Write a story."), Message("assistant", "Here it is:"))
    for prompt, goes_on in ((asked, True), (asked[:1], None)):
        body = _model(server).body(TextRequest(prompt, SamplingParams(), 0, 5))
        assert body.get("continue_final_message") == goes_on
        assert body["messages"][-1]["content"] == prompt[-1].content


def test_every_field_is_sent_and_the_answer_kept(server: FaultServer) -> None:
    done = _one(server, temperature=0.0, seed=5)
    [(path, body, headers)] = server.seen
    assert path == "/v1/completions"
    assert body == {
        "model": "m",
        "prompt": "Tom",
        "max_tokens": 9,
        "n": 1,
        "seed": server_seed(5, "Tom", 0),
        "temperature": 0.0,
        "top_k": -1,
        "top_p": 1.0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
    }
    assert "Authorization" not in headers
    assert done.text == f" {body['seed']}.0@0.0"
    assert done.served
    assert (done.served.prompt_tokens, done.token_count, done.served.attempts) == (4, 3, 1)
    assert done.served.seconds is not None


def test_messages_go_to_the_chat(server: FaultServer) -> None:
    asked = Request(conversation("Why?", "Be brief."), max_tokens=7)
    [done] = generate(_model(server, "logprobs=3"), [asked])
    [(path, body, _)] = server.seen
    assert path == "/v1/chat/completions"
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    assert (body["logprobs"], body["top_logprobs"], body["max_tokens"]) == (True, 3, 7)
    assert done.prompt == (Message("system", "Be brief."), Message("user", "Why?"))
    assert done.text


@pytest.mark.parametrize("concurrency", [1, 3, 50])
def test_all_requests_are_answered_by_their_own_text(server: FaultServer, concurrency: int) -> None:
    requests = [Request(p, SamplingParams(temperature=t), s) for p in "abc" for t in (0.0, 0.5) for s in range(5)]
    done = list(generate(_model(server, f"concurrency={concurrency}"), iter(requests)))
    assert len(done) == 30
    for c in done:
        assert c.text == f" {server_seed(0, str(c.prompt), c.sample)}.0@{c.params.temperature}"


def test_requests_are_read_as_slots_free(server: FaultServer) -> None:
    """A study of any size waits outside: never more are read than run at once."""
    read = 0

    def requests() -> Iterator[Request]:
        nonlocal read
        for sample in range(20):
            read += 1
            yield Request("a", sample=sample)

    for finished, _ in enumerate(generate(_model(server, "concurrency=2"), requests())):
        assert read <= finished + 4


def test_n_texts_in_one_request(server: FaultServer) -> None:
    requests = [Request("a", SamplingParams(temperature=t), s) for t in (0.5, 1.0) for s in range(5)]
    model = _model(server, "n=4&concurrency=1")
    done = list(generate(model, requests))
    assert [body["n"] for _, body, _ in server.seen] == [4, 1, 4, 1]
    assert len({(c.params.temperature, c.text) for c in done}) == 10
    assert {c.token_count for c in done} == {None, 3}, "the sum over four texts is not told of any"
    assert model.info.identity.endswith("+n4")


def test_a_server_that_ignores_n_is_asked_again(server: FaultServer) -> None:
    server.usual = server.write(most=1)
    done = list(generate(_model(server, "n=4&concurrency=1"), [Request("a", sample=s) for s in range(4)]))
    assert [body["n"] for _, body, _ in server.seen] == [4, 3, 2, 1]
    assert len({body["seed"] for _, body, _ in server.seen}) == 4, "else the texts would be the same"
    assert len({c.text for c in done}) == 4


def test_a_stream_shows_text_as_it_comes(server: FaultServer) -> None:
    server.usual = server.write("one two")
    told: list[str] = []
    for prompt in ("a", conversation("a")):
        [done] = generate(_model(server), [Request(prompt)], on_text=lambda _, piece: told.append(piece))
        assert (done.text, done.finish_reason, done.token_count) == ("one two", "stop", 3)
    assert told == ["on", "e two"] * 2
    assert all(body["stream"] for _, body, _ in server.seen)


TOP = {"tokens": [" a", " b"], "token_logprobs": [-0.5, -9999.0], "top_logprobs": [{" a": -0.5, " c": -0.1}, None]}
CHAT = {"content": [{"token": " a", "logprob": -0.5, "top_logprobs": [{"token": " c", "logprob": -0.1}]}]}


@pytest.mark.parametrize(("shape", "tokens"), [(TOP, (" a", " b")), (CHAT, (" a",))])
def test_logprobs_are_read_and_labelled(server: FaultServer, shape: dict[str, Any], tokens: tuple[str, ...]) -> None:
    server.usual = server.write(logprobs=shape)
    done = _one(server, "logprobs=2")
    assert done.served
    assert done.served.tokens == tokens
    assert done.served.top
    assert done.served.top[0][0] == (" c", -0.1)
    assert done.raw_logprobs == done.served.logprobs
    assert done.processed_logprobs is None
    server.owner = "someone"
    unknown = _one(server, "logprobs=2")
    assert unknown.served
    assert unknown.served.logprobs == done.served.logprobs
    assert unknown.raw_logprobs is unknown.processed_logprobs is None, "nobody has said what they are of"


@pytest.mark.parametrize(
    "logprobs",
    [
        {"tokens": [" a"], "token_logprobs": [-1, -2]},
        {"tokens": [" a"], "token_logprobs": [None]},
        {"tokens": [" a"], "token_logprobs": ["x"]},
        {"tokens": [" a"], "token_logprobs": [0.5]},
        {"tokens": [7], "token_logprobs": [-0.5]},
        {"tokens": [" a"], "token_logprobs": [-1], "top_logprobs": [{" a": -1}, {}]},
        {"token_logprobs": [-1]},
        {"content": [{"token": " a"}]},
        {"content": [{"token": " a", "logprob": True}]},
        [1],
    ],
)
def test_logprobs_of_a_wrong_shape_are_refused(server: FaultServer, logprobs: object) -> None:
    server.usual = server.write(logprobs=logprobs)
    with pytest.raises(ServerError, match="the answer cannot be read"):
        _one(server, "logprobs=2")
    assert len(server.seen) == 1, "the same again would be as wrong"


def test_what_passes_is_tried_again(server: FaultServer) -> None:
    server.plan = [server.status(429), server.status(500), server.status(503), server.cut, server.raw(b"<html>")]
    done = _one(server)
    assert len(server.seen) == 6
    assert done.served
    assert done.served.attempts == 6
    assert len({repr(body) for _, body, _ in server.seen}) == 1, "each time the same request"


def test_what_does_not_pass_ends_in_one_line(server: FaultServer) -> None:
    for behaviour, said in (
        (server.status(500, "out of memory"), r"answers 500: out of memory \(tried 3 times\)"),
        (server.raw(b"\x1b[31m{oops"), "answers what is not JSON"),
        (server.cut, r"the connection broke .*\(tried 3 times\)"),
        (server.status(429), "answers 429"),
    ):
        server.usual = behaviour
        with pytest.raises(ServerError, match=said) as caught:
            _one(server, "retries=2")
        assert "\n" not in str(caught.value)
        assert "\x1b" not in repr(str(caught.value)) or "not JSON" in str(caught.value)


def test_what_is_refused_is_not_tried_again(server: FaultServer) -> None:
    for behaviour, error, said in (
        (server.status(400, "temperature is fixed"), ServerError, "400: temperature is fixed"),
        (server.status(404, "no such model"), ServerError, "404: no such model"),
        (server.status(401), ServerError, "put the key into the environment variable TEMPERING_API_KEY"),
        (server.status(400, "maximum context length is 8"), PromptError, "does not fit the context"),
        (server.raw(b"[]"), ServerError, "holds no choices"),
        (server.raw(b'{"choices": []}'), ServerError, "holds no choice"),
        (server.raw(b'{"choices": [3]}'), ServerError, "cannot be read"),
        (server.raw(b'{"choices": [{"text": 3}]}'), ServerError, "cannot be read"),
        (server.write(finish_reason="content_filter"), ServerError, "ends with 'content_filter'"),
        (server.write(finish_reason=None), ServerError, "has no end"),
    ):
        server.usual, before = behaviour, len(server.seen)
        with pytest.raises(error, match=said):
            _one(server)
        assert len(server.seen) == before + 1


def test_retry_after_is_honoured(server: FaultServer) -> None:
    server.plan = [server.status(429, **{"retry-after": "0.3"})]
    begun = time.monotonic()
    _one(server)
    assert time.monotonic() - begun >= 0.3
    server.plan = [server.status(429, **{"retry-after": "86400"})]
    with pytest.raises(ServerError, match="asks to wait 86400 s"):
        _one(server)


def test_a_server_that_hangs_is_left(server: FaultServer) -> None:
    server.usual = server.hang
    with pytest.raises(ServerError, match="no answer within 1 s"):
        _one(server, "timeout=1&retries=0")


def test_an_answer_without_end_is_cut(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_BODY", 1 << 20)
    server.usual = server.huge
    with pytest.raises(ServerError, match="larger than 1 MiB"):
        _one(server)
    assert len(server.seen) == 1


def test_hostile_text_is_kept_and_harmless(server: FaultServer) -> None:
    server.usual = server.write("\x00\x1b[2J\ud83d tail \ud83d\ude42 \u202e")
    done = _one(server)
    assert done.text == "\x00\x1b[2J\ufffd tail 🙂 \u202e"
    done.text.encode()


EVENT = {"choices": [{"index": 0, "text": " a", "finish_reason": None}]}


def test_streams_that_fail(server: FaultServer) -> None:
    told: list[str] = []

    def streamed() -> Completion:
        [done] = generate(_model(server, "retries=1"), [Request("a")], on_text=lambda _, piece: told.append(piece))
        return done

    for behaviour, said in (
        (server.events(EVENT, done=False), "cut off before the text's end"),
        (server.events(EVENT, done=True), "cut off before the text's end"),
        (server.events({"error": {"message": "gone"}}), "ends with an error"),
        (server.events(EVENT, {"no": 1}), "holds no choices"),
    ):
        server.usual = behaviour
        with pytest.raises(ServerError, match=said):
            streamed()
    server.plan, server.usual = [server.status(503)], server.write("fine")
    assert streamed().text == "fine", "nothing was shown yet, so it is tried again"


def test_texts_that_came_before_a_failure_are_given(server: FaultServer) -> None:
    server.plan = [server.write("first"), server.write("second"), server.status(400)]
    requests = [Request("a", sample=s) for s in range(9)]
    done, problem = _until_it_fails(_model(server, "concurrency=1"), requests)
    assert [completion.text for completion in done] == ["first", "second"]
    assert "400" in str(problem)
    assert len(server.seen) == 3, "nothing is sent after the failure"


def test_the_budget_is_kept(server: FaultServer) -> None:
    requests = [Request("a", sample=s, max_tokens=10) for s in range(9)]
    model = _model(server, "requests=5&concurrency=1")  # one of them lists the models
    done, problem = _until_it_fails(model, requests)
    assert isinstance(problem, BudgetError)
    assert "5 requests is spent" in str(problem)
    assert len(done) == len(server.seen) == 4
    server.seen.clear()
    with pytest.raises(BudgetError, match=r"24 tokens does not last for a text of 10 more \(21 are spent"):
        list(generate(_model(server, "tokens=24&concurrency=1"), requests))
    assert len(server.seen) == 3, "each cost seven, and a fourth might cost fourteen"


def test_keys_come_from_the_environment_and_show_nowhere(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPERING_API_KEY", "sk-secret-1")
    monkeypatch.setenv("OTHER_KEY", "sk-secret-2")
    done = _one(server)
    _one(server, "key=OTHER_KEY")
    assert [headers["Authorization"] for *_, headers in server.seen] == ["Bearer sk-secret-1", "Bearer sk-secret-2"]
    assert "secret" not in repr(done.as_dict())
    server.usual = server.status(401, "the key sk-secret-2 is wrong")
    with pytest.raises(ServerError, match=r"the key \*\*\* is wrong.*check the key in OTHER_KEY") as caught:
        _one(server, "key=OTHER_KEY")
    assert "secret" not in str(caught.value)


def test_a_key_is_not_sent_in_the_clear_unless_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    from tempering.models.address import Address

    monkeypatch.setenv("TEMPERING_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-theirs")
    keys = {
        name: Address.of(name).key()[0] for name in ("http://10.0.0.5/v1", "https://10.0.0.5/v1", "http://[::1]/v1")
    }
    assert list(keys.values()) == [None, "sk-secret", "sk-secret"]
    assert Address.of("http://10.0.0.5/v1?key=TEMPERING_API_KEY").key()[0] == "sk-secret"
    monkeypatch.delenv("TEMPERING_API_KEY")
    assert Address.of("https://api.openai.com/v1").key()[0] == "sk-theirs"
    assert Address.of("https://api.openai.com.evil.example/v1").key()[0] is None


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("http:", ModelError, "is not the address of a server"),
        ("http://", ModelError, "is not the address of a server"),
        ("http://host:port/v1", ModelError, "cannot be read"),
        ("http://me:secret@host/v1", ModelError, "must hold no user or password"),
        ("http://127.0.0.1:1/v1?key=sk-secret", ParameterError, "never the key itself"),
        ("http://127.0.0.1:1/v1?key=UNSET_KEY_OF_NOBODY", ModelError, "UNSET_KEY_OF_NOBODY is not set"),
        ("http://127.0.0.1:1/v1?colour=secret", ParameterError, "has no option 'colour'"),
        ("http://127.0.0.1:1/v1?n=0", ParameterError, "n must be a whole number from 1 to 128"),
        ("http://127.0.0.1:1/v1?server=mine", ParameterError, "server must be one of llama.cpp, "),
        ("http://127.0.0.1:1/v1", ServerError, "cannot be reached .*is the server running?"),
    ],
)
def test_names_that_cannot_be_used(name: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        load_model(name)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_models_are_chosen_by_name(server: FaultServer) -> None:
    assert OpenAIModel(server.base).model == "m"
    with pytest.raises(UnknownModelError, match="has no model 'x'; it has: m"):
        OpenAIModel(f"{server.base}#x")
    server.models = ["a", "b"]
    with pytest.raises(UnknownModelError, match="has 2 models; add #model, one of: a, b"):
        OpenAIModel(server.base)
    server.owner = "library"
    assert OpenAIModel(f"{server.base}#c").model == "c", "the lists of such servers are not complete"
    with pytest.raises(ServerError, match=r"404.*does the address end"):
        OpenAIModel(server.base.removesuffix("/v1"))
    assert OpenAIModel(f"{server.base.removesuffix('/v1')}?server=openai#c").model == "c"


def test_an_order_that_is_not_known_can_be_told(server: FaultServer) -> None:
    server.owner = "someone"
    with pytest.raises(ParameterError, match="nobody says in which order"):
        _one(server, temperature=0.5, top_p=0.9)
    assert _one(server, "order=vllm", temperature=0.5, top_p=0.9, order="vllm").text
    assert not [body for _, body, _ in server.seen if math.isinf(body["temperature"])]
    with pytest.raises(ParameterError, match="order must be one of"):
        _model(server, "order=mine")
    server.owner = "llamacpp"
    with pytest.raises(ParameterError, match="is told the order in each request"):
        _model(server, "order=vllm")
