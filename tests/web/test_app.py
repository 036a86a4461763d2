"""Both applications without a socket: routes, guard, limits, run folders, and the engine under them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tempering import Request, SamplingParams
from tempering.errors import ParameterError, UsageError
from tempering.models.onnx import OnnxModel
from tempering.study.plan import make_plan
from tempering.study.run import run_study
from tempering.web.app import explore_app, serve_app
from tempering.web.bodies import Serving
from tempering.web.engine import Engine
from tempering.web.guard import Guard
from tempering.web.limits import Limits
from tempering.web.metrics import Metrics
from tempering.web.refusals import Refusal
from tempering.web.runs import Lines, version
from tempering.web.server import KEY_VARIABLE, bound_socket, checked_key

LIMITS = Limits(batch=4, queue=4, body=5000, patience=0.2)
STATIC = Path(__file__).parents[2] / "src/tempering/web/static"
SERVING = Serving(("embedded",), "transformers", LIMITS)


@pytest.fixture
def engine(model: OnnxModel) -> Iterator[Engine]:
    engine = Engine(model, LIMITS)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def runs(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    plan = make_plan({"prompts": ["Once upon a time"], "temperatures": [0, 1], "samples": 1, "max_tokens": 12})
    run_study(plan, model, root / "small")
    (root / "linked").symlink_to(root / "small")
    (root / "other").mkdir()
    (root.parent / "outside").mkdir(exist_ok=True)
    return root


@asynccontextmanager
async def client(app: Guard, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", **more) as http:
        yield http


def get(app: Guard, path: str, **more: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client(app) as http:
            return await http.request(more.pop("method", "GET"), path, **more)

    return asyncio.run(ask())


def test_every_answer_has_the_policy(engine: Engine, runs: Path) -> None:
    app = explore_app(engine, SERVING, runs=runs)
    for path in ("/", "/static/app.js", "/static/style.css", "/api/model", "/nothing", "/health", "/metrics"):
        policy = get(app, path).headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert get(app, path).headers["x-content-type-options"] == "nosniff"


def test_the_page_is_self_contained(engine: Engine, runs: Path) -> None:
    app = explore_app(engine, SERVING, runs=runs)
    index = get(app, "/").text
    assert "<script>" not in index
    assert "style=" not in index
    assert sorted([*re.findall('modulepreload.*/static/(.*)"', index), "app.js"]) == sorted(
        file.name for file in STATIC.glob("*.js")
    ), "all modules are asked for at once"
    for file in STATIC.iterdir():
        answer = get(app, f"/static/{file.name}")
        assert answer.status_code == 200
        outside = [part for part in answer.text.split() if "://" in part and "www.w3.org" not in part]
        assert outside == [], "nothing is fetched from elsewhere"
        assert "innerHTML" not in answer.text


@pytest.mark.parametrize("path", ["/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static/none.js", "/static/", "/x"])
def test_no_other_file_is_served(engine: Engine, runs: Path, path: str) -> None:
    answer = get(explore_app(engine, SERVING, runs=runs), path)
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_only_this_machine_and_its_own_pages_are_answered(engine: Engine) -> None:
    app = serve_app(engine, SERVING)
    assert get(app, "/health", headers={"Host": "127.0.0.1:8000"}).status_code == 200
    assert get(app, "/health", headers={"Host": "[::1]:8000"}).status_code == 200
    assert get(app, "/health", headers={"Host": "evil.example"}).json()["error"]["code"] == "host"
    assert get(app, "/health", headers={"Origin": "http://localhost"}).status_code == 200
    assert get(app, "/health", headers={"Origin": "http://evil.example"}).json()["error"]["code"] == "origin"
    assert get(app, "/health", headers={"Origin": "null"}).status_code == 403
    everywhere = serve_app(engine, SERVING, api_key="k", loopback=False)
    assert get(everywhere, "/health", headers={"Host": "evil.example"}).status_code == 200


def test_other_sites_are_answered_only_where_configured(engine: Engine) -> None:
    app = serve_app(engine, SERVING, api_key="k", origins=["https://app.example"])
    own, other = {"Origin": "https://app.example"}, {"Origin": "https://evil.example"}
    asked = own | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-stainless-os"}
    before = get(app, "/v1/completions", method="OPTIONS", headers=asked)
    assert before.status_code == 204, "a browser asks without the key"
    assert before.headers["access-control-allow-origin"] == "https://app.example"
    assert before.headers["access-control-allow-headers"] == "x-stainless-os"
    known = get(app, "/v1/models", headers=own | {"Authorization": "Bearer k"})
    assert known.status_code == 200
    assert known.headers["access-control-allow-origin"] == "https://app.example"
    assert known.headers["vary"] == "Origin"
    unkeyed = get(app, "/v1/models", headers=own)
    assert unkeyed.status_code == 401
    assert unkeyed.headers["access-control-allow-origin"] == "https://app.example", "the page may read why"
    for method in ("OPTIONS", "GET"):
        refused = get(app, "/v1/models", method=method, headers=other | {"Authorization": "Bearer k"})
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers
    plain = get(serve_app(engine, SERVING), "/v1/models")
    assert not [name for name in plain.headers if name.startswith("access-control")], "nothing by default"


class Stepwise:
    """The embedded model, except that no text ends by itself and each step of the batch waits until it is let go."""

    def __init__(self, model: OnnxModel) -> None:
        self.model, self.info = model, replace(model.info, end_tokens=())
        self.allowed, self.waits = threading.Semaphore(0), threading.Event()

    def batch(self, size: int) -> Any:
        batch = self.model.batch(size)
        step = batch.step

        def gated(tokens: Any) -> Any:
            self.waits.set()
            self.allowed.acquire()
            return step(tokens)

        batch.step = gated  # type: ignore[method-assign]
        return batch

    async def one_step(self) -> None:
        """Let the batch take one step; return when it stands before the next and all that listens has been told."""
        while not self.waits.is_set():
            await asyncio.sleep(0.001)
        self.waits.clear()
        self.allowed.release()
        while not self.waits.is_set():
            await asyncio.sleep(0.001)
        for _ in range(20):
            await asyncio.sleep(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


async def open_stream(app: Guard, gone: asyncio.Event, **body: Any) -> tuple[asyncio.Task[None], list[dict[str, Any]]]:
    """Send a request for a stream; return its task, and the list that its answer's messages go into."""
    sent: list[dict[str, Any]] = []
    content = iter([{"type": "http.request", "body": json.dumps(body | {"stream": True}).encode()}])

    async def receive() -> dict[str, Any]:
        for message in content:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    path = "/v1/completions"
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": None,
        "server": None,
    }
    task = asyncio.ensure_future(app(scope, receive, send))
    for _ in range(20):
        await asyncio.sleep(0)
    return task, sent


