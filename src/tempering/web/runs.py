"""Run folders on the page: which there are, how far they are, their reports. Opens nothing outside the given root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from tempering.errors import StoreError
from tempering.study.store import RUN, SAMPLES, read_run
from tempering.web.refusals import Refusal

REPORT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "sandbox",
    "Cache-Control": "no-store",
}
"""The report is one document without scripts; its own styles are inside it."""


def run_folders(root: Path) -> dict[str, Path]:
    """Return the run folders directly under a root, by name; links are not followed.

    A request can only choose a name of this list, so that no path of its making is ever opened.

    Example:
        >>> run_folders(Path("/nowhere"))
        {}
    """
    try:
        found = sorted(root.iterdir())
    except OSError:
        return {}
    return {item.name: item for item in found if _is_run(item)}


def _is_run(folder: Path) -> bool:
    inside = (folder, folder / RUN, folder / SAMPLES)
    return folder.is_dir() and (folder / RUN).is_file() and not any(path.is_symlink() for path in inside)


def folder_of(root: Path, name: str) -> Path:
    """Return a run folder by its name.

    Raises:
        Refusal: there is none of that name under the root.
    """
    folder = run_folders(root).get(name)
    if folder is None:
        raise Refusal(404, f"there is no run {name!r}", code="run_not_found")
    return folder


def routes(root: Path) -> APIRouter:
    """Return the routes under ``/api/runs``."""
    router = APIRouter(prefix="/api/runs")
    reports: dict[str, tuple[tuple[float, int], bytes]] = {}

    @router.get("")
    def listed() -> dict[str, Any]:
        return {"runs": [state_of(folder) for folder in run_folders(root).values()]}

    @router.get("/{name}")
    def state(name: str) -> dict[str, Any]:
        return state_of(folder_of(root, name))

    @router.get("/{name}/report")
    async def report(name: str) -> Response:
        folder = folder_of(root, name)
        now = _version_of(folder)
        if reports.get(name, (None, b""))[0] != now:
            reports[name] = now, await run_in_threadpool(_report, folder)
        return Response(reports[name][1], media_type="text/html", headers=REPORT_HEADERS)

    return router


def state_of(folder: Path) -> dict[str, Any]:
    """Return what a list of runs shows of one: its plan in short, and how many of its samples are there."""
    record: dict[str, Any] = {"name": folder.name, "version": str(_version_of(folder)[0])}
    try:
        run = read_run(folder)
    except StoreError as problem:
        return record | {"error": str(problem).replace(str(folder), folder.name)}
    samples = folder / SAMPLES
    held = samples.read_bytes().count(b"\n") if samples.is_file() else 0
    plan = run.plan
    return record | {
        "title": plan.name,
        "model": run.manifest.model,
        "created": run.manifest.created,
        "temperatures": [str(t) for t in plan.temperatures],
        "prompts": len(plan.prompts),
        "samples": held,
        "planned": plan.size,
    }


def _version_of(folder: Path) -> tuple[float, int]:
    """Return what changes whenever a sample is added."""
    try:
        known = (folder / SAMPLES).stat()
    except OSError:
        return 0.0, 0
    return known.st_mtime, known.st_size


def _report(folder: Path) -> bytes:
    from tempering.report.page import build_report  # noqa: PLC0415 - loaded when a run is opened
    from tempering.study.analysis import load_results  # noqa: PLC0415

    return build_report(load_results(folder)).encode()
