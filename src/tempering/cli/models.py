"""``tempering models``: which models can be used, by which names."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from typing import Annotated

import typer


def models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the kinds of model and how they are named."""
    from tempering.models.registry import BACKENDS, ENTRY_POINTS  # noqa: PLC0415

    rows = [{"name": name, "what": what} for _, name, what in BACKENDS.values()]
    rows += [
        {"name": f"{entry.name}:...", "what": f"added by the package {entry.dist.name if entry.dist else 'unknown'}"}
        for entry in entry_points(group=ENTRY_POINTS)
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        print(f"{row['name']:<{width}}  {row['what']}")
