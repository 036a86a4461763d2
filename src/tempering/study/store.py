"""The run folder: append-only, atomic, resumable after a kill at any moment. Knows nothing of models or measures.

    run.json          the plan and what ran it; written atomically, again only where it says how texts are measured
    samples.jsonl     a completion a line, appended and synced as each finishes
    next_token.json   one real next token at every temperature
    *.parquet, estimates.json, report.html    made from the above, and can be made again

A line that a kill cut short has no line end: it is dropped when the folder is opened to go on. A store that is open
knows which samples it holds, not what is in them: its memory is a key a sample.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from tempering.errors import PlanError, RunFormatError, StoreError, TemperingError
from tempering.generation.completion import Completion
from tempering.study.manifest import FORMAT, RunManifest
from tempering.study.plan import StudyPlan

Made = TypeVar("Made")
RUN, SAMPLES, LOCK, ESTIMATES = "run.json", "samples.jsonl", ".lock", "estimates.json"

FINGERPRINTS = {"listed": "is listed with other facts now", "greedy": "writes another text at T = 0 now"}
"""Parts of a fingerprint that other weights change, and what is said of them; the build of the server may change."""

Key = tuple[str, float, int]
"""What a sample is known by inside a run: prompt id, temperature, sample index."""


class RunFile(BaseModel):
    """``run.json``."""

    model_config = ConfigDict(frozen=True)

    manifest: RunManifest
    plan: StudyPlan


def key_of(completion: Completion) -> Key:
    """Return what a completion is known by inside a run."""
    return completion.prompt_id, completion.params.temperature, completion.sample


class RunStore:
    """A run folder that is open for writing; make one with ``open_store``.

    Attributes:
        folder: where it is.
        plan: what is to be done.
        manifest: what ran.
        stored: the keys of the samples that it holds.
    """

    def __init__(self, folder: Path, run: RunFile) -> None:
        self.folder = folder
        self.plan, self.manifest = run.plan, run.manifest
        self.stored = {key_of(completion) for completion in each_completion(folder)}

    def append(self, completion: Completion) -> None:
        """Add a completion; it is on the disk when this returns.

        Raises:
            StoreError: the disk is full or the folder cannot be written; what was stored before is kept.
        """
        line = json.dumps(completion.as_dict(), ensure_ascii=False, allow_nan=False) + "\n"
        path = self.folder / SAMPLES
        with _writing(path, "what is there is kept; make room and repeat the command to go on"):
            _cut_torn_line(path)
            with path.open("a", encoding="utf-8") as stream:
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
        self.stored.add(key_of(completion))


@contextmanager
def open_store(folder: Path, plan: StudyPlan, manifest: RunManifest) -> Iterator[RunStore]:
    """Open a run folder for writing: begin it, or go on with it if its plan and model are the same.

    Raises:
        PlanError: the folder was begun with another plan or model; the message names the difference.
        RunFormatError: another version of the format.
        StoreError: the folder cannot be written, is not a run folder, or is in use.
    """
    with _writing(folder, "choose another folder with --out"):
        folder.mkdir(parents=True, exist_ok=True)
        foreign = [item.name for item in folder.iterdir() if item.name != LOCK]
        if foreign and not (folder / RUN).exists():
            raise StoreError(f"{folder} is not a run folder and holds other files; choose another with --out")
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(f"{folder} is in use by another tempering process") from None
    try:
        if (folder / RUN).exists():
            run = read_run(folder)
            _check_same(folder, run, plan, manifest)
            # What is left to differ says how the texts are measured, which may change.
            if (measured := plan.model_copy(update={"name": run.plan.name})) != run.plan:
                run = RunFile(manifest=run.manifest, plan=measured)
                write_atomically(folder / RUN, run.model_dump_json(indent=1) + "\n")
        else:
            run = RunFile(manifest=manifest, plan=plan)
            write_atomically(folder / RUN, run.model_dump_json(indent=1) + "\n")
        with _writing(folder / SAMPLES, "choose another folder with --out"):
            _cut_torn_line(folder / SAMPLES)
        yield RunStore(folder, run)
    finally:
        lock.release()


def _check_same(folder: Path, run: RunFile, plan: StudyPlan, manifest: RunManifest) -> None:
    if changed := run.plan.differences(plan):
        what = ", ".join(changed)
        raise PlanError(
            f"{folder} was begun with another plan ({what}); choose another folder with --out, or the old plan"
        )
    if run.manifest.model != manifest.model:
        raise PlanError(
            f"{folder} was begun with the model {run.manifest.model}, now it is {manifest.model}; "
            "choose another folder with --out"
        )
    before, now = run.manifest.fingerprint, manifest.fingerprint
    for what, words in FINGERPRINTS.items():
        if what in before and what in now and before[what] != now[what]:
            raise PlanError(
                f"{folder} was begun with other weights: {run.manifest.model} {words}; choose another folder with "
                "--out, or serve the old weights"
            )


def read_run(folder: Path) -> RunFile:
    """Return the plan and manifest of a run folder.

    Raises:
        StoreError: there is none, or it is damaged.
        RunFormatError: another version of the format.
    """
    path = folder / RUN
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version = values["manifest"]["format"]
        if version != FORMAT:
            raise RunFormatError(
                f"{folder} has run format {version}, this version of tempering reads {FORMAT}; "
                f"it was written by tempering {values['manifest'].get('tempering', 'unknown')}"
            )
        return RunFile.model_validate(values)
    except FileNotFoundError:
        raise StoreError(f"{folder} is not a run folder: it has no {RUN}") from None
    except OSError as problem:
        raise StoreError(f"cannot read {path}: {problem.strerror}") from None
    except (ValueError, KeyError, TypeError, ValidationError):
        raise StoreError(f"{path} is damaged: it is not the plan of a run") from None


def each_completion(folder: Path) -> Iterator[Completion]:
    """Yield the stored completions one by one; a torn last line is left out.

    Raises:
        StoreError: a whole line is damaged; the message names it.
    """
    path = folder / SAMPLES
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.endswith(b"\n"):
                    yield _completion_of(line, path, number)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise StoreError(f"cannot read {path}: {problem.strerror}") from None


def read_completions(folder: Path) -> list[Completion]:
    """Return the stored completions; otherwise as ``each_completion``."""
    return list(each_completion(folder))


def _completion_of(line: bytes, path: Path, number: int) -> Completion:
    try:
        return Completion.from_dict(json.loads(line))
    except (ValueError, KeyError, TypeError, TemperingError):
        raise StoreError(f"{path}, line {number}: damaged; remove the line to generate that sample again") from None


def read_made(path: Path, parse: Callable[[str], Made]) -> Made | None:
    """Return what a study has made beside its samples; None in a folder that was made without.

    Raises:
        StoreError: the file is damaged, or of another version of the library: whole JSON of another form.
    """
    try:
        return parse(path.read_text(encoding="utf-8")) if path.exists() else None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        what = "is damaged"
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        what = "was made by another version of tempering"
    raise StoreError(f"{path} {what}; repeat the study to make it again (no text is generated anew)")


def remove_unreadable(path: Path, parse: Callable[[str], Made]) -> None:
    """Remove what a study has made beside its samples if ``read_made`` refuses it, so that it is made again.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        read_made(path, parse)
    except StoreError:
        with _writing(path, "remove it"):
            path.unlink()


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        StoreError: the folder cannot be written or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.new")
    with _writing(path, "make room or choose another folder"):
        with temporary.open("wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)


def sort_completions(completions: Iterable[Completion], plan: StudyPlan) -> tuple[Completion, ...]:
    """Return those completions that the plan asks for, by prompt, temperature and sample index."""
    place = {prompt.id: index for index, prompt in enumerate(plan.prompts)}
    wanted = [
        completion
        for completion in completions
        if completion.params.temperature in plan.temperatures and completion.sample < plan.samples
    ]
    return tuple(sorted(wanted, key=lambda c: (place[c.prompt_id], c.params.temperature, c.sample)))


def _cut_torn_line(path: Path) -> None:
    """Drop what a kill left behind the last line end."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read(1) == b"\n":
            return
        whole = path.read_bytes().rfind(b"\n") + 1
        stream.truncate(whole)


@contextmanager
def _writing(path: Path, advice: str) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise StoreError(f"cannot write {path}: {problem.strerror or problem}; {advice}") from None
