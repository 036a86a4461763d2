"""The decoding thread: the texts of many clients in one running batch. Knows nothing of HTTP.

All work with the model happens in this thread, so that engines that are not made for threads are safe too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tempering.errors import LogitsError, ModelError, TemperingError
from tempering.generation.decode import Decoder, Drawn
from tempering.generation.prompts import encoded_prompt
from tempering.generation.request import Request
from tempering.models.base import LogitsModel, PromptText
from tempering.web.limits import Limits
from tempering.web.metrics import Metrics
from tempering.web.refusals import Refusal, ending, too_busy

log = logging.getLogger("tempering.web")
Result = TypeVar("Result")

HELP = {
    "requests_total": "HTTP requests answered, by path and status",
    "tokens_total": "tokens drawn",
    "texts_total": "texts that left the batch, by how they ended",
    "texts_running": "texts in the batch",
    "texts_waiting": "texts in the queue",
    "step_seconds": "time of one step of the batch: one token of every text",
    "first_token_seconds": "time from a request to the first token of a text",
}


@dataclass(eq=False)
class _Job:
    """A text of a client: waiting or running."""

    request: Request
    alternatives: int
    deliver: Callable[[Drawn | TemperingError | Refusal], None]
    begun: float = field(default_factory=time.monotonic)
    ticket: int | None = None
    first: bool = True


class Texts:
    """The texts of one request, as they are written; close it when the client goes."""

    def __init__(self, engine: Engine, requests: Sequence[Request], alternatives: int) -> None:
        self._engine, self._left = engine, set(range(len(requests)))
        self._events: asyncio.Queue[tuple[int, Drawn | TemperingError | Refusal]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def deliver_to(index: int) -> Callable[[Drawn | TemperingError | Refusal], None]:
            def deliver(event: Drawn | TemperingError | Refusal) -> None:
                with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens any more
                    loop.call_soon_threadsafe(self._events.put_nowait, (index, event))

            return deliver

        self._jobs = [_Job(request, alternatives, deliver_to(i)) for i, request in enumerate(requests)]
        engine._join(self._jobs)

    async def events(self) -> AsyncIterator[tuple[int, Drawn]]:
        """Yield the index of a text and its next token, until all have ended.

        Raises:
            TemperingError: a text cannot be written; the others are closed.
            Refusal: the server ends.
        """
        try:
            while self._left:
                index, event = await self._events.get()
                if isinstance(event, Exception):
                    raise event
                if index in self._left:
                    if event.completion:
                        self._left.discard(index)
                    yield index, event
        finally:
            self.close()

    def leave(self, index: int) -> None:
        """End one text before its time; its slot is free after the running step."""
        if index in self._left:
            self._left.discard(index)
            self._engine._leave(self._jobs[index])

    def close(self) -> None:
        """End all texts that are left."""
        for index in list(self._left):
            self.leave(index)


class Engine:
    """Writes texts for many clients at once; make one, and close it at the end.

    Args:
        model: gives the logits; from now on only this thread uses it.
        limits: of the batch and the queue.
    """

    def __init__(self, model: LogitsModel, limits: Limits | None = None) -> None:
        self.model, self.limits = model, limits or Limits()
        self.metrics = Metrics(HELP)
        self.metrics.gauge("texts_running", lambda: len(self._running))
        self.metrics.gauge("texts_waiting", lambda: max(0, self._held - len(self._running)))
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._waiting: deque[_Job] = deque()
        self._running: dict[int, _Job] = {}
        self._held, self._ended, self._lock = 0, False, threading.Lock()
        self._decoder = Decoder(model, self.limits.batch)
        self._thread = threading.Thread(target=self._run, name="tempering-decoding", daemon=True)
        self._thread.start()

    def write(self, requests: Sequence[Request], alternatives: int = 0) -> Texts:
        """Begin texts; call it inside a running event loop.

        Raises:
            Refusal: the queue is full, or the server ends.
        """
        return Texts(self, requests, alternatives)

    async def check(self, prompts: Sequence[PromptText]) -> None:
        """Raise what is wrong with prompts, as ``read_prompt`` does: told also while their texts must wait."""
        distinct = set(prompts)
        await self.call(lambda model: [encoded_prompt(model, prompt) for prompt in distinct])

    async def call(self, work: Callable[[LogitsModel], Result]) -> Result:
        """Return what a function makes of the model, run between two steps of the batch."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def settle(result: Result | None, problem: Exception | None) -> None:
            if future.done():
                return
            if problem is None:
                future.set_result(result)  # type: ignore[arg-type]
            else:
                future.set_exception(problem)

        def run() -> None:
            if future.cancelled():
                return
            result, problem = None, None
            try:
                result = work(self.model)
            except Exception as found:  # it belongs to the caller, whatever it is
                problem = found
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, result, problem)

        self._inbox.put(run)
        return await future

    def end(self) -> None:
        """Take no more texts, and end those that are left: their clients are told."""
        with self._lock:
            self._ended = True

        def dismiss() -> None:
            for job in self._waiting:
                self._release("failed")
                job.deliver(ending())
            self._waiting.clear()
            self._fail_all(ending())

        self._inbox.put(dismiss)

    def close(self) -> None:
        """End the thread; texts that are left are not finished."""
        self._inbox.put(None)
        self._thread.join(timeout=30)

    def _join(self, jobs: Sequence[_Job]) -> None:
        with self._lock:
            if self._ended:
                raise ending()
            free = self.limits.batch + self.limits.queue - self._held
            if len(jobs) > free:
                raise too_busy(self._held)
            self._held += len(jobs)
        self._inbox.put(lambda: self._waiting.extend(jobs))

    def _leave(self, job: _Job) -> None:
        def leave() -> None:
            if job in self._waiting:
                self._waiting.remove(job)
                self._release("left")
            elif job.ticket is not None and job.ticket in self._running:
                del self._running[job.ticket]
                self._decoder.remove(job.ticket)
                self._release("left")

        self._inbox.put(leave)

    def _release(self, how: str) -> None:
        with self._lock:
            self._held -= 1
        self.metrics.add("texts_total", end=how)

    def _run(self) -> None:
        while self._commands():
            try:
                self._admit()
                self._step()
            except Exception as problem:  # the model broke: its texts are lost, the server is not
                log.exception("a step of the batch failed")
                self._fail_all(_broken(problem))

    def _commands(self) -> bool:
        """Carry out what has come in; wait for it if there is nothing else to do. False: the end."""
        idle = not (self._waiting or self._running)
        while True:
            try:
                command = self._inbox.get(block=idle)
            except queue.Empty:
                return True
            if command is None:
                return False
            command()
            idle = False

    def _admit(self) -> None:
        while self._waiting and self._decoder.free:
            job = self._waiting.popleft()
            try:
                job.ticket = self._decoder.add(job.request, job.alternatives)
            except Exception as problem:
                self._release("refused")
                job.deliver(problem if isinstance(problem, TemperingError) else _broken(problem))
                if not isinstance(problem, TemperingError):
                    raise
            else:
                self._running[job.ticket] = job

    def _step(self) -> None:
        for ticket, problem in self._decoder.refused():
            self._end(ticket, problem)
        begun = time.monotonic()
        drawn = self._decoder.draw()
        now = time.monotonic()
        for one in drawn:
            job = self._running[one.ticket]
            if job.first:
                job.first = False
                self.metrics.seconds("first_token_seconds", now - job.begun)
            if one.completion:
                del self._running[one.ticket]
                self._release(one.completion.finish_reason)
            job.deliver(one)
        self._decoder.advance()  # while the clients are told
        if drawn:
            self.metrics.seconds("step_seconds", time.monotonic() - begun)
            self.metrics.add("tokens_total", len(drawn))

    def _end(self, ticket: int, problem: LogitsError | ModelError | Refusal) -> None:
        job = self._running.pop(ticket)
        self._release("failed")
        job.deliver(problem)

    def _fail_all(self, problem: ModelError | Refusal) -> None:
        for ticket in list(self._running):
            self._end(ticket, problem)
        self._decoder = Decoder(self.model, self.limits.batch)


def _broken(problem: Exception) -> ModelError:
    """Return an error for clients; what broke inside is for the log."""
    return ModelError(f"the model failed: {type(problem).__name__}")
