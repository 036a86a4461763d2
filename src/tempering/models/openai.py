"""Models behind an OpenAI-compatible server: text, and logprobs where it tells them. Knows nothing of sampling.

A name is an address, options and the server's name of the model: ``http://127.0.0.1:8000/v1?concurrency=4#my-model``.
A text is continued through ``/completions``, messages are answered through ``/chat/completions``. Every setting of the
draw is sent in the words of the kind of server; what it cannot express is refused. The API key is read from the
environment, sent to this server, and neither stored nor shown.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from tempering.errors import ParameterError, ServerError, UnknownModelError
from tempering.models.address import NUMBERS, Address
from tempering.models.answers import Piece, answer_of, choices_of, usage_of
from tempering.models.base import Answer, TextInfo, TextRequest
from tempering.models.dialects import DIALECTS, Dialect, body_of, recognise
from tempering.models.transport import Budget, Transport
from tempering.params import ORDERS


def load_http(rest: str) -> OpenAIModel:
    """Return the model at an address without its ``http:``; see ``OpenAIModel``."""
    return OpenAIModel(f"http:{rest}")


def load_https(rest: str) -> OpenAIModel:
    """Return the model at an address without its ``https:``; see ``OpenAIModel``."""
    return OpenAIModel(f"https:{rest}")


WEIGHTS = {"root", "parent", "meta"}
"""What a list of models may say of the weights; when a server was started (``created``) says nothing of them."""

Job = list[tuple[int, TextRequest]]
"""Requests with their indices that are sent as one."""


class OpenAIModel:
    """A model behind a server; a ``TextModel``.

    Args:
        name: address, options and model: ``http://host:port/v1?option=value#model``. Without ``#model`` the server must
            have one model only. Options:
            ``server``: the kind, where it is not recognised (see ``DIALECTS``);
            ``order``: the order of steps, where you know it and the server does not say;
            ``concurrency``: the most requests at once; ``n``: texts to ask for in one request (default 1);
            ``logprobs``: how many of the likeliest tokens to ask for (default: no logprobs);
            ``timeout``: seconds for one answer (600); ``retries``: how often a request is repeated (5);
            ``requests``, ``tokens``: a budget; ``key``: the environment variable that holds the API key.

    Raises:
        ModelError: the name is not an address.
        ParameterError: an option is not known or out of range.
        ServerError: the server cannot be reached or refuses.
        UnknownModelError: it has no such model, or several and none is named.
    """

    def __init__(self, name: str) -> None:
        self.address = address = Address.of(name)
        kind = address.options.get("server")
        if kind is not None and kind not in DIALECTS:
            raise ParameterError(f"server must be one of {', '.join(DIALECTS)}, got {kind!r}", field="model")
        key, hint = address.key()
        numbers = {option: address.number(option) for option in NUMBERS}
        self.budget = Budget(numbers["requests"], numbers["tokens"])
        self.transport = Transport(
            address.base,
            name=address.base,
            key=key,
            key_hint=hint,
            timeout=float(numbers["timeout"] or 600),
            retries=5 if numbers["retries"] is None else numbers["retries"],
            budget=self.budget,
        )
        entries = self._listed(kind is not None and bool(address.model))
        models = [str(entry["id"]) for entry in entries]
        self.kind = kind or recognise([str(entry.get("owned_by")) for entry in entries])
        if kind is None and self.kind == "openai" and self._is_ollama():
            self.kind = "ollama"
        self.dialect = self._dialect(address.options.get("order"))
        self.model = self._chosen(models)
        own = next((entry for entry in entries if str(entry["id"]) == self.model), {})
        self.listed = _weights(own, self.kind)
        self.concurrency = numbers["concurrency"] or self.dialect.concurrency
        self.group = numbers["n"] or 1
        self.logprobs = numbers["logprobs"]
        self.info = TextInfo(
            name=f"{address.base}#{self.model}",
            identity=f"{address.base}#{self.model}" + (f"+n{self.group}" if self.group > 1 else ""),
            details={"server": self.dialect.title}
            | ({"cannot be set": self.dialect.unsettable} if self.dialect.unsettable else {}),
        )

    def write(
        self, requests: Iterable[TextRequest], *, on_text: Callable[[int, str], None] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        """Yield (index, answer) for each request as it finishes, ``concurrency`` of them at once.

        With ``on_text`` texts are streamed. With ``n`` requests that differ in nothing but their seed are sent
        together under the first one's seed; a server that writes fewer texts is asked again for the rest.

        Raises:
            ParameterError: the settings are nothing that the server can express.
            PromptError: a prompt does not fit the server's context.
            BudgetError: the budget is spent.
            ServerError: the server cannot be reached, refuses, or answers what cannot be read.
        """
        jobs = _grouped(enumerate(requests), 1 if on_text else self.group)
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        stopped, running, problem = threading.Event(), 0, None
        try:
            while True:
                for job in islice(jobs, 0 if problem else self.concurrency - running):
                    body_of(self.dialect, job[0][1].params)  # refused here, before it is sent
                    work = (job, events, stopped, on_text is not None)
                    threading.Thread(target=self._work, args=work, daemon=True).start()
                    running += 1
                if not running:
                    break
                event = events.get()
                if event is None or isinstance(event, BaseException):
                    running -= 1
                    if event is not None:  # texts under way are paid for: they are waited for, but not retried
                        problem = problem or event
                        stopped.set()
                elif isinstance(event[1], str):
                    if on_text:
                        on_text(*event)
                else:
                    yield event
        finally:
            stopped.set()
        if problem:
            raise problem

    def ask(self, prompt_body: dict[str, Any], *, tokens: int) -> tuple[list[Piece], Any]:
        """Send one request as it is; return its choices and the answer's JSON. For probes of the server itself.

        Args:
            prompt_body: the request without the model: ``prompt`` or ``messages``, settings, token limit.
            tokens: the most tokens that it may write, for the budget.
        """
        path = "/chat/completions" if "messages" in prompt_body else "/completions"
        with self.budget.reserved(tokens) as bill:
            reply = self.transport.post(path, {"model": self.model} | prompt_body)
            bill.tokens = tokens
        return choices_of(reply.content, self.info.name), reply.content

    def body(self, request: TextRequest, *, n: int = 1) -> dict[str, Any]:
        """Return the request that is sent for a text: every field of the settings, in the server's words."""
        chat = not isinstance(request.prompt, str)
        body: dict[str, Any] = {"model": self.model}
        if isinstance(request.prompt, str):
            body["prompt"] = request.prompt
        else:
            body["messages"] = [{"role": turn.role, "content": turn.content} for turn in request.prompt]
            if request.prompt[-1].role == "assistant":
                body |= self.dialect.prefill or {}
        limit = "max_completion_tokens" if chat and self.address.host == "api.openai.com" else "max_tokens"
        body |= body_of(self.dialect, request.params) | {limit: request.max_tokens, "seed": request.seed, "n": n}
        if self.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": self.logprobs} if chat else {"logprobs": self.logprobs}
        return body

    def _work(self, job: Job, events: queue.SimpleQueue[Any], stopped: threading.Event, stream: bool) -> None:
        """Write the texts of a job and put them into the queue; then None, or what went wrong."""
        try:
            if stream:
                self._stream(job[0], events)
            else:
                left = job
                while left:
                    left = self._write(left, events, stopped)
            events.put(None)
        except BaseException as problem:
            events.put(problem)

    def _write(self, job: Job, events: queue.SimpleQueue[Any], stopped: threading.Event) -> Job:
        """Write as many texts of a job as the server gives at once; return those that are left."""
        first, name = job[0][1], self.info.name
        asked = first.max_tokens * len(job)
        with self.budget.reserved(asked) as bill:
            reply = self.transport.post(_path(first), self.body(first, n=len(job)), stopped)
            usage = usage_of(reply.content)
            bill.tokens = _cost(usage, asked)
        pieces = choices_of(reply.content, name)[: len(job)]
        if not pieces:
            raise ServerError(f"{name}: the answer holds no choice")
        alone = len(pieces) == 1
        usage = usage if alone else (usage[0], None)  # the sum of several texts says nothing of one
        for (index, _), piece in zip(job, pieces, strict=False):
            counted = usage if usage[1] is not None or not piece.tokens else (usage[0], len(piece.tokens))
            answer = answer_of(
                piece,
                name,
                kind=self.dialect.logprobs,
                usage=counted,
                seconds=reply.seconds,
                attempts=reply.attempts,
            )
            events.put((index, answer))
        return job[len(pieces) :]

    def _stream(self, job: tuple[int, TextRequest], events: queue.SimpleQueue[Any]) -> None:
        (index, request), name, whole = job, self.info.name, Piece()
        usage: tuple[int | None, int | None] = (None, None)

        def take(content: Any) -> None:
            nonlocal usage
            if isinstance(content, dict) and "error" in content:
                raise ServerError(f"{name}: the stream ends with an error: {str(content['error'])[:200]}")
            if isinstance(content, dict) and content.get("usage"):
                usage = usage_of(content)
            for piece in choices_of(content, name)[:1]:
                whole.text += piece.text
                whole.reason = piece.reason or whole.reason
                whole.tokens += piece.tokens
                whole.logprobs += piece.logprobs
                whole.top += piece.top
                if piece.text:
                    events.put((index, piece.text))

        body = self.body(request) | {"stream": True, "stream_options": {"include_usage": True}}
        with self.budget.reserved(request.max_tokens) as bill:
            reply = self.transport.stream(_path(request), body, take)
            bill.tokens = _cost(usage, request.max_tokens)
        if whole.reason is None:
            raise ServerError(f"{name}: the stream was cut off before the text's end; repeat the command")
        answer = answer_of(
            whole, name, kind=self.dialect.logprobs, usage=usage, seconds=reply.seconds, attempts=reply.attempts
        )
        events.put((index, answer))

    def _listed(self, may_lack: bool) -> list[dict[str, Any]]:
        """Return what the server lists of its models."""
        try:
            content = self.transport.get("/models").content
        except ServerError as problem:
            if may_lack and problem.status in {404, 405, 501}:
                return []
            raise
        models: Any = content.get("data") if isinstance(content, dict) else None
        if not isinstance(models, list) or not all(isinstance(model, dict) and "id" in model for model in models):
            where = f"{self.address.base}/models"
            raise ServerError(f"{where} is not a list of models; is it an OpenAI-compatible server?")
        return models

    def _is_ollama(self) -> bool:
        """Ask a server whose models have owners that are not known: Ollama names those who published them."""
        parts = urlsplit(self.address.base)
        if parts.scheme != "http":
            return False
        root = Transport(f"http://{parts.netloc}", name=self.address.base, timeout=10.0, budget=self.budget)
        try:
            content = root.get("/api/version").content
        except ServerError:
            return False
        return isinstance(content, dict) and list(content) == ["version"]

    def _chosen(self, models: list[str]) -> str:
        """Return the name of the model, as the server knows it."""
        name, known = self.address.model, ", ".join(sorted(models)[:10]) or "none"
        if not name:
            if len(models) != 1:
                raise UnknownModelError(f"{self.address.base} has {len(models)} models; add #model, one of: {known}")
            return models[0]
        complete = self.kind not in {"openai", "ollama", "lmstudio"}
        if complete and models and name not in models:
            raise UnknownModelError(f"{self.address.base} has no model {name!r}; it has: {known}")
        return name

    def _dialect(self, order: str | None) -> Dialect:
        dialect = DIALECTS[self.kind]
        if order is None:
            return dialect
        if order not in ORDERS:
            raise ParameterError(f"order must be one of {', '.join(ORDERS)}, got {order!r}", field="model")
        if dialect.samplers:
            raise ParameterError(f"{dialect.title} is told the order in each request; leave it out", field="model")
        return replace(dialect, order=order)


def _weights(entry: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return what an entry of the list of models says of the weights; Ollama says when they were last changed."""
    kept = WEIGHTS | ({"created"} if kind == "ollama" else set())
    found = {key: entry[key] for key in entry if key in kept and entry[key] is not None}
    if isinstance(meta := found.get("meta"), dict):
        found["meta"] = {key: meta[key] for key in meta if key != "n_ctx"}  # the room that it was started with
    return found


def _path(request: TextRequest) -> str:
    return "/completions" if isinstance(request.prompt, str) else "/chat/completions"


def _cost(usage: tuple[int | None, int | None], limit: int) -> int:
    return limit if usage[1] is None else usage[1] + (usage[0] or 0)


def _grouped(requests: Iterable[tuple[int, TextRequest]], size: int) -> Iterator[Job]:
    """Yield runs of at most ``size`` requests that differ in nothing but their seed."""
    group: Job = []
    for index, request in requests:
        if group and (len(group) == size or replace(request, seed=group[0][1].seed) != group[0][1]):
            yield group
            group = []
        group.append((index, request))
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
