"""Carry a plan out: generate what is missing, analyse, write the tables. Knows nothing of how it is shown."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempering._version import __version__
from tempering.errors import PromptError
from tempering.generation.completion import Completion
from tempering.generation.decode import BATCH, Sharing, generate
from tempering.generation.prompts import read_prompt
from tempering.generation.request import Request, coupled
from tempering.models.base import LogitsModel, Model, TextModel
from tempering.models.openai import OpenAIModel
from tempering.study.analysis import (
    NEXT_TOKEN,
    analyse,
    next_token_of,
    next_token_record,
    remove_unreadable_parts,
    samples_of,
)
from tempering.study.audit import AUDIT, Audit, audit, audit_from, audit_record
from tempering.study.comparisons import reference_of
from tempering.study.curves import with_between, with_readings
from tempering.study.manifest import RunManifest
from tempering.study.plan import StudyPlan
from tempering.study.presets.turning import STEP_CURVES, TURN, step_curves_record
from tempering.study.records import plain
from tempering.study.results import StudyResults
from tempering.study.server_audit import ServerAudit, server_audit
from tempering.study.server_probe import fingerprint_of, probe_server
from tempering.study.sources import MEASURED, SOURCES, sources_of, sources_record
from tempering.study.steps import real_steps
from tempering.study.store import (
    ESTIMATES,
    RUN,
    Key,
    RunStore,
    each_completion,
    key_of,
    open_store,
    read_made,
    write_atomically,
)

if TYPE_CHECKING:
    import polars as pl

SERVER_TRIAL = 8
"""Short texts that a forecast asks of a server, which may cost money."""

PART = 256
"""Samples that are made a table together."""
WORTH_SHARING = 1.1
"""How many times fewer model steps make it worth to decode all temperatures of a text together."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        samples: completions stored, those of earlier runs included.
        total: completions that the run will hold.
        work: the share of the tokens that are done, counting a finished text as all its tokens; in [0, 1].
        tokens: tokens drawn since this run began.
        seconds: since this run began.
    """

    samples: int
    total: int
    work: float
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Forecast:
    """What a run would do, before it does it.

    Attributes:
        cells: prompts times temperatures.
        samples: completions to hold in the end, exemplars included.
        stored: how many of them the folder holds already.
        tokens: the most tokens left to draw.
        seconds: about how long that takes at the speed measured just now.
    """

    cells: int
    samples: int
    stored: int
    tokens: int
    seconds: float


def requests_of(plan: StudyPlan) -> Iterator[Request]:
    """Yield every request of a plan; where it has no T=0, first the exemplars: one greedy text a prompt."""
    if 0 not in plan.temperatures:
        for prompt in plan.prompts:
            yield Request(prompt.content, plan.params_at(0), 0, prompt.id, plan.max_tokens)
    for prompt, temperature in plan.cells():
        params = plan.params_at(temperature)
        for sample in range(plan.samples):
            yield Request(prompt.content, params, sample, prompt.id, plan.max_tokens)


def count_requests(plan: StudyPlan) -> int:
    """Return how many requests a plan has, exemplars included."""
    return plan.size + (0 if 0 in plan.temperatures else len(plan.prompts))


def _key(request: Request) -> Key:
    return request.prompt_id, request.params.temperature, request.sample


def check_prompts(plan: StudyPlan, model: Model) -> None:
    """Check that every prompt leaves room for ``max_tokens``, as texts of unlike limits cannot be compared.

    A server counts tokens itself, and refuses what does not fit.

    Raises:
        PromptError: one does not; the message names it and what would fit.
    """
    if isinstance(model, TextModel):
        return
    for prompt in plan.prompts:
        try:
            length = len(read_prompt(model, prompt.content).tokens)
        except PromptError as problem:
            raise PromptError(f"prompt {prompt.id!r} cannot be read, shorten or change it: {problem}") from None
        if (room := model.info.context - length) < plan.max_tokens:
            raise PromptError(
                f"prompt {prompt.id!r} has {length} tokens and leaves room for {room}, not for {plan.max_tokens}, "
                f"in the context of {model.info.name} ({model.info.context}); lower --max-tokens or shorten it"
            )


def forecast(plan: StudyPlan, model: Model, folder: Path) -> Forecast:
    """Return what a run would do; the speed is measured on a few real steps, and nothing is written."""
    check_prompts(plan, model)
    stored = {key_of(completion) for completion in each_completion(folder)}
    total = count_requests(plan)
    left = sum(_key(request) not in stored for request in requests_of(plan))
    tried = SERVER_TRIAL if isinstance(model, TextModel) else BATCH
    missing = islice((request for request in requests_of(plan) if _key(request) not in stored), tried)
    trial = [replace(request, max_tokens=min(8, plan.max_tokens)) for request in missing]
    begun = time.monotonic()
    drawn = sum(completion.token_count or 0 for completion in generate(model, trial))
    pace = (time.monotonic() - begun) / max(drawn, 1)
    tokens = left * plan.max_tokens
    return Forecast(
        cells=len(plan.prompts) * len(plan.temperatures),
        samples=total,
        stored=total - left,
        tokens=tokens,
        seconds=tokens * pace,
    )


def run_study(
    plan: StudyPlan,
    model: Model,
    folder: Path,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    on_audit: Callable[[Audit | ServerAudit], None] | None = None,
    command: str = "",
    against: float | None = None,
    margins: Mapping[str, float] | None = None,
    on_build: Callable[[int], None] | None = None,
) -> StudyResults:
    """Generate the samples that the folder lacks, then analyse them all.

    The same call after a kill goes on where it stopped and ends with the same samples as an undisturbed run.

    Args:
        plan: what to do.
        model: gives the logits or the texts; the folder is bound to its identity.
        folder: the run folder; made if missing.
        on_progress: called after every token.
        on_audit: called before the first token with what the settings beside temperature do.
        command: what was typed, for the report.
        against: the temperature that the others are compared with; the plan's nearest to 1 unless given.
        margins: up to where a difference is too small to matter, by measure.
        on_build: called with the size in bytes of a corpus that has to be indexed first.

    Raises:
        PlanError: the folder was begun with another plan or model.
        PromptError: a prompt leaves no room for ``max_tokens``.
        StoreError: the folder cannot be written; what is stored is kept.
    """
    check_prompts(plan, model)
    manifest = RunManifest(
        model=model.info.identity,
        model_details=dict(model.info.details),
        command=command,
        probe=_probed(plan, model, folder),
        fingerprint=_fingerprint(plan, model),
    )
    sources = sources_of(plan, model, on_build)
    with open_store(folder, plan, manifest) as store:
        remove_unreadable_parts(folder)
        next_token = None if isinstance(model, TextModel) else next_token_of(model, plan)
        write_atomically(folder / NEXT_TOKEN, next_token_record(next_token))
        if isinstance(model, TextModel):
            found: Audit | ServerAudit = server_audit(plan.params_at(1.0), model.info.details, store.manifest.probe)
        else:
            found = _audited(store, model)
        if on_audit:
            on_audit(found)
        _generate_missing(store, model, on_progress)
        samples = samples_of(folder, sources)
        if not isinstance(model, TextModel):
            samples = with_readings(samples, plan, model, folder)
        results = analyse(folder, samples, sources, against=reference_of(plan, against), margins=margins or {})
        if not isinstance(model, TextModel):
            results = with_between(results, samples, model, folder)
        write_tables(folder, results)
    return results


def _audited(store: RunStore, model: LogitsModel) -> Audit:
    """Return what the settings beside temperature do, made once: the folder is bound to its plan and model.

    It is made again where this version of the library is not the one that began the folder, or a file is missing.
    """
    folder, plan, turns = store.folder, store.plan, store.plan.preset == TURN
    here = store.manifest.tempering == __version__ and (not turns or (folder / STEP_CURVES).exists())
    if here and (kept := read_made(folder / AUDIT, audit_from)) is not None:
        return kept
    steps = real_steps(model, plan)
    audited = audit(steps, plan)
    write_atomically(folder / AUDIT, audit_record(audited))
    if turns:
        write_atomically(folder / STEP_CURVES, step_curves_record(steps, plan))
    return audited


def _probed(plan: StudyPlan, model: Model, folder: Path) -> dict[str, Any] | None:
    """Return what a server does with its settings, asked once: when the folder is begun."""
    if not isinstance(model, OpenAIModel) or (folder / RUN).exists():
        return None
    return probe_server(model, prompt=plan.prompts[0].content).as_dict()


def _fingerprint(plan: StudyPlan, model: Model) -> dict[str, str]:
    """Return what tells a server's weights from others under the same name; nothing for a model that runs here."""
    return fingerprint_of(model, plan.prompts[0].content) if isinstance(model, OpenAIModel) else {}


