"""The OpenAI-compatible routes: models, completions, chat completions. Writes answers; decodes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tempering.generation.decode import Drawn
from tempering.models.base import LogitsModel
from tempering.web.bodies import Asked, Serving, chat_asked, completion_asked
from tempering.web.engine import Engine, Texts
from tempering.web.refusals import Refusal, refusal_of
from tempering.web.writer import Piece, TextWriter, shown_logprob

Result = TypeVar("Result")


def routes(engine: Engine, serving: Serving) -> APIRouter:
    """Return the routes under ``/v1``."""
    router, created = APIRouter(prefix="/v1"), int(time.time())

    def card(name: str) -> dict[str, Any]:
        info = engine.model.info
        known = {"identity": info.identity, "context": info.context, "vocabulary": info.vocabulary}
        return {"id": name, "object": "model", "created": created, "owned_by": "tempering", "tempering": known}

    @router.get("/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [card(name) for name in serving.names]}

    @router.get("/models/{name:path}")
    async def one_model(name: str) -> dict[str, Any]:
        if name not in serving.names:
            raise Refusal(404, f"there is no model {name!r} here", param="model", code="model_not_found")
        return card(name)

    @router.post("/completions")
    async def completions(request: Request) -> Response:
        asked = completion_asked(await json_of(request), serving)
        return await _answered(request, engine, asked, _Completions(engine.model, asked, serving))

    @router.post("/chat/completions")
    async def chat(request: Request) -> Response:
        asked = chat_asked(await json_of(request), serving)
        return await _answered(request, engine, asked, _Chats(engine.model, asked, serving))

    return router


async def json_of(request: Request) -> Any:
    """Return the body of a request.

    Raises:
        Refusal: it is not JSON.
    """
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not valid JSON", code="invalid_json") from None


async def while_connected(request: Request, work: Awaitable[Result]) -> Result:
    """Return the result of work, which is given up when the client goes.

    Raises:
        Refusal: the client has gone; nobody reads the answer.
    """

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Refusal(499, "the client has gone")
        return working.result()
    finally:
        for task in (working, watching):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


class EventStream(StreamingResponse):
    """Server-sent events made of texts; their slots are freed however the answer ends, also before its first event."""

    def __init__(self, texts: Texts, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        self._texts = texts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._texts.close()


def event(record: dict[str, Any]) -> bytes:
    """Return a server-sent event."""
    return f"data: {json.dumps(record, ensure_ascii=False, allow_nan=False)}\n\n".encode()


@dataclass
class _Choice:
    """One text of an answer in the making."""

    writer: TextWriter
    text: str = ""
    pieces: list[Piece] = field(default_factory=list)
    finish: str | None = None
    prompt_tokens: int = 0


class _Form(ABC):
    """The form of an answer; one subclass a route."""

    kind, chunk_kind, prefix = "", "", ""

    def __init__(self, model: LogitsModel, asked: Asked, serving: Serving) -> None:
        self.model, self.asked = model, asked
        self.begun = False
        self.choices = [_Choice(TextWriter(model, asked.stops)) for _ in asked.requests]
        # No seed in it: two answers of one seed are two answers.
        self.head = {
            "id": f"{self.prefix}-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": serving.names[0],
            "system_fingerprint": model.info.identity,
        }

    def record(self) -> dict[str, Any]:
        """Return what the draw depended on, for the answer's own ``tempering`` field."""
        return {
            "model": self.model.info.identity,
            "params": self.asked.params.as_dict(),
            "logprobs": "raw at T=1, nats",
        }

    def usage(self) -> dict[str, int]:
        choices, requests = self.choices, self.asked.requests
        # A prompt counts once, however many texts continue it.
        prompts = {request.prompt: c.prompt_tokens for request, c in zip(requests, choices, strict=True)}
        read, written = sum(prompts.values()), sum(choice.writer.count for choice in choices)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}

    def take(self, texts: Texts, index: int, drawn: Drawn) -> Piece:
        """Give a token to its choice; a text that meets a stop string leaves the batch."""
        choice = self.choices[index]
        choice.prompt_tokens = drawn.prompt_tokens
        piece = choice.writer.push(drawn)
        if piece.finish and not drawn.completion:
            texts.leave(index)
        choice.finish = piece.finish
        return piece

    def whole(self) -> dict[str, Any]:
        """Return the answer in one piece."""
        choices = [
            {"index": index, "finish_reason": choice.finish, **self.content(choice)}
            for index, choice in enumerate(self.choices)
        ]
        return self.head | {
            "object": self.kind,
            "choices": choices,
            "usage": self.usage(),
            "tempering": self.record(),
        }

    def chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        """Return one event of a stream; the first says what the draw depends on."""
        if not self.begun:
            self.begun, more = True, more | {"tempering": self.record()}
        if self.asked.include_usage:
            more = {"usage": None} | more  # every event has the field, the last one its numbers
        return event(self.head | {"object": self.chunk_kind, "choices": choices} | more)

    def opening(self) -> list[dict[str, Any]]:
        """Return the choices of an event before any text; none if the route has no such event."""
        return []

    @abstractmethod
    def content(self, choice: _Choice) -> dict[str, Any]:
        """Return what a whole choice says."""

    @abstractmethod
    def delta(self, index: int, piece: Piece) -> dict[str, Any]:
        """Return what an event adds to a choice."""


