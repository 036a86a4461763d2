"""Runs on the page: studies with their reports, tunings with their answers. Opens nothing outside the given root."""

from __future__ import annotations

import asyncio
import math
import os
import time
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from tempering.errors import StoreError, TemperingError
from tempering.params import SamplingParams
from tempering.study.store import RUN, SAMPLES, read_run
from tempering.tuning.answer import read_recommendation
from tempering.tuning.export import EXPORTERS, Exporter, render_checked
from tempering.tuning.store import RECOMMENDATION
from tempering.web.refusals import Refusal

REST = 60.0
"""A study whose samples have not grown for so many seconds rests: its report is of all that there is."""
REPORT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "sandbox",
    "Cache-Control": "no-store",
}
"""The report is one document without scripts; its own styles are inside it."""


def folders_with(root: Path, mark: str) -> dict[str, Path]:
    """Return the folders directly under a root that hold a file, by name; links are not followed.

    A request can only choose a name of this list, so that no path of its making is ever opened.

    Example:
        >>> folders_with(Path("/nowhere"), "run.json")
        {}
    """
    try:
        found = sorted(root.iterdir())
    except OSError:
        return {}
    return {item.name: item for item in found if item.is_dir() and not item.is_symlink() and _is_plain(item / mark)}


def _is_plain(path: Path) -> bool:
    return path.is_file() and not any(item.is_symlink() for item in path.parent.iterdir())


def folder_of(root: Path, mark: str, name: str) -> Path:
    """Return a folder by its name.

    Raises:
        Refusal: there is none of that name under the root.
    """
    folder = folders_with(root, mark).get(name)
    if folder is None:
        raise Refusal(404, f"there is no run {name!r}", code="run_not_found")
    return folder


def routes(root: Path) -> APIRouter:
    """Return the routes ``/runs`` (studies) and ``/tunings``."""
    router = APIRouter()
    reports: dict[str, tuple[str, bytes]] = {}
    building, lines = asyncio.Lock(), Lines()

    @router.get("/runs")
    def studies() -> dict[str, Any]:
        return {"runs": [state_of(folder, lines) for folder in folders_with(root, RUN).values()]}

    @router.get("/runs/{name}/report")
    async def report(name: str) -> Response:
        folder = folder_of(root, RUN, name)
        async with building:  # two windows do not make the same report twice
            now = (await run_in_threadpool(state_of, folder, lines))["version"]
            if name not in reports or reports[name][0] != now:
                reports[name] = now, await run_in_threadpool(_report, folder)
        return Response(reports[name][1], media_type="text/html", headers=REPORT_HEADERS)

    @router.get("/tunings")
    def tunings() -> dict[str, Any]:
        return {"runs": [answer_of(folder) for folder in folders_with(root, RECOMMENDATION).values()]}

    @router.get("/tunings/{name}/report")
    def tuning_page(name: str) -> Response:
        from tempering.report.tuning import build_tuning_page  # noqa: PLC0415 - loaded when a run is opened

        answer = read_recommendation(folder_of(root, RECOMMENDATION, name) / RECOMMENDATION)
        return Response(build_tuning_page(answer), media_type="text/html", headers=REPORT_HEADERS)

    return router


def answer_of(folder: Path) -> dict[str, Any]:
    """Return what a list of tunings shows of one: its answer, and its settings in the form of every engine."""
    record: dict[str, Any] = {"name": folder.name}
    try:
        answer = read_recommendation(folder / RECOMMENDATION)
    except StoreError as problem:
        return record | {"error": str(problem).replace(str(folder), folder.name)}
    params = answer.settings
    exports = [_exported(exporter, params) for exporter in EXPORTERS.values()] if params else []
    return record | {
        "kind": answer.kind,
        "sentence": answer.sentence,
        "notes": list(answer.notes),
        "goal": answer.goal.name,
        "model": answer.model,
        "temperature": None if params is None else params.as_dict()["temperature"],
        "low": answer.low,
        "high": answer.high,
        "confidence": answer.confidence,
        "confirmed": answer.confirmed,
        "detectable": answer.detectable,
        "more": answer.more_samples,
        "samples": answer.samples,
        "exports": exports,
    }


def _exported(exporter: Exporter, params: SamplingParams) -> dict[str, Any]:
    known: dict[str, Any] = {"name": exporter.name, "title": exporter.title, "file": exporter.filename}
    try:
        rendered = render_checked(exporter.name, params)
    except TemperingError as problem:
        return known | {"error": str(problem)}
    return known | {"text": rendered.text, "warnings": list(rendered.warnings)}


class Lines:
    """Counts the lines of growing files; of a file that it knows, only what is new is read.

    Example:
        >>> Lines().of(Path("/nowhere"))
        0
    """

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, int]] = {}

    def of(self, path: Path) -> int:
        """Return how many lines a file has; 0 where there is none."""
        try:
            with path.open("rb") as stream:
                at, count = self._known.get(path, (0, 0))
                if stream.seek(0, os.SEEK_END) < at:
                    at, count = 0, 0
                stream.seek(at)
                while block := stream.read(2**20):
                    at, count = at + len(block), count + block.count(b"\n")
        except OSError:
            return 0
        self._known[path] = at, count
        return count


def state_of(folder: Path, lines: Lines) -> dict[str, Any]:
    """Return what a list of runs shows of one: its plan in short, and how many of its samples are there.

    ``version`` changes when the report is to be made anew: with every tenth more samples while the study runs, so that
    a long study costs a few dozen reports and not one a sample, and once more when it ends or rests.
    """
    record: dict[str, Any] = {"name": folder.name, "version": ""}
    try:
        run = read_run(folder)
    except StoreError as problem:
        return record | {"error": str(problem).replace(str(folder), folder.name)}
    plan, held = run.plan, lines.of(folder / SAMPLES)
    return record | {
        "version": version(folder / SAMPLES, held, plan.size),
        "title": plan.name,
        "model": run.manifest.model,
        "created": run.manifest.created,
        "temperatures": [str(t) for t in plan.temperatures],
        "prompts": len(plan.prompts),
        "samples": held,
        "planned": plan.size,
    }


def version(path: Path, held: int, planned: int) -> str:
    """Return what changes when the report of a run with these samples is to be made anew; see ``state_of``."""
    if not held:
        return ""
    known = path.stat()
    if held >= planned or time.time() - known.st_mtime > REST:
        return f"{known.st_mtime} {known.st_size}"
    return str(math.floor(math.log(held) / math.log(1.1)))


def _report(folder: Path) -> bytes:
    from tempering.report.page import build_report  # noqa: PLC0415 - loaded when a run is opened
    from tempering.study.analysis import load_results  # noqa: PLC0415

    return build_report(load_results(folder)).encode()
