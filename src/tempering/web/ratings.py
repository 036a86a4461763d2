"""Blind ratings on the page: one sheet a rater, in the run folder, filled text by text.

The sheet is the CSV of ``study.ratings``, so that what is rated here is analysed like any other sheet. A rater sees
texts in an order of their own and never a temperature.
"""

from __future__ import annotations

import csv
import io
import re
import threading
import zlib
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr

from tempering.study.ratings import QUESTIONS, write_rating_sheet
from tempering.study.store import RUN, write_atomically
from tempering.web.bodies import parsed
from tempering.web.endpoint import json_of
from tempering.web.refusals import Refusal
from tempering.web.runs import folder_of

SCORES = range(1, 6)
RATER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_writing = threading.Lock()
"""Two windows of one rater must not overwrite each other's row."""


class _Score(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: StrictStr
    scores: dict[StrictStr, StrictInt]


def routes(root: Path) -> APIRouter:
    """Return the routes under ``/runs/NAME/ratings``."""
    router = APIRouter(prefix="/runs/{name}/ratings")

    @router.get("/{rater}")
    def sheet(name: str, rater: str) -> dict[str, Any]:
        table = _table(sheet_of(folder_of(root, RUN, name), rater))
        return {"criteria": list(QUESTIONS), "texts": [_shown(row) for row in table]}

    @router.post("/{rater}")
    async def rate(name: str, rater: str, request: Request) -> dict[str, Any]:
        body = parsed(_Score, await json_of(request))
        path = sheet_of(folder_of(root, RUN, name), rater)
        return {"left": await run_in_threadpool(save_scores, path, rater, body.id, body.scores)}

    return router


def sheet_of(folder: Path, rater: str) -> Path:
    """Return a rater's sheet in a run folder; it is made if it is not there, in an order of the rater's own.

    Raises:
        Refusal: the name is none, as it becomes part of a file's.
        UsageError: the run has no text to rate.
    """
    if not RATER.fullmatch(rater):
        raise Refusal(422, "the name must be 1 to 40 letters, digits, - or _", param="rater", code="invalid_value")
    path = folder / f"ratings-{rater}.csv"
    with _writing:
        if not path.exists():
            write_rating_sheet(folder, path, seed=zlib.crc32(rater.encode()))
    return path


def save_scores(path: Path, rater: str, text: str, scores: dict[str, int]) -> int:
    """Put the scores of one text into a sheet; return how many texts are left.

    Raises:
        Refusal: the text is not in the sheet, or a score is none.
    """
    if set(scores) != set(QUESTIONS) or not all(score in SCORES for score in scores.values()):
        raise Refusal(422, "each criterion needs a whole number from 1 to 5", param="scores", code="invalid_value")
    with _writing:
        table = _table(path)
        rows = [row for row in table if row["id"] == text]
        if not rows:
            raise Refusal(404, f"the sheet has no text {text[:40]!r}", param="id", code="text_not_found")
        for column in table[0]:
            if (name := column.split(":", 1)[0]) in scores:
                rows[0][column] = str(scores[name])
        rows[0]["rater"] = rater
        stream = io.StringIO()
        writer = csv.DictWriter(stream, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
        write_atomically(path, stream.getvalue().encode("utf-8-sig"))
    return sum(not _is_rated(row) for row in table)


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def _is_rated(row: dict[str, str]) -> bool:
    return all(value.strip() for column, value in row.items() if column.split(":", 1)[0] in QUESTIONS)


def _shown(row: dict[str, str]) -> dict[str, Any]:
    scores = {column.split(":", 1)[0]: value for column, value in row.items() if ":" in column}
    known = {name: int(float(value)) for name, value in scores.items() if name in QUESTIONS and value.strip()}
    return {"id": row["id"], "prompt": row["prompt"], "example": row["example"], "text": row["text"], "scores": known}