def _generate_missing(store: RunStore, model: Model, on_progress: Callable[[Progress], None] | None) -> None:
    """Generate and store what is missing; texts are held a batch at a time."""
    total, held = count_requests(store.plan), len(store.stored)
    missing = (request for request in requests_of(store.plan) if _key(request) not in store.stored)
    limit, begun, drawn, ahead = store.plan.max_tokens, time.monotonic(), 0, 0

    def report() -> None:
        if on_progress:
            work = (held * limit + drawn + ahead) / (total * limit)
            on_progress(Progress(len(store.stored), total, work, drawn, time.monotonic() - begun))

    def count(_request: Request, _token: int) -> None:
        nonlocal drawn
        drawn += 1
        report()

    report()
    for completion in _completions(model, missing, count):
        store.append(completion)
        if completion.served is not None:
            drawn += completion.token_count or 0  # a server tells of no token on the way
        ahead += limit - (completion.token_count or 0)
        report()


def _completions(
    model: Model, missing: Iterable[Request], on_token: Callable[[Request, int], None]
) -> Iterator[Completion]:
    """Yield the completions of requests; texts that differ only in T are decoded together while that saves.

    The first of them are, and what they save is measured; where it is little, the rest goes temperature by temperature,
    so that an unfinished run holds whole temperatures.
    """
    if isinstance(model, TextModel):
        yield from generate(model, missing)
        return
    requests, sharing = list(missing), Sharing()
    together = coupled(requests)
    yield from generate(model, together[:BATCH], on_token=on_token, sharing=sharing)
    tried = set(map(_key, together[:BATCH]))
    rest = together[BATCH:] if sharing.ratio >= WORTH_SHARING else [r for r in requests if _key(r) not in tried]
    yield from generate(model, rest, on_token=on_token)