def test_a_stream_that_waits_in_the_queue_has_its_headers(model: OnnxModel) -> None:
    held = Stepwise(model)
    engine = Engine(held, replace(LIMITS, batch=1))
    app = serve_app(engine, replace(SERVING, limits=engine.limits))

    async def ask() -> None:
        gone = asyncio.Event()
        first, told = await open_stream(app, gone, prompt="Once", max_tokens=40)
        await held.one_step()
        assert told[0]["status"] == 200
        waits, queued = await open_stream(app, gone, prompt="Twice", max_tokens=40)
        bad, refused = await open_stream(app, gone, prompt="")
        await held.one_step()
        await held.one_step()
        assert [message["type"] for message in queued] == ["http.response.start"], "no token yet"
        assert refused[0]["status"] == 400, "a bad prompt has its own status, though it would wait"
        assert "tempering_texts_waiting 1" in engine.metrics.text()
        gone.set()
        await asyncio.gather(first, waits, bad)
        held.allowed.release(100)
        assert await engine.call(lambda _: engine._held) == 0, "both have left"

    asyncio.run(ask())
    engine.close()


def test_texts_are_told_that_the_server_ends(model: OnnxModel) -> None:
    held = Stepwise(model)
    engine = Engine(held, replace(LIMITS, batch=1))
    app = serve_app(engine, SERVING)

    async def ask() -> None:
        tasks = [await open_stream(app, asyncio.Event(), prompt=text, max_tokens=40) for text in ("Once", "Twice")]
        await held.one_step()
        engine.end()
        held.allowed.release(100)
        for task, told in tasks:
            await task
            assert b'"code": "server_ending"' in told[-2]["body"]
            assert told[-1]["more_body"] is False
        late, told = await open_stream(app, asyncio.Event(), prompt="Late")
        await late
        assert told[0]["status"] == 503

    asyncio.run(ask())
    engine.close()


def test_a_request_that_is_given_up_ends_without_a_fault() -> None:
    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    async def give_up() -> int:
        guard = Guard(never, limits=LIMITS, api_key=None, loopback=True, is_open=lambda _: True, metrics=Metrics({}))
        task, sent = await open_stream(guard, asyncio.Event())
        task.cancel()
        await task
        return int(sent[0]["status"])

    assert asyncio.run(give_up()) == 503


