"""A small OpenAI-style server on loopback that fails as it is told to, and waits that are short."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tempering.models import transport

Behaviour = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """One connection; the server says how to behave."""

    protocol_version = "HTTP/1.1"
    server: FaultServer

    def do_GET(self) -> None:
        if self.path in self.server.pages:
            self.give(200, self.server.pages[self.path])
            return
        if self.path != "/v1/models":
            self.give(404, {"error": {"message": "not here"}})
            return
        models = [
            {"id": name, "object": "model", "owned_by": self.server.owner} | self.server.facts
            for name in self.server.models
        ]
        self.give(200, {"object": "list", "data": models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.seen.append((self.path, body, dict(self.headers)))
            behave = self.server.plan.pop(0) if self.server.plan else self.server.usual
        behave(self, body)

    def give(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def give_events(self, events: list[Any], *, done: bool = True) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        lines = [f"data: {json.dumps(event)}" for event in events] + (["data: [DONE]"] if done else [])
        for line in lines:
            self.wfile.write(f": ping\n{line}\n\n".encode())
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        pass


class FaultServer(ThreadingHTTPServer):
    """Answers by ``plan``, a behaviour a request, and then as usual; a context manager.

    Attributes:
        plan: what to do with the next requests.
        usual: what to do with every other one.
        seen: path, body and headers of every POST.
        owner: what the list of models says of the owner, from which the kind of server is told.
        models: the names of the models.
        facts: what the list says of each model besides.
        pages: path to what else is answered to a GET.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: list[Behaviour] = []
        self.usual: Behaviour = self.write()
        self.seen: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.owner, self.models = "vllm", ["m"]
        self.facts: dict[str, Any] = {}
        self.pages: dict[str, Any] = {}
        self.lock, self.released = threading.Lock(), threading.Event()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self) -> FaultServer:
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up is part of the tests

    @staticmethod
    def choice(text: str, index: int = 0, reason: str | None = "length", **more: Any) -> dict[str, Any]:
        return {"index": index, "text": text, "message": {"content": text}, "finish_reason": reason} | more

    @staticmethod
    def write(text: str | None = None, most: int = 100, **more: Any) -> Behaviour:
        """Write the text, or the seed, index and temperature, for each of at most ``most`` choices."""

        def behave(handler: Handler, body: dict[str, Any]) -> None:
            own = [f" {body.get('seed')}.{i}@{body.get('temperature')}" for i in range(most)]
            words = own if text is None else [text] * most
            chat = "messages" in body
            choices = [FaultServer.choice(word, i) | more for i, word in enumerate(words[: body.get("n", 1)])]
            for one in choices:
                del one["text" if chat else "message"]
            usage = {"prompt_tokens": 4, "completion_tokens": 3 * len(choices)}
            if body.get("stream"):
                parts = [
                    {"choices": [{"index": 0, "text": part, "delta": {"content": part}, "finish_reason": None}]}
                    for part in (words[0][:2], words[0][2:])
                ]
                if not chat:
                    for part in parts:
                        part["choices"][0].pop("delta")
                end = {"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}
                handler.give_events([*parts, end, {"choices": [], "usage": usage}])
                return
            handler.give(200, {"choices": choices, "usage": usage})

        return behave

    @staticmethod
    def status(code: int, message: str = "no", **headers: str) -> Behaviour:
        return lambda handler, body: handler.give(code, {"error": {"message": message}}, headers)

    @staticmethod
    def raw(data: bytes) -> Behaviour:
        return lambda handler, body: handler.give(200, data)

    @staticmethod
    def hang(handler: Handler, body: dict[str, Any]) -> None:
        handler.server.released.wait(20)
        handler.close_connection = True

    @staticmethod
    def cut(handler: Handler, body: dict[str, Any]) -> None:
        """Promise more bytes than there are."""
        handler.send_response(200)
        handler.send_header("content-length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"choices": [')
        handler.close_connection = True

    @staticmethod
    def huge(handler: Handler, body: dict[str, Any]) -> None:
        """Answer without end."""
        handler.send_response(200)
        handler.send_header("connection", "close")
        handler.end_headers()
        while not handler.server.released.is_set():
            handler.wfile.write(b" " * 65536)

    @staticmethod
    def events(*content: Any, done: bool = True) -> Behaviour:
        return lambda handler, body: handler.give_events(list(content), done=done)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setattr(transport, "FIRST_WAIT", 0.002)
    for name in ("TEMPERING_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with FaultServer() as running:
        yield running
