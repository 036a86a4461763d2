"""What the page asks for: distributions, texts, fork trees, readings, runs. Turns JSON into calls of the library."""

from __future__ import annotations

import base64
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr
from starlette.types import Receive, Scope, Send

from tempering._version import __version__
from tempering.errors import ParameterError, PromptError
from tempering.generation.decode import Drawn
from tempering.generation.forks import fork_tree
from tempering.generation.request import Request as Text
from tempering.generation.row import Alternative
from tempering.generation.stream import TextStream
from tempering.models.base import LogitsModel
from tempering.orders import ENGINES
from tempering.params import SamplingParams
from tempering.web.bodies import Serving, parsed
from tempering.web.endpoint import EventStream, event, json_of, while_connected
from tempering.web.engine import Engine, Texts
from tempering.web.refusals import Refusal, refusal_of

TEXTS_SHOWN = 512
"""How many of the likeliest tokens come with their text; the logits come whole."""
ALTERNATIVES = 8
PROMPT = "Once upon a time, there was a"
"""What the page opens on."""
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    prompt: StrictStr
    begin: list[StrictInt] = Field(default_factory=list)


class _Write(_Body):
    params: dict[str, Any] = Field(default_factory=dict)
    max_tokens: StrictInt = 60
    sample: StrictInt = 0


class _Forks(_Body):
    params: dict[str, Any] = Field(default_factory=dict)
    max_tokens: StrictInt = 30
    sample: StrictInt = 0
    highest: float = 2.0
    branches: StrictInt = 16


class _Read(_Body):
    text: StrictStr


def routes(engine: Engine, serving: Serving) -> APIRouter:
    """Return the page, its files, and what its modules call."""
    router = APIRouter()
    pages = {item.name: item.read_bytes() for item in files("tempering.web").joinpath("static").iterdir()}

    def static(name: str) -> Response:
        kind = KINDS.get(Path(name).suffix)
        if kind is None or name not in pages:
            raise Refusal(404, f"there is no file {name!r}")
        return Response(pages[name], media_type=kind, headers={"Cache-Control": "no-cache"})

    @router.get("/")
    async def index() -> Response:
        return static("index.html")

    @router.get("/static/{name}")
    async def file(name: str) -> Response:
        return static(name)

    @router.get("/api/model")
    async def model() -> dict[str, Any]:
        info = engine.model.info
        ranges = {item.name: {"default": item.default, **item.metadata} for item in fields(SamplingParams)}
        return {
            "name": info.name,
            "identity": info.identity,
            "vocabulary": info.vocabulary,
            "context": info.context,
            "details": dict(info.details),
            "orders": {
                name: {"steps": order.steps, "joint": sorted(order.joint), "edge": order.top_p_edge}
                for name, order in ENGINES.items()
            },
            "order": serving.order,
            "fields": {name: {k: _number(v) for k, v in known.items()} for name, known in ranges.items()},
            "version": __version__,
            "prompt": PROMPT,
        }

    @router.post("/api/distribution")
    async def distribution(request: Request) -> dict[str, Any]:
        body = _bounded(parsed(_Body, await json_of(request)), serving)
        return await while_connected(request, engine.call(lambda model: _next_token(model, body)))

    @router.post("/api/write")
    async def write(request: Request) -> Response:
        body = _bounded(parsed(_Write, await json_of(request)), serving)
        limit = min(body.max_tokens + len(body.begin), serving.limits.max_tokens)
        params = _params(body.params, serving)
        text = Text(body.prompt, params, body.sample, max_tokens=limit, begin=tuple(body.begin))
        _known(engine.model, body.begin)
        texts = engine.write([text], ALTERNATIVES)
        try:
            await while_connected(request, engine.check([text.prompt]))
        except BaseException:
            texts.close()
            raise
        return EventStream(texts, _written(engine.model, texts))

    @router.post("/api/forks")
    async def forks(request: Request) -> dict[str, Any]:
        body = _bounded(parsed(_Forks, await json_of(request)), serving)
        if not 1 <= body.branches <= 64 or not 1 <= body.max_tokens <= 200:
            raise Refusal(422, "at most 64 branches of 200 tokens", code="limit_exceeded")
        text = Text(body.prompt, _params(body.params, serving), body.sample, max_tokens=body.max_tokens)
        tree = await while_connected(
            request,
            engine.call(lambda model: fork_tree(model, text, highest=body.highest, max_branches=body.branches)),
        )
        record = tree.as_dict()
        for branch in record["branches"]:
            branch.pop("raw_logprobs")
        return record

    @router.post("/api/read")
    async def read(request: Request) -> dict[str, Any]:
        body = _bounded(parsed(_Read, await json_of(request)), serving)
        return await while_connected(request, engine.call(lambda model: _reading(model, body)))

    return router