def test_a_key_guards_everything_but_health_and_the_empty_page(engine: Engine, runs: Path) -> None:
    app = explore_app(engine, SERVING, runs=runs, api_key="secret")
    for path in ("/", "/static/app.js", "/health"):
        assert get(app, path).status_code == 200
    for path in ("/api/model", "/api/runs", "/api/runs/small/report", "/metrics", "/nothing"):
        assert get(app, path).status_code == 401
        assert get(app, path, headers={"Authorization": "Bearer wrong"}).status_code == 401
    known = get(app, "/api/model", headers={"Authorization": "Bearer secret"})
    assert known.status_code == 200
    [name, _, rest] = known.headers["set-cookie"].partition("=")
    assert "HttpOnly" in rest
    assert "SameSite=Strict" in rest
    assert "secret" not in rest
    report = get(app, "/api/runs/small/report", headers={"Cookie": f"{name}={rest.split(';')[0]}"})
    assert report.status_code == 200
    assert get(app, "/api/runs", headers={"Cookie": f"{name}=x"}).status_code == 401


def test_bodies_too_large_or_no_json(engine: Engine) -> None:
    app = serve_app(engine, SERVING)
    large = json.dumps({"prompt": "x" * 6000})
    assert get(app, "/v1/completions", method="POST", content=large).status_code == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(7):
            yield b" " * 1000

    assert get(app, "/v1/completions", method="POST", content=chunks()).status_code == 413
    assert get(app, "/v1/completions", method="POST", content=b"{").json()["error"]["code"] == "invalid_json"
    assert get(app, "/v1/completions", method="POST", content=b"[" * 4000).status_code == 400
    assert get(app, "/v1/completions").status_code == 405


def test_the_distribution_comes_whole(engine: Engine, runs: Path, model: OnnxModel) -> None:
    app = explore_app(engine, SERVING, runs=runs)
    found = get(app, "/api/distribution", method="POST", json={"prompt": "Once", "begin": [5, 6]}).json()
    logits = np.frombuffer(base64.b64decode(found["logits"]), "<f4")
    np.testing.assert_array_equal(logits, model.prefill([*model.encode("Once"), 5, 6]).logits)
    assert found["texts"][0] == [int(logits.argmax()), model.decode([int(logits.argmax())])]
    assert get(app, "/api/distribution", method="POST", json={"prompt": ""}).status_code == 400
    assert get(app, "/api/distribution", method="POST", json={"prompt": "a", "begin": [4096]}).status_code == 400
    assert get(app, "/api/distribution", method="POST", json={"prompt": "a", "other": 1}).status_code == 400


def test_forks_and_readings(engine: Engine, runs: Path) -> None:
    app = explore_app(engine, SERVING, runs=runs)
    tree = get(app, "/api/forks", method="POST", json={"prompt": "Once", "max_tokens": 5, "highest": 1.0}).json()
    assert tree["branches"][0]["low"] == 0.0
    moving = {"prompt": "Once", "params": {"top_p": 0.9}}
    assert get(app, "/api/forks", method="POST", json=moving).json()["error"]["param"] == "top_p"
    assert get(app, "/api/forks", method="POST", json={"prompt": "a", "branches": 65}).status_code == 422
    reading = get(app, "/api/read", method="POST", json={"prompt": "Once", "text": " upon a time"}).json()
    best = max(reading["curve"], key=lambda point: point[1])
    assert reading["reading"]["n"] == 3
    assert reading["reading"]["low"] <= best[0]
    assert get(app, "/api/read", method="POST", json={"prompt": "", "text": ""}).status_code == 400


def test_run_folders_and_nothing_beside_them(engine: Engine, runs: Path) -> None:
    app = explore_app(engine, SERVING, runs=runs)
    [run] = get(app, "/api/runs").json()["runs"]
    assert (run["name"], run["samples"], run["planned"]) == ("small", 2, 2)
    report = get(app, "/api/runs/small/report")
    assert "a temperature study" in report.text
    assert "script-src" not in report.headers["content-security-policy"]
    assert "sandbox" in report.headers["content-security-policy"]
    for name in ("linked", "other", "..", "%2e%2e", "..%2foutside", "small%2f..", "%2fetc", "."):
        assert get(app, f"/api/runs/{name}/report").status_code == 404, name
        assert get(app, f"/api/tunings/{name}/report").status_code == 404, name


