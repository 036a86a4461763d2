"""What every request passes first: host, origin, key, size and time of the body; and headers that every answer has.

Plain ASGI, so that a stream passes through unbuffered. Knows nothing of routes but the public ones.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from tempering.web.limits import Limits
from tempering.web.metrics import Metrics
from tempering.web.refusals import Refusal, ending

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
COOKIE, SESSION = "tempering", "/api/model"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Return whether a host can be reached from this machine only.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
        (True, False)
    """
    return host in LOOPBACK


class Guard:
    """Lets requests through to an app, or answers them itself.

    Args:
        app: what is guarded.
        limits: of body and time.
        api_key: that a client must send as a bearer token; None asks for none.
        loopback: answer only requests that name this machine as their host, so that no foreign site can reach the
            server under a name of its own.
        is_open: paths that need no key.
        metrics: where answers are counted.
        origins: sites whose pages may call, as ``https://example.org``; only the server's own unless given.
    """

    def __init__(
        self,
        app: App,
        *,
        limits: Limits,
        api_key: str | None,
        loopback: bool,
        is_open: Callable[[str], bool],
        metrics: Metrics,
        origins: frozenset[str] = frozenset(),
    ) -> None:
        self.app, self.limits, self.loopback, self.is_open, self.metrics = app, limits, loopback, is_open, metrics
        self.origins = origins
        self._key = api_key.encode() if api_key else None
        # The page's frames cannot send a header: they show this cookie, from which the key cannot be told.
        self._cookie = hmac.new(self._key, b"tempering page", "sha256").hexdigest() if self._key else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                present = {name.lower() for name, _ in message["headers"]}
                extra = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in present]
                if self._key and scope["path"] == SESSION and message["status"] == 200:
                    cookie = f"{COOKIE}={self._cookie}; Path=/; HttpOnly; SameSite=Strict"
                    extra.append((b"set-cookie", cookie.encode()))
                message["headers"] = [*message["headers"], *extra, *_shared(scope, self.origins)]
                route = getattr(scope.get("route"), "path", "other")
                self.metrics.add("requests_total", path=route, status=str(message["status"]))
            await send(message)

        try:
            if self._check(scope):
                await guarded({"type": "http.response.start", "status": 204, "headers": []})
                await guarded({"type": "http.response.body", "body": b""})
            else:
                await self.app(scope, self._bounded(scope, receive), guarded)
        except Refusal as refusal:
            if not begun:
                await _answer(refusal, guarded)
        except asyncio.CancelledError:  # the server ends and waits no longer: nothing that its log must explain
            if not begun:
                await _answer(ending(), guarded)

    def _check(self, scope: Scope) -> bool:
        """Refuse what may not come in; return whether a browser only asks if it may."""
        headers = _headers(scope)
        host = headers.get("host", "")
        if self.loopback and (urlsplit(f"//{host}").hostname or "") not in LOOPBACK:
            raise Refusal(403, "this server answers on localhost only; start it with --host for another", code="host")
        origin = headers.get("origin")
        if origin is not None and origin not in self.origins and urlsplit(origin).netloc != host:
            raise Refusal(403, f"requests of pages from {origin} are not answered; see --allow-origin", code="origin")
        if origin in self.origins and scope["method"] == "OPTIONS":
            return True
        if self._key and not self.is_open(scope["path"]):
            sent = headers.get("authorization", "").removeprefix("Bearer ").encode("latin-1")
            cookie = _cookies(headers.get("cookie", "")).get(COOKIE)
            shown = (cookie or "").encode("latin-1")
            # Both are compared, and in constant time: how long it takes tells nothing.
            if not hmac.compare_digest(sent, self._key) | hmac.compare_digest(shown, self._cookie.encode()):
                raise Refusal(
                    401,
                    "the API key is missing or wrong; send it as: Authorization: Bearer KEY",
                    kind="authentication_error",
                    code="invalid_api_key",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.limits.body:
            raise self._too_large()
        return False

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body is larger than {self.limits.body} bytes", code="body_too_large")

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Return a receive that bounds the size of the body and the time until its end."""
        size, done = 0, scope["method"] in {"GET", "HEAD"}
        deadline = asyncio.get_running_loop().time() + self.limits.patience

        async def bounded() -> Message:
            nonlocal size, done
            if done:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise Refusal(408, "the body came too slowly", code="timeout") from None
            size += len(message.get("body", b""))
            if size > self.limits.body:
                raise self._too_large()
            done = not message.get("more_body", False)
            return message

        return bounded


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _shared(scope: Scope, origins: frozenset[str]) -> list[tuple[bytes, bytes]]:
    """Return the headers that let a page of an allowed site read an answer, and ask for it; none for other pages."""
    if not origins:
        return []
    headers = _headers(scope)
    extra = {"vary": "Origin"}
    if (origin := headers.get("origin", "")) in origins:
        extra["access-control-allow-origin"] = origin
        if scope["method"] == "OPTIONS":
            wanted = headers.get("access-control-request-headers", "authorization, content-type")
            extra |= {"access-control-allow-methods": "GET, POST", "access-control-allow-headers": wanted}
            extra |= {"access-control-max-age": "600", "access-control-allow-private-network": "true"}
    return [(name.encode(), value.encode("latin-1")) for name, value in extra.items()]


def _cookies(header: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, _, value in pairs}


async def _answer(refusal: Refusal, send: Send) -> None:
    body = json.dumps(refusal.as_dict()).encode()
    headers = {"content-type": "application/json", "connection": "close", **refusal.headers}
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