class RunFolders:
    """What the page asks of run folders; an ASGI app, loaded with the first request, so that the page opens sooner."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._router: APIRouter | None = None

    def _load(self) -> APIRouter:
        from tempering.web import ratings, runs  # noqa: PLC0415 - they bring statistics, tuning and reports

        router = APIRouter()
        router.include_router(runs.routes(self._root))
        router.include_router(ratings.routes(self._root))
        return router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._router is None:
            loaded = await run_in_threadpool(self._load)
            self._router = self._router or loaded  # of two first requests one wins
        await self._router(scope, receive, send)


def _bounded(body: Any, serving: Serving) -> Any:
    length = len(body.prompt) + len(getattr(body, "text", ""))
    if length > serving.limits.prompt:
        raise Refusal(422, f"the text has {length} characters, the limit is {serving.limits.prompt}", param="prompt")
    if len(body.begin) > serving.limits.max_tokens:
        raise Refusal(422, "begin is longer than a text may become", param="begin")
    return body


def _params(given: dict[str, Any], serving: Serving) -> SamplingParams:
    known = {item.name for item in fields(SamplingParams)}
    if unknown := [name for name in given if name not in known]:
        raise ParameterError(f"unknown setting {unknown[0]!r}", field=unknown[0])
    return SamplingParams(**{"order": serving.order} | given)


def _next_token(model: LogitsModel, body: _Body) -> dict[str, Any]:
    """Return all logits of the next token, exactly: float32, little-endian, in base64."""
    ids = [*model.encode(body.prompt), *_known(model, body.begin)]
    if not body.prompt:
        raise PromptError("the prompt is empty")
    logits = model.prefill(ids).logits
    best = np.argsort(-logits, kind="stable")[:TEXTS_SHOWN]
    return {
        "logits": base64.b64encode(logits.astype("<f4").tobytes()).decode(),
        "texts": [[int(token), model.decode([int(token)])] for token in best],
        "ends": list(model.info.end_tokens),
        "tokens": len(ids),
    }


def _known(model: LogitsModel, ids: Sequence[int]) -> Sequence[int]:
    if not all(0 <= token < model.info.vocabulary for token in ids):
        raise ParameterError(f"begin must be ids in [0, {model.info.vocabulary})", field="begin")
    return ids


async def _written(model: LogitsModel, texts: Texts) -> AsyncIterator[bytes]:
    stream = TextStream(model)

    def record(drawn: Drawn) -> dict[str, Any]:
        end = drawn.token in model.info.end_tokens
        text = "" if end else stream.push(drawn.token)
        if drawn.completion:
            text += stream.rest()
        return {
            "token": drawn.token,
            "text": text,
            "end": end,
            "raw": _finite(drawn.raw),
            "processed": _finite(drawn.processed),
            "entropy": drawn.entropy,
            "alternatives": [_alternative(model, one) for one in drawn.alternatives],
            "finish": drawn.completion.finish_reason if drawn.completion else None,
        }

    try:
        async for _, drawn in texts.events():
            yield event(record(drawn))
    except Exception as problem:  # the status is sent: what is left is an event
        yield event(refusal_of(problem).as_dict())


def _alternative(model: LogitsModel, one: Alternative) -> dict[str, Any]:
    end = one.token in model.info.end_tokens
    text = "" if end else model.decode([one.token])
    return {
        "token": one.token,
        "text": text,
        "end": end,
        "raw": _finite(one.raw),
        "processed": _finite(one.processed),
    }


def _reading(model: LogitsModel, body: _Read) -> dict[str, Any]:
    """Return the temperature of a text, and its log-likelihood a token over temperatures."""
    from tempering.thermometer.likelihood import read_temperature  # noqa: PLC0415 - the page opens sooner
    from tempering.thermometer.reading import tokens_of_text  # noqa: PLC0415

    tokens = tokens_of_text(model, body.prompt, body.text)
    reading = read_temperature(tokens)
    grid = np.unique(np.concatenate([np.geomspace(0.05, 8, 120), np.linspace(0.1, 3, 59)]))
    curve = [[float(t), tokens.log_likelihood(float(t)) / len(tokens)] for t in grid]
    uniform = tokens.log_likelihood(math.inf) / len(tokens)
    return {"reading": reading.as_dict(), "curve": curve, "uniform": uniform}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
