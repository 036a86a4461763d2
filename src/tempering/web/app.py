"""The application of a server: routes, errors and guard put together. Knows what is offered, not how it works."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tempering.errors import TemperingError
from tempering.web import endpoint, page
from tempering.web.bodies import Serving
from tempering.web.engine import Engine
from tempering.web.guard import Guard
from tempering.web.refusals import Refusal, refusal_of

log = logging.getLogger("tempering.web")
OPEN = frozenset({"/health"})


def serve_app(
    engine: Engine,
    serving: Serving,
    *,
    api_key: str | None = None,
    loopback: bool = True,
    origins: Sequence[str] = (),
) -> Guard:
    """Return the application of ``tempering serve``.

    Args:
        engine: writes the texts.
        serving: names, order, limits.
        api_key: that clients must send; None asks for none.
        loopback: answer only requests that name this machine as their host.
        origins: sites whose pages may call, see ``Guard``.
    """
    return _guarded(engine, endpoint.routes(engine, serving), api_key, loopback, origins=frozenset(origins))


def explore_app(
    engine: Engine, serving: Serving, *, runs: Path, api_key: str | None = None, loopback: bool = True
) -> Guard:
    """Return the application of ``tempering explore``: the page and what it asks for; otherwise as ``serve_app``.

    Args:
        engine: writes the texts.
        serving: order and limits.
        runs: the folder whose run folders the page may open.
        api_key: that the page asks its user for.
        loopback: see ``serve_app``.
    """
    folders = page.RunFolders(runs)
    return _guarded(engine, page.routes(engine, serving), api_key, loopback, folders=folders)


def _guarded(
    engine: Engine,
    router: APIRouter,
    api_key: str | None,
    loopback: bool,
    *,
    folders: page.RunFolders | None = None,
    origins: frozenset[str] = frozenset(),
) -> Guard:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=_lifespan(engine))
    app.include_router(router)
    if folders:
        app.mount("/api", folders)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok", "model": engine.model.info.identity}

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(engine.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.exception_handler(HTTPException)
    async def plain(request: Request, problem: HTTPException) -> JSONResponse:
        said = {404: f"there is no {request.url.path} here", 405: f"{request.method} is not allowed here"}
        return _json(Refusal(problem.status_code, said.get(problem.status_code, str(problem.detail))))

    @app.exception_handler(Exception)
    async def any_other(_: Request, problem: Exception) -> JSONResponse:
        return _json(refusal_of(problem))

    for kind in (Refusal, TemperingError):
        app.add_exception_handler(kind, any_other)
    return Guard(
        app,
        limits=engine.limits,
        api_key=api_key,
        loopback=loopback,
        is_open=lambda path: path in OPEN or path == "/" or path.startswith("/static/"),
        metrics=engine.metrics,
        origins=origins,
    )


def _json(refusal: Refusal) -> JSONResponse:
    return JSONResponse(refusal.as_dict(), status_code=refusal.status, headers=refusal.headers)


def _lifespan(engine: Engine) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        engine.close()

    return lifespan
