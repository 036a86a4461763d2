"""Pieces that every page is made of: the frame, sections, tables, the policy. Knows HTML; knows nothing of studies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any

from tempering.report.untrusted import escaped
from tempering.study.records import plain

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""No script, no connection, nothing from elsewhere; the data block is no script, as it is of a type that never runs."""


def document(title: str, sections: Iterable[str], *, version: str, data: Any = None) -> str:
    """Return a whole HTML document that needs nothing from elsewhere.

    Args:
        title: of the window; escaped here.
        sections: HTML.
        version: of tempering, for the foot.
        data: embedded as JSON if given, to be read by machines.
    """
    style = files("tempering.report").joinpath("style.css").read_text(encoding="utf-8")
    block = "" if data is None else data_block(data)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(sections)
        + f"\n<footer>Made by tempering {escaped(version)}. This page holds no script and loads nothing.</footer>\n"
        + f"</main>\n{block}</body>\n</html>\n"
    )


def data_block(data: Any) -> str:
    r"""Return JSON inside a page, harmless there: nothing in it can end the block or begin another.

    ``<``, ``>`` and ``&`` are written as JSON escapes, and so is all that is not ASCII.

    Example:
        >>> data_block({"text": "</script><b>", "t": float("inf")})
        '<script type="application/json" id="data">{"text":"\\u003c/script\\u003e\\u003cb\\u003e","t":"inf"}</script>\n'
    """
    text = json.dumps(plain(data), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json" id="data">{text}</script>\n'


def section(heading: str, content: str) -> str:
    """Return a section with its heading; nothing where there is no content."""
    return f"<section>\n<h2>{heading}</h2>\n{content}\n</section>" if content else ""


def scrolled(label: str, content: str) -> str:
    """Return content that scrolls sideways by itself, reachable by keyboard."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{content}</div>'


def table(label: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "") -> str:
    """Return a table whose first column names the rows; cells are HTML and the label is plain words."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    attribute = f' class="{kind}"' if kind else ""
    return scrolled(label, f"<table{attribute}><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>")


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and what they are, as HTML, in two columns."""
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in pairs)
    return f'<dl class="facts">{rows}</dl>'
