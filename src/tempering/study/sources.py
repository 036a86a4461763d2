"""What measures may use besides the run folder, and the values that were measured with it. Knows no measure by name.

``sources.json`` in a run folder says what was used. A report is built again without the model, the corpus, the judge or
your grader's code: what they gave is read from ``measures.parquet``, and a study that goes on asks a judge only where
the judge or the texts have changed. Code that a run folder names is never run by reading the folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempering.generation.completion import Completion
from tempering.measures import left_out, measure, measure_exists, measures_for
from tempering.measures.base import Samples
from tempering.measures.corpus import TrainingText, documents_of, open_corpus
from tempering.measures.embeddings import Embedder, make_embedder
from tempering.measures.graders import grader_options, make_grader
from tempering.measures.graders.base import Grader
from tempering.measures.judge import Judge
from tempering.measures.language import WORDLESS
from tempering.measures.training_text import shipped_filter_of
from tempering.models.base import LogitsModel, Model, require_logits
from tempering.models.registry import load_model
from tempering.statistics import wilson
from tempering.study.plan import StudyPlan

if TYPE_CHECKING:
    import polars as pl

MEASURED, SOURCES = "measures.parquet", "sources.json"
KEYS = ["prompt_id", "temperature", "sample"]
OPTIONS = {
    "expected": "--prompts or --grader",
    "corpus": "--corpus",
    "corpus_spans": "--corpus",
    "model": "--reread",
    "references": "--references",
    "embeddings": "--embeddings",
    "judge": "--judge",
}
"""What a study is given to have a need of measures met."""

CHECKED = 12
"""Texts, those of the lowest T, that a judge is checked with."""

COSTLY = {"reading", "model", "embeddings", "judge"}
"""Needs of measures that are not measured again when nothing has changed."""


@dataclass(frozen=True)
class Sources:
    """What a run brings to its measures; None and () where there is none.

    Attributes:
        grader: a grader that is already loaded.
        corpus: what the model was trained on.
        model: the model itself.
        references: texts of the kind that is wanted.
        embed: texts to vectors.
        judge: a model that judges.
    """

    grader: Grader | None = None
    corpus: TrainingText | None = None
    model: LogitsModel | None = None
    references: tuple[str, ...] = ()
    embed: Embedder | None = None
    judge: Judge | None = None

    def identities(self) -> dict[str, str]:
        """Return what there is, by the names of ``NEEDS``, and its identity."""
        found = {
            "corpus": self.corpus and self.corpus.identity,
            "reading": self.model and self.model.info.identity,
            "model": self.model and self.model.info.identity,
            "embeddings": self.embed and self.embed.name,
            "judge": self.judge and self.judge.name,
        }
        return {name: identity for name, identity in found.items() if identity}


def sources_of(plan: StudyPlan, model: Model, on_build: Callable[[int], None] | None = None) -> Sources:
    """Return what a plan asks for; a ``python`` grader loads your code, a corpus is indexed.

    Args:
        plan: names it.
        model: wrote the texts.
        on_build: called with the size in bytes of a corpus that has to be indexed.

    Raises:
        GraderError: the grader cannot be loaded.
        CorpusError: the corpus or the references cannot be read.
        ModelError: the judge or the embeddings cannot be loaded.
        NoLogitsError: the texts are to be read again by a model that gives text only.
    """
    judge = None
    if plan.judge is not None:
        known = model if plan.judge == plan.model else load_model(plan.judge)
        judge = Judge(known, plan.judge_temperature, plan.seed)
    grader = make_grader(plan.grader) if plan.grader is not None else None
    if grader is not None and grader.kind in {"number", "regex"}:
        for expected in plan.expected.values():
            grader("", expected)  # an answer that is no number or no pattern is said before anything is written
    return Sources(
        grader=grader,
        corpus=open_corpus(Path(plan.corpus), on_build=on_build) if plan.corpus is not None else None,
        model=require_logits(model) if plan.reread else None,
        references=tuple(documents_of(Path(plan.references))) if plan.references is not None else (),
        embed=make_embedder(plan.embeddings) if plan.embeddings is not None else None,
        judge=judge,
    )


def grader_of(plan: StudyPlan, sources: Sources) -> Grader | None:
    """Return the grader of a plan: the one that is loaded, or one that runs no code of a user."""
    if sources.grader is not None:
        return sources.grader
    if plan.grader is None:
        return make_grader("exact") if plan.expected else None
    options = grader_options(plan.grader)
    return None if options["kind"] == "python" or "file" in options else make_grader(options)


@dataclass(frozen=True)
class Measured:
    """What was measured with other sources than there are now.

    Attributes:
        identities: what it was measured with.
        notes: what a reader must know of it.
        values: as in ``StudyResults``; None where there are none that can be read.
    """

    identities: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    values: pl.DataFrame | None = None


def measured_before(folder: Path) -> Measured:
    """Return what was measured when the run was made; nothing where that cannot be read."""
    import polars as pl  # noqa: PLC0415 - loaded when used, for a light start

    try:
        record: Any = json.loads((folder / SOURCES).read_text(encoding="utf-8"))
        identities = {str(name): str(identity) for name, identity in record["identities"].items()}
        notes = tuple(str(note) for note in record["notes"])
        values = pl.read_parquet(folder / MEASURED)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pl.exceptions.PolarsError):
        return Measured()
    return Measured(identities, notes, values if set(values.columns) == {*KEYS, "measure", "value"} else None)


def samples_with(
    plan: StudyPlan, completions: tuple[Completion, ...], exemplars: dict[str, str], sources: Sources, before: Measured
) -> Samples:
    """Return the samples with all that there is to measure them with.

    The embedded model brings the filter of its training text, unless another text was searched before.
    """
    shipped = shipped_filter_of(completions[0].model)
    if shipped is not None and before.identities.get("corpus", shipped.identity) != shipped.identity:
        shipped = None
    return Samples(
        completions,
        exemplars,
        plan.expected,
        grader_of(plan, sources),
        sources.corpus or shipped,
        sources.model,
        sources.references,
        sources.embed,
        sources.judge,
    )


def measure_values(samples: Samples, sources: Sources, before: Measured) -> pl.DataFrame:
    """Return one row a completion and measure: prompt_id, temperature, sample, measure, value (null: undefined).

    Values that only the run itself had the means for, and costly ones of which nothing has changed, are those measured
    before.
    """
    import polars as pl  # noqa: PLC0415

    completions = samples.completions
    keys = pl.DataFrame(
        {
            "prompt_id": [c.prompt_id for c in completions],
            "temperature": [c.params.temperature for c in completions],
            "sample": [c.sample for c in completions],
        }
    )
    old = {} if before.values is None else _by_measure(before.values, keys)
    given, frames, known = sources.identities(), [], set()
    for own in measures_for(samples):
        known.add(own.name)
        costly = own.needs & COSTLY
        # What was measured with more than there is now is kept: every text read, where now only some are.
        same = bool(costly) and all(given.get(need) in {None, before.identities.get(need)} for need in costly)
        if same and own.name in old and len(old[own.name]) == len(keys):
            frames.append(old[own.name])
            continue
        values = pl.Series("value", own.function(samples), dtype=pl.Float64).fill_nan(None)
        frames.append(keys.with_columns(pl.lit(own.name).alias("measure"), values))
    frames += [frame for name, frame in old.items() if name not in known and measure_exists(name)]
    return pl.concat(frames)


def _by_measure(values: pl.DataFrame, keys: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the values of each measure at these keys, in their order."""
    placed = keys.with_row_index("place").join(values, on=KEYS, how="inner").sort("place")
    columns = [*KEYS, "measure", "value"]
    return {str(name): frame.select(columns) for (name,), frame in placed.group_by("measure", maintain_order=True)}


