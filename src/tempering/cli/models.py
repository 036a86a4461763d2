"""``tempering models``: which models can be used, by which names."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from typing import Annotated

import typer


def models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the kinds of model and how they are named."""
    from tempering.models.registry import BACKENDS, ENTRY_POINTS, missing_extra  # noqa: PLC0415

    rows = [{"name": name, "what": what, "install": missing_extra(kind)} for kind, (_, name, what) in BACKENDS.items()]
    for entry in entry_points(group=ENTRY_POINTS):
        package = entry.dist.name if entry.dist else "unknown"
        rows.append({"name": f"{entry.name}:...", "what": f"added by the package {package}", "install": None})
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    width = max(len(str(row["name"])) for row in rows)
    for row in rows:
        note = f"; not installed: {row['install']}" if row["install"] else ""
        print(f"{row['name']:<{width}}  {row['what']}{note}")
