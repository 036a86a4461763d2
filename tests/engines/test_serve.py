"""The endpoint as a process, through OpenAI's own client and through clients that mean harm."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from tempering import Request, SamplingParams
from tempering.generation.completion import Completion
from tempering.generation.decode import generate
from tempering.models.onnx import OnnxModel

pytestmark = pytest.mark.engine("openai")

PROMPT = "Once upon a time"
PATIENCE = 120
"""Seconds that anything may take: a bound against hanging, nothing that is measured."""


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """Run a server on a free port; yield its address up to /v1."""
    command = [sys.executable, "-m", "tempering", "serve", "--port", "0", "--json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.terminate()
            assert server.wait(timeout=PATIENCE) in {0, -15}, "it ends when asked to"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served("--chat-template", "plain", "--batch", "8", "--queue", "60") as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    from openai import OpenAI

    with OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def own(model: OnnxModel, params: SamplingParams, limit: int, sample: int = 0) -> Completion:
    """Return the library's own text."""
    [done] = generate(model, [Request(PROMPT, params, sample, max_tokens=limit)])
    return done


def expected(model: OnnxModel, params: SamplingParams, limit: int, sample: int = 0) -> str:
    return own(model, params, limit, sample).text


def alive(url: str) -> bool:
    return httpx.get(url.removesuffix("/v1") + "/health", timeout=PATIENCE).status_code == 200


def test_models(client: Any, model: OnnxModel) -> None:
    [known] = client.models.list().data
    assert known.id == "embedded"
    assert client.models.retrieve("embedded").tempering["identity"] == model.info.identity


def test_completions_are_those_of_the_library(client: Any, model: OnnxModel) -> None:
    params = SamplingParams(temperature=0.8, top_p=0.9, min_p=0.01, order="llama.cpp", seed=7)
    beyond = {"min_p": 0.01, "order": "llama.cpp"}
    done = client.completions.create(
        model="embedded", prompt=PROMPT, max_tokens=12, n=3, seed=7, temperature=0.8, top_p=0.9, extra_body=beyond
    )
    texts = [own(model, params, 12, i) for i in range(3)]
    assert [(choice.text, choice.finish_reason) for choice in done.choices] == [
        (o.text, o.finish_reason) for o in texts
    ]
    assert done.usage.completion_tokens == sum(o.token_count or 0 for o in texts), "an end token counts"
    assert done.usage.prompt_tokens == len(model.encode(PROMPT))
    assert done.tempering["params"] == params.as_dict()
    assert done.system_fingerprint == model.info.identity


def test_temperature_zero_is_sent_and_kept(client: Any, model: OnnxModel) -> None:
    texts = {
        client.completions.create(model="embedded", prompt=PROMPT, max_tokens=10, temperature=0, seed=s).choices[0].text
        for s in range(3)
    }
    assert texts == {expected(model, SamplingParams(temperature=0), 10)}


def test_a_stream_is_the_same_text(client: Any, model: OnnxModel) -> None:
    parts = list(client.completions.create(model="embedded", prompt=PROMPT, max_tokens=20, seed=3, stream=True))
    assert "".join(part.choices[0].text for part in parts) == expected(model, SamplingParams(seed=3), 20)
    assert [part.choices[0].finish_reason for part in parts[:-1]] == [None] * (len(parts) - 1)
    assert parts[0].tempering["params"]["seed"] == 3


def test_several_texts_in_one_stream(client: Any, model: OnnxModel) -> None:
    """Choices are told apart by their index; with usage asked for, every event has the field, the last its numbers."""
    asked: dict[str, Any] = {"model": "embedded", "prompt": PROMPT, "max_tokens": 15, "n": 3, "seed": 9, "logprobs": 2}
    parts = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    *events, last = parts
    assert [part.usage for part in events] == [None] * len(events)
    assert all("usage" in part.model_fields_set for part in events)
    assert last.choices == []
    texts = [own(model, SamplingParams(seed=9), 15, i) for i in range(3)]
    for index, one in enumerate(texts):
        choices = [part.choices[0] for part in events if part.choices[0].index == index]
        assert "".join(choice.text for choice in choices) == one.text
        assert [c.finish_reason for c in choices] == [None] * (len(choices) - 1) + [one.finish_reason]
        told = [lp for choice in choices for lp in choice.logprobs.token_logprobs]
        assert told == pytest.approx(one.raw_logprobs, abs=1e-9)
        offsets = [offset for choice in choices for offset in choice.logprobs.text_offset]
        assert offsets == sorted(offsets)
    assert last.usage.completion_tokens == sum(one.token_count or 0 for one in texts)
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
    assert {part.id for part in parts} == {parts[0].id}