def test_the_report_of_a_growing_study_is_made_anew_with_every_tenth_more_texts(tmp_path: Path) -> None:
    path, lines = tmp_path / "samples.jsonl", Lines()
    assert lines.of(path) == 0
    versions = set()
    for held in range(1, 1001):
        with path.open("a") as stream:
            stream.write(f"{held}\n")
        assert lines.of(path) == held, "what is new is added"
        versions.add(version(path, held, 2000))
    assert len(versions) < 60
    whole = version(path, 1000, 1000)
    assert whole not in versions, "once more at the end"
    os.utime(path, (1, 1))
    assert version(path, 1000, 2000) not in {*versions, whole}, "and when it rests"
    path.write_text("1\n")
    assert lines.of(path) == 1, "a file that was begun again is counted again"


def test_a_damaged_run_is_told_and_hides_no_other(engine: Engine, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    app = explore_app(engine, SERVING, runs=tmp_path)
    [run] = get(app, "/api/runs").json()["runs"]
    assert "damaged" in run["error"]
    assert str(tmp_path) not in run["error"]
    assert get(app, "/api/runs/broken/report").status_code == 500


def test_a_full_queue_is_refused_and_room_comes_back(engine: Engine) -> None:
    async def fill() -> None:
        long = [Request("Once", SamplingParams(seed=i, temperature=3), max_tokens=200) for i in range(8)]
        texts = engine.write(long)
        with pytest.raises(Refusal) as refused:
            engine.write(long[:1])
        assert refused.value.status == 429
        texts.close()
        await engine.call(lambda _: None)  # after the eight have left
        again = engine.write([Request("Once", max_tokens=2)])
        assert [drawn.completion is not None async for _, drawn in again.events()] == [False, True]

    asyncio.run(fill())


def test_work_with_the_model_keeps_its_own_errors(engine: Engine) -> None:
    async def ask(work: Callable[[Any], Any]) -> Any:
        return await engine.call(work)

    assert asyncio.run(ask(lambda model: model.info.vocabulary)) == 4096
    with pytest.raises(ZeroDivisionError):
        asyncio.run(ask(lambda _: 1 // 0))
    assert asyncio.run(ask(lambda _: 3)) == 3, "the thread lives on"


def test_a_broken_model_fails_its_texts_and_not_the_server(engine: Engine) -> None:
    class Broken:
        def __getattr__(self, _: str) -> Any:
            raise OSError("the device is gone")

    async def write() -> list[int]:
        texts = engine.write([Request("Once", max_tokens=3)])
        return [drawn.token async for _, drawn in texts.events()]

    before = asyncio.run(write())
    engine._decoder._batch = Broken()
    app = serve_app(engine, SERVING)
    answer = get(app, "/v1/completions", method="POST", json={"prompt": "Once", "max_tokens": 3, "seed": 0})
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert "device" not in answer.text
    assert asyncio.run(write()) == before, "the next text is written as ever"


def test_metrics_count() -> None:
    metrics = Metrics({"a_total": "letters"})
    metrics.add("a_total", path='/"x', status="200")
    metrics.seconds("b_seconds", 0.02)
    metrics.seconds("b_seconds", 99)
    metrics.gauge("c", lambda: 7)
    lines = metrics.text().splitlines()
    assert "# HELP tempering_a_total letters" in lines
    assert 'tempering_a_total{path="/\\"x",status="200"} 1' in lines
    assert 'tempering_b_seconds_bucket{le="0.025"} 1' in lines
    assert 'tempering_b_seconds_bucket{le="+Inf"} 2' in lines
    assert "tempering_c 7" in lines


def test_limits_are_above_nothing() -> None:
    assert Limits(queue=0).queue == 0
    for name in ("batch", "patience", "n"):
        with pytest.raises(ParameterError, match=f"{name} must be above 0"):
            Limits(**{name: 0})


def test_keys_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert checked_key("127.0.0.1", None, False) is None
    assert checked_key("0.0.0.0", "k", False) == "k"
    assert checked_key("0.0.0.0", None, True) is None
    with pytest.raises(UsageError, match="lets other machines in"):
        checked_key("0.0.0.0", "", False)
    monkeypatch.setenv(KEY_VARIABLE, "of the environment")
    assert checked_key("0.0.0.0", None, False) == "of the environment"
    with bound_socket("127.0.0.1", 0) as taken, pytest.raises(UsageError, match="choose another --port"):
        bound_socket("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UsageError, match="cannot listen"):
        bound_socket("no.such.host.invalid", 0)
