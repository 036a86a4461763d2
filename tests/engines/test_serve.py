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
from tempering.generation.decode import generate
from tempering.models.onnx import OnnxModel

pytestmark = pytest.mark.engine("openai")

PROMPT = "Once upon a time"


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
            assert server.wait(timeout=20) in {0, -15}, "it ends when asked to"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served("--chat-template", "plain", "--batch", "8", "--queue", "60") as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    from openai import OpenAI

    with OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def expected(model: OnnxModel, params: SamplingParams, limit: int, sample: int = 0, prompt: str = PROMPT) -> str:
    [done] = generate(model, [Request(prompt, params, sample, max_tokens=limit)])
    return done.text


def alive(url: str) -> bool:
    return httpx.get(url.removesuffix("/v1") + "/health", timeout=10).status_code == 200


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
    assert [choice.text for choice in done.choices] == [expected(model, params, 12, i) for i in range(3)]
    assert {choice.finish_reason for choice in done.choices} == {"length"}
    assert done.usage.completion_tokens == 36
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


def test_chat_streamed_and_not(client: Any, model: OnnxModel) -> None:
    asked: dict[str, Any] = {"model": "embedded", "messages": [{"role": "user", "content": PROMPT}], "seed": 5}
    whole = client.chat.completions.create(**asked, max_completion_tokens=15, logprobs=True, top_logprobs=2)
    text = expected(model, SamplingParams(seed=5), 15)
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
    assert parts[-1].usage.completion_tokens == 15


def test_logprobs_are_raw_and_processed(client: Any, model: OnnxModel) -> None:
    done = client.completions.create(
        model="embedded", prompt=PROMPT, max_tokens=6, seed=1, temperature=0.5, logprobs=3, extra_body={"top_k": 5}
    )
    [own] = generate(model, [Request(PROMPT, SamplingParams(temperature=0.5, top_k=5, seed=1), max_tokens=6)])
    found = done.choices[0].logprobs
    assert found.token_logprobs == pytest.approx(own.raw_logprobs, abs=1e-9)
    assert found.processed_logprobs == pytest.approx(own.processed_logprobs, abs=1e-9)
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


def held(url: str) -> int:
    """Return how many texts run or wait."""
    text = httpx.get(url.removesuffix("/v1") + "/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return int(lines["tempering_texts_running"]) + int(lines["tempering_texts_waiting"])


def wait_for(url: str, count: int) -> None:
    until = time.monotonic() + 20
    while held(url) != count and time.monotonic() < until:
        time.sleep(0.05)
    assert held(url) == count


LONG = {"prompt": PROMPT, "max_tokens": 400, "temperature": 3, "n": 16}


def test_a_client_that_goes_away_frees_its_slot(url: str) -> None:
    with httpx.stream("POST", url + "/completions", json=LONG | {"stream": True}) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert 0 < held(url) <= 16  # a text may have ended by itself
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url + "/completions", json=LONG, timeout=0.5)
    wait_for(url, 0)


def test_a_full_queue_says_so(url: str) -> None:
    async def fill() -> httpx.Response:
        """Ask without end until one is refused: texts end by themselves, so no count is certain."""
        async with httpx.AsyncClient(timeout=60) as http:
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
    wait_for(url, 0)


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
        slow = socket.create_connection((host, int(port)), timeout=15)
        slow.close()
        until = time.monotonic() + 30
        while time.monotonic() < until:  # the idle ones are closed after two seconds
            try:
                assert alive(url)
                break
            except httpx.HTTPError:
                time.sleep(0.5)
        assert alive(url)
        for one in idle[:20]:
            one.settimeout(15)
            with suppress(ConnectionError):
                assert one.recv(10) in {b"", b"HTTP/1.1 4"}
            one.close()
        for one in idle[20:512]:
            one.close()
        body = b'POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"prompt'
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            slow.sendall(body)
            assert slow.recv(12) == b"HTTP/1.1 408"
        assert alive(url)


def test_it_ends_quietly_while_texts_are_written() -> None:
    command = [sys.executable, "-m", "tempering", "serve", "--port", "0", "--json"]
    endless = LONG | {"temperature": "inf", "stream": True}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout
        url = json.loads(server.stdout.readline())["url"]
        with httpx.stream("POST", url + "/completions", json=endless, timeout=60) as answer:
            lines = answer.iter_lines()
            next(lines)
            server.terminate()
            last = [line for line in lines if line][-1]
        assert server.wait(timeout=60) in {0, -15}
        assert server.stderr
        assert "Traceback" not in server.stderr.read()
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "server_ending"


def test_a_key_is_needed_for_other_machines() -> None:
    command = [sys.executable, "-m", "tempering", "serve", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "TEMPERING_API_KEY" in done.stderr
    with served("--host", "0.0.0.0", "--api-key", "secret") as url:
        assert httpx.get(url + "/models").status_code == 401
        assert httpx.get(url + "/models", headers={"Authorization": "Bearer secrets"}).status_code == 401
        assert httpx.get(url + "/models", headers={"Authorization": "Bearer secret"}).status_code == 200
        assert alive(url)