def test_chat_streamed_and_not(client: Any, model: OnnxModel) -> None:
    asked: dict[str, Any] = {"model": "embedded", "messages": [{"role": "user", "content": PROMPT}], "temperature": 0}
    whole = client.chat.completions.create(**asked, max_completion_tokens=15, logprobs=True, top_logprobs=2)
    text = expected(model, SamplingParams(temperature=0), 15)
    assert whole.choices[0].message.content == text
    assert whole.choices[0].message.role == "assistant"
    assert "".join(token.token for token in whole.choices[0].logprobs.content) == text
    for token in whole.choices[0].logprobs.content:
        assert token.logprob <= token.top_logprobs[0].logprob <= 0
        assert len(token.top_logprobs) == 2
        assert bytes(token.bytes).decode() == token.token
    parts = list(
        client.chat.completions.create(**asked, max_tokens=15, stream=True, stream_options={"include_usage": True})
    )
    assert parts[0].choices[0].delta.role == "assistant"
    assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices) == text
    assert parts[-1].usage == whole.usage


def test_logprobs_are_raw_and_processed(client: Any, model: OnnxModel) -> None:
    done = client.completions.create(
        model="embedded", prompt=PROMPT, max_tokens=6, seed=1, temperature=0.5, logprobs=3, extra_body={"top_k": 5}
    )
    same = own(model, SamplingParams(temperature=0.5, top_k=5, seed=1), 6)
    found = done.choices[0].logprobs
    assert found.token_logprobs == pytest.approx(same.raw_logprobs, abs=1e-9)
    assert found.processed_logprobs == pytest.approx(same.processed_logprobs, abs=1e-9)
    assert found.text_offset[0] == 0
    assert "".join(found.tokens) == same.text
    assert all(len(top) in {3, 4} for top in found.top_logprobs)


@pytest.mark.parametrize("stream", [False, True])
def test_stop_strings_end_a_text_and_are_not_part_of_it(client: Any, model: OnnxModel, stream: bool) -> None:
    text = expected(model, SamplingParams(temperature=0), 40)
    stop = text[20:27]
    done = client.completions.create(
        model="embedded", prompt=PROMPT, max_tokens=40, temperature=0, stop=[stop, "never"], stream=stream
    )
    choices = [part.choices[0] for part in done] if stream else done.choices
    assert "".join(choice.text for choice in choices) == text[: text.index(stop)]
    assert choices[-1].finish_reason == "stop"


def test_thirty_two_clients_at_once_get_their_own_texts(url: str, model: OnnxModel) -> None:
    """More than the batch holds: texts join and leave while others are written, and none is changed by it."""
    from openai import AsyncOpenAI

    settings = [SamplingParams(temperature=(0.0, 0.7, 1.3)[i % 3], seed=i) for i in range(32)]
    limits = [4 + 3 * (i % 7) for i in range(32)]

    async def ask(client: AsyncOpenAI, i: int) -> str:
        asked: dict[str, Any] = {
            "model": "embedded",
            "prompt": PROMPT,
            "seed": i,
            "temperature": settings[i].temperature,
            "max_tokens": limits[i],
        }
        if i % 2:
            return str((await client.completions.create(**asked)).choices[0].text)
        return "".join([part.choices[0].text async for part in await client.completions.create(**asked, stream=True)])

    async def all_of_them() -> list[str]:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            return await asyncio.gather(*(ask(client, i) for i in range(32)))

    assert asyncio.run(all_of_them()) == [expected(model, settings[i], limits[i]) for i in range(32)]


def test_errors_are_those_that_the_client_knows(client: Any) -> None:
    import openai

    def ask(**fields: Any) -> Any:
        return client.completions.create(**{"model": "embedded", "prompt": PROMPT, "max_tokens": 2} | fields)

    with pytest.raises(openai.BadRequestError) as bad:
        ask(temperature=-1)
    assert (bad.value.param, bad.value.code) == ("temperature", "invalid_value")
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt-4'"):
        ask(model="gpt-4")
    with pytest.raises(openai.UnprocessableEntityError, match="limit of this server is 16"):
        ask(n=17)
    with pytest.raises(openai.BadRequestError, match="context of embedded holds 512"):
        ask(prompt="word " * 600)
    with pytest.raises(openai.BadRequestError, match="context of embedded holds 512"):
        ask(prompt="word " * 600, stream=True)
    with pytest.raises(openai.BadRequestError, match="unknown field 'temprature'"):
        ask(extra_body={"temprature": 1})