def notes_of(samples: Samples, before: Measured) -> tuple[str, ...]:
    """Return what a reader must know of the measures: what they used, which were left out and why."""
    notes = []
    if samples.corpus is not None:
        notes.append(samples.corpus.note)
    if samples.judge is not None:
        notes.append(_judge_note(samples, samples.judge, before))
    if samples.embed is not None:
        notes.append(f"Embeddings: {samples.embed.name}.")
    if samples.references:
        notes.append(f"References: {len(samples.references)} texts.")
    kept = [note for note in before.notes if note.partition(":")[0] not in {own.partition(":")[0] for own in notes}]
    if wordless := sorted({name for name in samples.languages.values() if name in WORDLESS}):
        notes.append(
            f"Words: texts in {', '.join(wordless)} are written without spaces; measures that count words or sentences "
            "are undefined for them."
        )
    measured = set() if before.values is None else set(before.values["measure"])
    by_reason: dict[str, list[str]] = {}
    for name, reason in left_out(samples, before.identities).items():
        if name not in measured:
            by_reason.setdefault(reason + _how(name, samples, before), []).append(measure(name).title)
    said = [f"Not measured: {', '.join(titles)} ({reason})." for reason, titles in by_reason.items()]
    return (*notes, *(note for note in kept if not note.startswith("Not measured")), *said)


def _judge_note(samples: Samples, judge: Judge, before: Measured) -> str:
    """Return who judged, how often it answered, and whether it can tell a text from its words shuffled."""
    begins = f"Judge: {judge.name};"
    if not judge.known and (said := [note for note in before.notes if note.startswith(begins)]):
        return said[0]
    answers = list(judge.known.values())
    coldest = sorted(range(len(samples.completions)), key=lambda index: samples.completions[index].params.temperature)
    texts = list(dict.fromkeys(text for index in coldest if (text := samples.begun[index]) is not None))[:CHECKED]
    numbers = sum(map(math.isfinite, answers))
    note = (
        f"{begins} the order of the texts was drawn for each. {numbers:,} of {len(answers):,} answers hold a number "
        "from 1 to 5, the others are no value."
    )
    if not texts:
        return note
    told = judge.tells_order(texts)
    share = wilson(told, range(len(told)))
    verdict = "it tells them apart" if share.low > 0.5 else "that it can judge at all is not shown"
    return (
        f"{note} {sum(told)} of {len(told)} texts are judged easier to follow than their own words shuffled "
        f"(share [{share.low:.2f}, {share.high:.2f}]): {verdict}."
    )


def _how(name: str, samples: Samples, before: Measured) -> str:
    """Return how a study gets what a measure lacks, with a comma before it; empty where it cannot."""
    lacking = measure(name).needs - samples.provides - before.identities.keys()
    if lacking & {"reading", "model", "entropies"} and any(c.served is not None for c in samples.completions):
        return ", which a server does not give"
    options = [option for need, option in OPTIONS.items() if need in lacking]
    return f", {' and '.join(options)}" if options else ""


def identities_of(samples: Samples, sources: Sources, before: Measured) -> dict[str, str]:
    """Return what the values were measured with, now and before, by the names of ``NEEDS``."""
    corpus = {} if samples.corpus is None else {"corpus": samples.corpus.identity}
    return {**before.identities, **sources.identities(), **corpus}


def sources_record(notes: tuple[str, ...], identities: Mapping[str, str]) -> str:
    """Return JSON for ``sources.json``."""
    return json.dumps({"identities": dict(identities), "notes": notes}, ensure_ascii=False, indent=1) + "\n"
