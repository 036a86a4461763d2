"""HTTP to a server, with retries, limits and a budget. Knows nothing of prompts, settings or what an answer means.

httpx rather than the official client of OpenAI: fields that only some servers know (min_p, samplers, ...) are sent like
any other, the body can be measured while it comes, each retry is counted against the budget, and httpx is a small
dependency that is here anyway.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from tempering._version import __version__
from tempering.errors import BudgetError, PromptError, ServerError

if TYPE_CHECKING:
    import httpx

MAX_BODY = 32 << 20
"""The most bytes that an answer may have."""

AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 529}
"""HTTP statuses after which the same request may succeed."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds: the bound of the first wait, which doubles each time, and of every wait that the server does not ask for."""

PATIENCE = 600.0
"""The longest wait, in seconds, that a server's Retry-After is granted."""

OVERFLOW = re.compile(r"context (length|size|window)|maximum context|exceed_context|too many tokens", re.IGNORECASE)


class _Again(Exception):  # noqa: N818 - not an error that leaves this module
    """A request failed in a way that may pass; ``problem`` is what is raised if it does not."""

    def __init__(self, problem: ServerError, wait: float | None = None) -> None:
        super().__init__(str(problem))
        self.problem, self.wait = problem, wait


@dataclass
class Bill:
    """What a request has cost: nothing until it is answered."""

    tokens: int = 0


@dataclass
class Budget:
    """How much may be spent, and how much is; one object is shared by all threads of a model.

    Attributes:
        requests: the most requests, retries included; None: no limit.
        tokens: the most tokens, those of the prompts included where the server counts them; None: no limit.
        sent: requests sent.
        spent: tokens spent, and those that requests under way may still spend.
    """

    requests: int | None = None
    tokens: int | None = None
    sent: int = 0
    spent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def reserved(self, tokens: int) -> Iterator[Bill]:
        """Set aside what a request may write, and in the end count what its bill says.

        Raises:
            BudgetError: it may not be written.
        """
        bill = Bill()
        with self.lock:
            if self.tokens is not None and self.spent + tokens > self.tokens:
                raise BudgetError(
                    f"the budget of {self.tokens} tokens does not last for a text of {tokens} more "
                    f"({self.spent} are spent or under way); what is stored is kept, and ?tokens= raises it"
                )
            self.spent += tokens
        try:
            yield bill
        finally:
            with self.lock:
                self.spent += bill.tokens - tokens

    def send(self) -> None:
        """Count a request.

        Raises:
            BudgetError: it may not be sent.
        """
        with self.lock:
            if self.requests is not None and self.sent >= self.requests:
                raise BudgetError(
                    f"the budget of {self.requests} requests is spent; what is stored is kept, and ?requests= raises it"
                )
            self.sent += 1


@dataclass(frozen=True)
class Reply:
    """An answer: its JSON, how long it took, and how many requests it needed."""

    content: Any
    seconds: float
    attempts: int


