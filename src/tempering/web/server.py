"""Run an application with uvicorn, on a socket that is bound before anything else happens. Knows nothing of routes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tempering.errors import UsageError
from tempering.web.guard import App, is_loopback
from tempering.web.limits import Limits

KEY_VARIABLE = "TEMPERING_API_KEY"


def checked_key(host: str, api_key: str | None, insecure: bool) -> str | None:
    """Return the key that clients must send: the one given, or that of the environment.

    Raises:
        UsageError: another machine could reach the server, and there is neither a key nor the word that none is meant.
    """
    key = api_key or os.environ.get(KEY_VARIABLE) or None
    if not is_loopback(host) and key is None and not insecure:
        raise UsageError(
            f"--host {host} lets other machines in: set {KEY_VARIABLE} or --api-key, or say --insecure to go without"
        )
    return key


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises:
        UsageError: the address cannot be used.
    """
    found = None
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, proto)  # without the protocol, asyncio leaves Nagle's delay on
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(1024)
    except OSError as problem:
        if found:
            found.close()
        raise UsageError(f"cannot listen on {host} port {port}: {problem.strerror}; choose another --port") from None
    return found


def run(
    app: App,
    listening: socket.socket,
    limits: Limits,
    *,
    started: Callable[[], None] | None = None,
    ending: Callable[[], None] | None = None,
) -> None:
    """Serve until interrupted.

    Args:
        app: what is served.
        listening: where, see ``bound_socket``.
        limits: of connections and of patience.
        started: called when requests are answered.
        ending: called when the server begins to end, while its connections are still open.
    """
    config = uvicorn.Config(
        app,
        http=_patient(limits),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = _Server(config, ending)

    async def serve() -> None:
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        while not (server.started or serving.done()):
            await asyncio.sleep(0.01)
        if started and server.started:
            started()
        await serving

    asyncio.run(serve())


class _Server(uvicorn.Server):
    """uvicorn's server, which tells what it serves that it ends: an open stream would otherwise be cut off."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._ending:
            self._ending()
        await super().shutdown(sockets)


def _patient(limits: Limits) -> type[H11Protocol]:
    """Return uvicorn's protocol with two limits that it lacks: how many connections, and how slow a head may come."""

    class Patient(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                transport.close()
            else:
                self.loop.call_later(limits.patience, self._check_head)

        def _check_head(self) -> None:
            """Close a connection that is open, works on nothing, and is not waiting by uvicorn's own clock."""
            if self.transport.is_closing():
                return
            working = self.cycle is not None and not self.cycle.response_complete
            if not working and self.timeout_keep_alive_task is None:
                self.transport.close()
            else:
                self.loop.call_later(limits.patience, self._check_head)

    return Patient