def counted(url: str) -> dict[str, int]:
    """Return how many texts run or wait, and how many have left before their end."""
    text = httpx.get(url.removesuffix("/v1") + "/metrics", timeout=PATIENCE).text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    running, waiting = (int(lines[f"tempering_texts_{name}"]) for name in ("running", "waiting"))
    return {"held": running + waiting, "left": int(lines.get('tempering_texts_total{end="left"}', 0))}


def wait_until_empty(url: str) -> None:
    until = time.monotonic() + PATIENCE
    while counted(url)["held"] and time.monotonic() < until:
        time.sleep(0.05)
    assert counted(url)["held"] == 0


LONG = {"prompt": PROMPT, "max_tokens": 400, "temperature": "inf", "n": 16}
"""Sixteen texts of which, drawn uniformly from 4,096 tokens, about one in ten ends by itself."""


def test_a_client_that_goes_away_frees_its_slot(url: str) -> None:
    before = counted(url)["left"]
    with httpx.stream("POST", url + "/completions", json=LONG | {"stream": True}, timeout=PATIENCE) as answer:
        next(answer.iter_lines())
    wait_until_empty(url)
    streamed = counted(url)["left"]
    assert streamed > before, "texts are not written to their ends"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url + "/completions", json=LONG, timeout=httpx.Timeout(PATIENCE, read=0.1))
    wait_until_empty(url)
    assert counted(url)["left"] > streamed


def test_a_full_queue_says_so(url: str) -> None:
    async def fill() -> httpx.Response:
        """Ask without end until one is refused: texts end by themselves, so no count is certain."""
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            asked = [asyncio.ensure_future(http.post(url + "/completions", json=LONG)) for _ in range(40)]
            waiting, refused = set(asked), None
            while refused is None and waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                refused = next((one.result() for one in done if one.result().status_code != 200), None)
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            assert refused is not None, "forty requests of sixteen texts were all taken"
            return refused

    refused = asyncio.run(fill())
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["code"] == "queue_full"
    wait_until_empty(url)


def _many() -> int:
    """Return ten thousand, or as many connections as this system lets one process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = max(soft, 11_000 if hard == resource.RLIM_INFINITY else min(11_000, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return min(10_000, allowed - 1_000)


def test_slow_and_many_connections_end_with_the_server_alive() -> None:
    with served("--patience", "2") as url:
        host, port = url.split("/")[2].split(":")
        idle = []
        for _ in range(_many()):
            try:
                idle.append(socket.create_connection((host, int(port)), timeout=1))
            except OSError:
                break
        for one in idle[:200]:  # heads that never end
            try:
                one.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
            except OSError:
                continue
        for one in idle[512:]:
            one.close()
        slow = socket.create_connection((host, int(port)), timeout=PATIENCE)
        slow.close()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:  # the idle ones are closed after two seconds
            try:
                assert alive(url)
                break
            except httpx.HTTPError:
                time.sleep(0.5)
        assert alive(url)
        for one in idle[:20]:
            one.settimeout(PATIENCE)
            with suppress(ConnectionError):
                assert one.recv(10) in {b"", b"HTTP/1.1 4"}
            one.close()
        for one in idle[20:512]:
            one.close()
        body = b'POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"prompt'
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as slow:
            slow.sendall(body)
            assert slow.recv(12) == b"HTTP/1.1 408"
        assert alive(url)


def test_it_ends_quietly_while_texts_are_written() -> None:
    command = [sys.executable, "-m", "tempering", "serve", "--port", "0", "--json"]
    endless = LONG | {"stream": True}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout
        url = json.loads(server.stdout.readline())["url"]
        with httpx.stream("POST", url + "/completions", json=endless, timeout=PATIENCE) as answer:
            lines = answer.iter_lines()
            next(lines)
            server.terminate()
            last = [line for line in lines if line][-1]
        assert server.wait(timeout=PATIENCE) in {0, -15}
        assert server.stderr
        assert "Traceback" not in server.stderr.read()
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "server_ending"


def test_a_key_is_needed_for_other_machines() -> None:
    command = [sys.executable, "-m", "tempering", "serve", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert "TEMPERING_API_KEY" in done.stderr
    with served("--host", "0.0.0.0", "--api-key", "secret") as url:
        assert httpx.get(url + "/models", timeout=PATIENCE).status_code == 401
        assert (
            httpx.get(url + "/models", timeout=PATIENCE, headers={"Authorization": "Bearer secrets"}).status_code == 401
        )
        assert (
            httpx.get(url + "/models", timeout=PATIENCE, headers={"Authorization": "Bearer secret"}).status_code == 200
        )
        assert alive(url)
