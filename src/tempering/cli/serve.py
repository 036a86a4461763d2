"""``tempering serve``: an OpenAI-compatible endpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from tempering.cli import options
from tempering.cli.terminal import say
from tempering.errors import ParameterError, UsageError
from tempering.params import ORDERS

PLAIN = "{% for message in messages %}{{ message.content }}{{ '' if loop.last else '\\n' }}{% endfor %}"
"""The template ``plain``: the messages as one text, for models that were never taught to chat."""

Host = Annotated[str, typer.Option("--host", help="The address to listen on; any but loopback needs an API key.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")]
Key = Annotated[
    str | None,
    typer.Option("--api-key", help="The key that clients must send; better in TEMPERING_API_KEY.", show_default=False),
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Let other machines in without an API key.")]
Order = Annotated[str, typer.Option("--order", help="The order of the steps where a request names none.")]


def serve(
    *,
    model: options.Model = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    api_key: Key = None,
    insecure: Insecure = False,
    name: Annotated[
        str | None,
        typer.Option("--name", help="A name for the model besides its own.", show_default=False),
    ] = None,
    order: Order = "transformers",
    chat_template: Annotated[
        str | None,
        typer.Option("--chat-template", help="A Jinja file for messages; plain joins their texts.", show_default=False),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Texts written together; more wait.")] = 32,
    queue: Annotated[int, typer.Option("--queue", min=0, help="Texts that may wait; beyond them: 429.")] = 128,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="The most tokens of one text.")] = 4096,
    max_n: Annotated[int, typer.Option("--max-n", min=1, help="The most texts of one request.")] = 16,
    patience: Annotated[
        float, typer.Option("--patience", min=0.1, help="Seconds a client has for a request's head, and for its body.")
    ] = 10.0,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin",
            help="A site whose pages may call, as https://example.org; repeatable. None unless given.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print where it listens as one line of JSON.")] = False,
) -> None:
    """Serve a model to any OpenAI client, with exact sampling: the same seed, the same text.

    For teaching, for tests of clients, and where a draw must be reproducible; it is not built for many users at once.
    """
    if order not in ORDERS:
        raise ParameterError(f"order must be one of {', '.join(ORDERS)}, got {order!r}", field="order")
    template, origins = _template(chat_template), [_origin(given) for given in allow_origin or ()]
    from tempering.models.base import require_logits  # noqa: PLC0415 - engines are loaded when a command runs
    from tempering.models.registry import load_model  # noqa: PLC0415
    from tempering.web import server  # noqa: PLC0415
    from tempering.web.app import serve_app  # noqa: PLC0415
    from tempering.web.bodies import Serving  # noqa: PLC0415
    from tempering.web.engine import Engine  # noqa: PLC0415
    from tempering.web.guard import is_loopback  # noqa: PLC0415
    from tempering.web.limits import Limits  # noqa: PLC0415

    key = server.checked_key(host, api_key, insecure)
    listening = server.bound_socket(host, port)
    limits = Limits(batch=batch, queue=queue, max_tokens=max_tokens, n=max_n, patience=patience)
    loaded = require_logits(load_model(model or "embedded"))
    names = tuple(dict.fromkeys([*([name] if name else []), loaded.info.name]))
    engine, serving = Engine(loaded, limits), Serving(names, order, limits, template)
    app = serve_app(engine, serving, api_key=key, loopback=is_loopback(host), origins=origins)
    url = address(host, listening.getsockname()[1]) + "/v1"

    def started() -> None:
        if as_json:
            print(json.dumps({"url": url, "model": names[0], "order": order, "key": key is not None}), flush=True)
        else:
            print(f"{names[0]} at {url}", flush=True)
            say(f"order of steps: {order}; {'an API key is needed' if key else 'no API key'}; Ctrl-C ends")

    server.run(app, listening, limits, started=started, ending=engine.end)


def address(host: str, port: int) -> str:
    """Return the address to open in a browser."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}  # noqa: S104 - shown, not bound
    return f"http://{everywhere.get(host, host)}:{port}"


def _origin(given: str) -> str:
    """Return a site as browsers write it in ``Origin``: scheme, host and port, nothing after them."""
    parts = urlsplit(given.rstrip("/"))
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or given.rstrip("/") != f"{parts.scheme}://{parts.netloc}"
    ):
        raise UsageError(f"--allow-origin must be a site, as https://example.org, got {given!r}")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _template(given: str | None) -> str | None:
    if given is None or given == "plain":
        return PLAIN if given else None
    try:
        return Path(given).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(f"cannot read the chat template {given}: {problem}") from None
