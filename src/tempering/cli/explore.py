"""``tempering explore``: a page that shows temperature at work."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from tempering.cli import options
from tempering.cli.serve import Host, Insecure, Key, Order, Port, address
from tempering.cli.terminal import say
from tempering.errors import ParameterError
from tempering.params import ORDERS


def explore(
    *,
    model: options.Model = None,
    runs: Annotated[Path, typer.Option("--runs", help="The folder whose run folders the page can open.")] = Path(
        "runs"
    ),
    host: Host = "127.0.0.1",
    port: Port = 8321,
    api_key: Key = None,
    insecure: Insecure = False,
    order: Order = "transformers",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print where it listens as one line of JSON.")] = False,
) -> None:
    """Open a page on a model: the live distribution, coloured text, the fork tree, the thermometer, studies."""
    if order not in ORDERS:
        raise ParameterError(f"order must be one of {', '.join(ORDERS)}, got {order!r}", field="order")
    from tempering.models.base import require_logits  # noqa: PLC0415 - engines are loaded when a command runs
    from tempering.models.registry import load_model  # noqa: PLC0415
    from tempering.web import server  # noqa: PLC0415
    from tempering.web.app import explore_app  # noqa: PLC0415
    from tempering.web.bodies import Serving  # noqa: PLC0415
    from tempering.web.engine import Engine  # noqa: PLC0415
    from tempering.web.guard import is_loopback  # noqa: PLC0415
    from tempering.web.limits import Limits  # noqa: PLC0415

    key = server.checked_key(host, api_key, insecure)
    listening = server.bound_socket(host, port)
    limits, loaded = Limits(), require_logits(load_model(model or "embedded"))
    serving = Serving((loaded.info.name,), order, limits)
    engine = Engine(loaded, limits)
    app = explore_app(engine, serving, runs=runs, api_key=key, loopback=is_loopback(host))
    url = address(host, listening.getsockname()[1]) + "/"

    def started() -> None:
        if as_json:
            print(json.dumps({"url": url, "model": loaded.info.name, "key": key is not None}), flush=True)
        else:
            print(url, flush=True)
            say(f"{loaded.info.name}; {'the page asks for the API key' if key else 'no API key'}; Ctrl-C ends")
        if not no_browser:
            webbrowser.open(url)

    server.run(app, listening, limits, started=started, ending=engine.end)