class Transport:
    """Talks to one server.

    Args:
        base: the address, such as ``http://127.0.0.1:8000/v1``.
        name: what the model is called in errors.
        key: the API key, or None; it is sent to this server and appears nowhere else.
        key_hint: what to do where the key is refused.
        timeout: seconds that one answer may take in all.
        retries: how often a request is sent again.
        budget: what may be spent.
    """

    def __init__(
        self,
        base: str,
        *,
        name: str,
        key: str | None = None,
        key_hint: str = "",
        timeout: float = 600.0,
        retries: int = 5,
        budget: Budget | None = None,
    ) -> None:
        import httpx  # noqa: PLC0415 - loaded when used, for a light start

        self.base, self.name, self.timeout, self.retries = base, name, timeout, retries
        self.budget = budget or Budget()
        self._key, self._key_hint, self._httpx = key, key_hint, httpx
        self._random = random.Random(os.urandom(16))
        headers = {"User-Agent": f"tempering/{__version__}"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(10.0, timeout)),
            limits=httpx.Limits(max_connections=None),
        )
        weakref.finalize(self, self._client.close)

    def get(self, path: str) -> Reply:
        """Return the answer to a GET; a server that is not there is not waited for.

        Raises:
            ServerError: it cannot be reached, refuses, or answers what is not JSON.
        """
        return self._repeated(lambda: self._once("GET", path, None), retries=1)

    def post(self, path: str, body: dict[str, Any], stopped: threading.Event | None = None) -> Reply:
        """Return the answer to a POST of JSON, after retries, of which there are no more once ``stopped`` is set.

        Raises:
            ServerError: it cannot be reached, refuses, or answers what is not JSON.
            PromptError: it says that the context is too small.
            BudgetError: the budget is spent.
        """
        return self._repeated(lambda: self._once("POST", path, body), retries=self.retries, stopped=stopped)

    def stream(self, path: str, body: dict[str, Any], on_event: Callable[[Any], None]) -> Reply:
        """Post, and call ``on_event`` with each event's JSON as it comes; the reply has no content.

        A stream that fails before its first event is sent again; afterwards what came is shown already, and it fails.

        Raises:
            ServerError: as ``post``, or the stream ends too early.
            PromptError: the server says that the context is too small.
            BudgetError: the budget is spent.
        """
        begun = False

        def once() -> None:
            nonlocal begun
            try:
                for event in self._events(path, body):
                    begun = True
                    on_event(event)
            except _Again as again:
                if begun:
                    raise again.problem from None
                raise

        return self._repeated(once, retries=self.retries)

    def _repeated(self, once: Callable[[], Any], *, retries: int, stopped: threading.Event | None = None) -> Reply:
        stopped = stopped or threading.Event()
        for attempt in range(retries + 1):
            begun = time.monotonic()
            try:
                self.budget.send()
                content = once()
                return Reply(content, time.monotonic() - begun, attempt + 1)
            except _Again as again:
                problem = again.problem
                asked = again.wait
            if attempt == retries:
                break
            bound = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT)
            pause = self._random.uniform(bound / 2, bound)
            if asked is not None:
                if asked > PATIENCE:
                    raise ServerError(
                        f"{problem}; it asks to wait {asked:.0f} s, which is too long; repeat the command later",
                        status=problem.status,
                    )
                pause += asked
            if stopped.wait(pause):
                break
        tried = f" (tried {attempt + 1} times)" if attempt else ""
        raise ServerError(f"{problem}{tried}", status=problem.status)

    def _once(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        with self._response(method, path, body) as response:
            data = self._read(response)
        try:
            return json.loads(data)
        except ValueError:
            shown = self._clean(data[:80].decode("utf-8", "replace"))
            raise _Again(ServerError(f"{self.name}: answers what is not JSON: {shown!r}", status=200)) from None

    def _events(self, path: str, body: dict[str, Any]) -> Iterator[Any]:
        with self._response("POST", path, body) as response:
            rest = b""
            for chunk in self._chunks(response):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if not line.startswith(b"data:"):
                        continue  # a comment, an empty line or a field that says nothing of the text
                    data = line[5:].strip()
                    if data == b"[DONE]":
                        return
                    try:
                        yield json.loads(data)
                    except ValueError:
                        raise _Again(ServerError(f"{self.name}: a stream holds what is not JSON")) from None

    @contextmanager
    def _response(self, method: str, path: str, body: dict[str, Any] | None) -> Iterator[httpx.Response]:
        httpx = self._httpx
        try:
            with self._client.stream(method, self.base + path, json=body) as response:
                if response.status_code != httpx.codes.OK:
                    self._refuse(response)
                yield response
        except httpx.ConnectTimeout:
            raise _Again(ServerError(f"{self.name}: cannot be reached; is the server running?")) from None
        except httpx.TimeoutException:
            raise _Again(ServerError(f"{self.name}: no answer within {self.timeout:g} s")) from None
        except httpx.ConnectError as problem:
            why = self._clean(str(problem))
            raise _Again(ServerError(f"{self.name}: cannot be reached ({why}); is the server running?")) from None
        except httpx.HTTPError as problem:
            why = self._clean(str(problem) or type(problem).__name__)
            raise _Again(ServerError(f"{self.name}: the connection broke ({why})")) from None
        except httpx.InvalidURL as problem:
            raise ServerError(f"{self.name}: is not an address ({self._clean(str(problem))})") from None

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        end, size = time.monotonic() + self.timeout, 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > MAX_BODY:
                raise ServerError(f"{self.name}: the answer is larger than {MAX_BODY >> 20} MiB")
            if time.monotonic() > end:
                raise _Again(ServerError(f"{self.name}: the answer takes longer than {self.timeout:g} s"))
            yield chunk

    def _read(self, response: httpx.Response) -> bytes:
        return b"".join(self._chunks(response))

    def _refuse(self, response: httpx.Response) -> None:
        """Raise what an answer other than 200 means."""
        status, said = response.status_code, self._said(response)
        if status in {401, 403}:
            raise ServerError(f"{self.name}: refuses access ({status}{said}); {self._key_hint}", status=status)
        if status in {400, 413, 422, 500} and OVERFLOW.search(said):
            raise PromptError(f"{self.name}: the prompt does not fit the context ({status}{said})")
        problem = ServerError(f"{self.name}: answers {status}{said}", status=status)
        if status in AGAIN:
            raise _Again(problem, retry_after(response.headers))
        if status == 404:
            raise ServerError(f"{problem}; does the address end as the server's does, often with /v1?", status=status)
        raise problem

    def _said(self, response: httpx.Response) -> str:
        """Return the server's own words about an error, after a colon; "" where it says nothing."""
        try:
            data = self._read(response)
            content = json.loads(data)
        except ValueError:
            content = data.decode("utf-8", "replace") if data.lstrip()[:1] != b"<" else ""
        except (ServerError, _Again):
            content = ""
        message = said_in(content)
        return f": {self._clean(message)}" if message else ""

    def _clean(self, text: str) -> str:
        """Return text as one short line without the key."""
        line = " ".join(text.split())
        return (line.replace(self._key, "***") if self._key else line)[:300]


def said_in(content: Any) -> str:
    """Return the message of an error body, in any of the shapes that servers use.

    Example:
        >>> said_in({"error": {"message": "no"}}), said_in({"detail": [{"loc": ["body", "top_k"], "msg": "bad"}]})
        ('no', 'top_k: bad')
    """
    if isinstance(content, dict):
        for key in ("error", "message", "detail"):
            if key in content:
                return said_in(content[key])
        if "msg" in content:
            places = [str(part) for part in content.get("loc", ()) if part != "body"]
            return ": ".join([*places, str(content["msg"])])
        return ""
    if isinstance(content, list):
        return "; ".join(said_in(item) for item in content)
    return content if isinstance(content, str) else ""


def retry_after(headers: Any) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number or a date), or None.

    Example:
        >>> retry_after({"retry-after": "3"}), retry_after({}), retry_after({"retry-after": "soon"})
        (3.0, None, None)
    """
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