def write_tables(folder: Path, results: StudyResults) -> None:
    """Write ``samples.parquet``, ``measures.parquet``, ``sources.json`` and ``estimates.json``."""
    import polars as pl  # noqa: PLC0415 - loaded when used, for a light start

    done = results.completions
    parts = [_samples_frame(done[start : start + PART]) for start in range(0, len(done), PART)]
    _write_parquet(folder / "samples.parquet", pl.concat(parts, how="diagonal_relaxed"))
    _write_parquet(folder / MEASURED, results.values)
    names = ("estimates", "trends", "slopes", "correlations", "comparisons", "changes")
    tables: dict[str, Any] = {name: plain(getattr(results, name).to_dicts()) for name in names}
    tables |= {"against": plain(results.against), "notes": list(results.notes)}
    write_atomically(folder / SOURCES, sources_record(results.notes, results.identities))
    write_atomically(folder / ESTIMATES, json.dumps(tables, indent=1, allow_nan=False) + "\n")


def _samples_frame(completions: Sequence[Completion]) -> pl.DataFrame:
    """Return a row a completion; a part at a time, as records take many times the room of columns."""
    import polars as pl  # noqa: PLC0415

    records = [completion.as_dict() for completion in completions]
    for record in records:
        settings = record.pop("params")
        record |= {"temperature": float(settings["temperature"]), "params": json.dumps(settings)}
    return pl.DataFrame(records, infer_schema_length=None)


def _write_parquet(path: Path, frame: pl.DataFrame) -> None:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_atomically(path, buffer.getvalue())