class _Completions(_Form):
    kind = chunk_kind = "text_completion"
    prefix = "cmpl"

    def content(self, choice: _Choice) -> dict[str, Any]:
        return {"text": choice.text, "logprobs": self._logprobs(choice.pieces)}

    def delta(self, index: int, piece: Piece) -> dict[str, Any]:
        logprobs = self._logprobs([piece])
        return {"index": index, "text": piece.text, "logprobs": logprobs, "finish_reason": piece.finish}

    def _logprobs(self, pieces: list[Piece]) -> dict[str, Any] | None:
        if self.asked.logprobs is None:
            return None
        found: dict[str, list[Any]] = {
            "tokens": [],
            "token_logprobs": [],
            "top_logprobs": [],
            "text_offset": [],
            "processed_logprobs": [],
        }
        for piece in pieces:
            offset = piece.offset
            for one in piece.tokens:
                text = self.model.decode([one.token])
                tops = {self.model.decode([a.token]): shown_logprob(a.raw) for a in one.alternatives}
                found["tokens"].append(text)
                found["token_logprobs"].append(shown_logprob(one.raw))
                found["top_logprobs"].append(tops | {text: shown_logprob(one.raw)})
                found["text_offset"].append(offset)
                found["processed_logprobs"].append(shown_logprob(one.processed))
                offset += len(text)
        return found


class _Chats(_Form):
    kind, chunk_kind, prefix = "chat.completion", "chat.completion.chunk", "chatcmpl"

    def opening(self) -> list[dict[str, Any]]:
        delta = {"role": "assistant", "content": "", "refusal": None}
        empty = {"delta": delta, "logprobs": None, "finish_reason": None}
        return [{"index": index} | empty for index in range(len(self.choices))]

    def content(self, choice: _Choice) -> dict[str, Any]:
        message = {"role": "assistant", "content": choice.text, "refusal": None}
        return {"message": message, "logprobs": self._logprobs(choice.pieces)}

    def delta(self, index: int, piece: Piece) -> dict[str, Any]:
        delta = {"content": piece.text} if piece.text else {}
        return {"index": index, "delta": delta, "logprobs": self._logprobs([piece]), "finish_reason": piece.finish}

    def _logprobs(self, pieces: list[Piece]) -> dict[str, Any] | None:
        if self.asked.logprobs is None:
            return None
        tokens = [one for piece in pieces for one in piece.tokens]
        content = [
            self._token(one.token, one.raw, one.processed)
            | {"top_logprobs": [self._token(a.token, a.raw, a.processed) for a in one.alternatives]}
            for one in tokens
        ]
        return {"content": content, "refusal": None}

    def _token(self, token: int, raw: float, processed: float) -> dict[str, Any]:
        text = self.model.decode([token])
        whole = "\ufffd" not in text
        return {
            "token": text,
            "logprob": shown_logprob(raw),
            "bytes": list(text.encode()) if whole else None,  # of half a character the model tells no bytes
            "processed_logprob": shown_logprob(processed),
        }


async def _answered(request: Request, engine: Engine, asked: Asked, form: _Form) -> Response:
    texts = engine.write(asked.requests, asked.logprobs or 0)
    try:
        # A bad prompt has a status of its own also where its text must wait; then a stream begins at once.
        await while_connected(request, engine.check([one.prompt for one in asked.requests]))
        if asked.stream:
            return EventStream(texts, _streamed(texts, form))
        return JSONResponse(await while_connected(request, _collected(texts, form)))
    except BaseException:
        texts.close()
        raise


async def _collected(texts: Texts, form: _Form) -> dict[str, Any]:
    async for index, drawn in texts.events():
        piece, choice = form.take(texts, index, drawn), form.choices[index]
        choice.text += piece.text
        choice.pieces.append(piece)
    return form.whole()


async def _streamed(texts: Texts, form: _Form) -> AsyncIterator[bytes]:
    try:
        if opening := form.opening():
            yield form.chunk(opening)
        async for index, drawn in texts.events():
            piece = form.take(texts, index, drawn)
            if piece.text or piece.finish or (piece.tokens and form.asked.logprobs is not None):
                yield form.chunk([form.delta(index, piece)])
        if form.asked.include_usage:
            yield form.chunk([], usage=form.usage())
        yield b"data: [DONE]\n\n"
    except Exception as problem:  # the status is sent: what is left is an event
        yield event(refusal_of(problem).as_dict())
