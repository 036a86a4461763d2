"""Human ratings of a run's texts: blind sheets out, filled sheets in, and what they say of temperature.

Knows run folders, sheets and statistics; knows nothing of how results are shown.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tempering.errors import RatingsError, UsageError
from tempering.generation.completion import Completion
from tempering.models.base import shown_prompt
from tempering.statistics import (
    Estimate,
    MixedModel,
    cronbach_alpha,
    detectable,
    holm,
    mixed_model,
    rank_trend,
    smallest_detectable_trend,
    t_mean,
)
from tempering.study.store import read_completions, read_run, sort_completions, write_atomically

SHEET = "rating_sheet.csv"
LOW, HIGH = 1.0, 5.0
QUESTIONS = {
    "novelty": "Beside the example: does the text offer something new or unusual? (1 nothing, 5 very much)",
    "typicality": "Beside the example: does it have the essential characteristics of such a text? (1 none, 5 all)",
    "cohesion": "Are words and sentences grammatically consistent; characters, events and actions used appropriately? "
    "(1 not at all, 5 throughout)",
    "coherence": "How easy is it to follow? (1 very easy, 5 very difficult)",
}
"""The criteria of Peeperkorn et al. (2024), one item each; coherence is reversed there, and so here."""
FEW_PROMPTS = 4


@dataclass(frozen=True)
class Ratings:
    """What raters gave, a row a rated text.

    Attributes:
        raters: shape [n], who.
        texts: shape [n], the id of the text.
        prompts: shape [n], the id of its prompt.
        temperatures: shape [n].
        scores: criterion to shape [n]; NaN where it was left empty.
        empty: rows of the sheets that nobody filled.
    """

    raters: NDArray[np.str_]
    texts: NDArray[np.str_]
    prompts: NDArray[np.str_]
    temperatures: NDArray[np.float64]
    scores: dict[str, NDArray[np.float64]]
    empty: int


@dataclass(frozen=True)
class CriterionRatings:
    """What the ratings say of one criterion.

    Attributes:
        name: the criterion; ``coherence`` is reversed: higher is harder to follow.
        mean: over all ratings.
        means: temperature and mean there, ascending.
        trend: Spearman's correlation of rating and temperature.
        detectable_trend: the smallest correlation that would have been found with power 0.8.
        model: slope over temperature with random intercepts; None where ratings do not repeat anything to put one on.
        p_holm: p of the slope, corrected for the criteria; NaN without a model.
        detectable_slope: the smallest slope that would have been found with power 0.8, per unit of T.
        alpha: Cronbach's alpha of raters over texts: how steadily a rater is high or low.
        agreement: Cronbach's alpha of texts over raters: whether raters agree on which text is better.
    """

    name: str
    mean: Estimate
    means: tuple[tuple[float, Estimate], ...]
    trend: Estimate
    detectable_trend: Estimate
    model: MixedModel | None
    p_holm: float
    detectable_slope: float
    alpha: Estimate
    agreement: Estimate

    @property
    def detected(self) -> bool:
        """Whether temperature has an effect at the level that is corrected for all criteria."""
        return self.p_holm < 0.05


@dataclass(frozen=True)
class RatingsAnalysis:
    """What filled sheets say.

    Attributes:
        ratings: how many rated texts, a text counted once a rater.
        raters: how many people.
        texts: how many different texts.
        prompts: how many prompts.
        empty: rows that nobody filled.
        unit: what intervals of means and correlations resample: ``prompt``, or ``text`` where prompts are few.
        factors: what has a random intercept in the models.
        criteria: one each, in the order of the sheet.
    """

    ratings: int
    raters: int
    texts: int
    prompts: int
    empty: int
    unit: str
    factors: tuple[str, ...]
    criteria: tuple[CriterionRatings, ...]


def text_id(completion: Completion, seed: int) -> str:
    """Return an id that tells a rater nothing: a hash of the study's seed, the cell, the sample and the text."""
    settings = completion.params.temperature
    key = f"{seed}|{completion.model}|{completion.prompt_id}|{settings!r}|{completion.sample}|{completion.text}"
    return f"t{hashlib.sha256(key.encode()).hexdigest()[:9]}"


def write_rating_sheet(folder: Path, path: Path, *, samples: int | None = None, seed: int = 0) -> Path:
    """Write a blind sheet: a row a text, in random order, with its prompt, the exemplar and four questions.

    The temperature is nowhere in the sheet. Texts equal to their exemplar (the greedy text) are left out: nobody can
    rate a text against itself. Cells that a spreadsheet would take for a formula begin with an apostrophe.

    Args:
        folder: a run folder with samples.
        path: the file, which must not be there.
        samples: texts of each prompt at each temperature; all unless given.
        seed: of the order; give each rater another one.

    Returns:
        The path.

    Raises:
        StoreError: not a run folder, or it cannot be written.
        UsageError: the file exists (it may be filled), or there is nothing to rate.
    """
    completions, exemplars, study_seed = _texts(folder)
    chosen = [
        c
        for c in completions
        if (samples is None or c.sample < samples) and c.text.strip() and c.text != exemplars.get(c.prompt_id)
    ]
    if not chosen:
        raise UsageError(f"{folder} has no text to rate that differs from its exemplar")
    if path.exists():
        raise UsageError(f"{path} is there already and may be filled in; move it, or choose another file")
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["rater", "id", "prompt", "example", "text", *(f"{name}: {q}" for name, q in QUESTIONS.items())])
    for place in np.random.default_rng(seed).permutation(len(chosen)):
        one = chosen[place]
        cells = (shown_prompt(one.prompt), exemplars.get(one.prompt_id, ""), one.text)
        writer.writerow(["", text_id(one, study_seed), *(_cell(text) for text in cells), "", "", "", ""])
    write_atomically(path, stream.getvalue().encode("utf-8-sig"))
    return path


def _texts(folder: Path) -> tuple[list[Completion], dict[str, str], int]:
    run, stored = read_run(folder), read_completions(folder)
    exemplars = {c.prompt_id: c.text for c in stored if c.params.temperature == 0 and c.sample == 0}
    return list(sort_completions(stored, run.plan)), exemplars, run.plan.seed


def _cell(text: str) -> str:
    """Return a text that a spreadsheet shows as text: no formula, no control character."""
    plain = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return f"'{plain}" if plain.lstrip()[:1] in {"=", "+", "-", "@"} else plain


def read_ratings(folder: Path, paths: Sequence[Path]) -> Ratings:
    """Read filled sheets. Rows without any rating are counted and left out; an empty cell is a missing rating.

    A rater without a name is named after the file. Commas and semicolons may separate, and with semicolons a decimal
    may have a comma, as spreadsheets write them.

    Raises:
        RatingsError: anything else is wrong; ``problems`` has one line for each, with file and row.
        StoreError: not a run folder.
    """
    completions, _, seed = _texts(folder)
    known = {text_id(c, seed): c for c in completions}
    problems: list[str] = []
    rows: list[tuple[str, str, dict[str, float]]] = []
    seen: dict[tuple[str, str], str] = {}
    empty = 0
    for path in paths:
        for number, cells in _sheet_rows(path, problems):
            where = f"{path}, row {number}"
            text, rater = cells["id"].strip(), cells.get("rater", "").strip() or path.stem
            scores = {name: _score(cells[name], name, where, problems) for name in QUESTIONS}
            if all(math.isnan(score) for score in scores.values()):
                empty += 1
            elif text not in known:
                problems.append(f"{where}: no text of {folder} has the id {text[:40]!r}")
            elif (rater, text) in seen:
                problems.append(f"{where}: {rater} rated {text} before, in {seen[rater, text]}")
            else:
                seen[rater, text] = where
                rows.append((rater, text, scores))
    if problems:
        raise RatingsError(problems)
    if not rows:
        raise RatingsError([f"{', '.join(map(str, paths))}: nobody has rated anything yet"])
    return Ratings(
        raters=np.array([rater for rater, _, _ in rows]),
        texts=np.array([text for _, text, _ in rows]),
        prompts=np.array([known[text].prompt_id for _, text, _ in rows]),
        temperatures=np.array([known[text].params.temperature for _, text, _ in rows]),
        scores={name: np.array([scores[name] for _, _, scores in rows]) for name in QUESTIONS},
        empty=empty,
    )


def _sheet_rows(path: Path, problems: list[str]) -> Iterable[tuple[int, dict[str, str]]]:
    """Yield the rows of a sheet with their number in the file's table (the heading is row 1)."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        problems.append(f"cannot read {path}: {problem.strerror}")
        return
    except UnicodeDecodeError:
        problems.append(f"cannot read {path}: it is not UTF-8 text; save the sheet as CSV UTF-8")
        return
    first = content.split("\n", 1)[0]
    separator = ";" if first.count(";") > first.count(",") else ","
    try:
        table = list(csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True))
    except csv.Error as problem:
        problems.append(f"{path} is not a CSV table: {problem}")
        return
    heading = [cell.split(":", 1)[0].strip().lower() for cell in table[0]] if table else []
    if missing := [name for name in ("id", *QUESTIONS) if name not in heading]:
        problems.append(f"{path} has no column {', '.join(missing)}; keep the heading of the sheet")
        return
    for number, row in enumerate(table[1:], 2):
        if any(cell.strip() for cell in row):
            cells = dict(zip(heading, [*row, *[""] * len(heading)], strict=False))
            yield number, {name: cell.replace(",", ".") if name in QUESTIONS else cell for name, cell in cells.items()}


def _score(cell: str, name: str, where: str, problems: list[str]) -> float:
    if not cell.strip():
        return math.nan
    try:
        score = float(cell)
    except ValueError:
        score = math.nan
    if not LOW <= score <= HIGH:
        problems.append(f"{where}: {name} must be a number from 1 to 5, got {cell.strip()[:40]!r}")
        return LOW
    return score


def analyse_ratings(folder: Path, paths: Sequence[Path]) -> RatingsAnalysis:
    """Read filled sheets and analyse them; errors as in ``read_ratings``."""
    return analyse(read_ratings(folder, paths))


def analyse(ratings: Ratings) -> RatingsAnalysis:
    """Analyse ratings: a mixed model a criterion, corrected for the four, correlations, alpha, and what could be seen.

    The slope has random intercepts for whatever repeats: rater, text, prompt. Temperature acts on texts, so a slope
    that forgets the text takes five ratings of a text for five texts. T = inf has ranks and means, but no slope.
    """
    unit = "prompt" if len(set(ratings.prompts)) >= FEW_PROMPTS else "text"
    found = [_criterion(ratings, name, unit) for name in QUESTIONS]
    slopes = [one.model.effect("temperature").p if one.model else math.nan for one in found]
    corrected = holm(slopes)
    factors = next((tuple(one.model.variances) for one in found if one.model), ())
    return RatingsAnalysis(
        ratings=len(ratings.texts),
        raters=len(set(ratings.raters)),
        texts=len(set(ratings.texts)),
        prompts=len(set(ratings.prompts)),
        empty=ratings.empty,
        unit=unit,
        factors=factors,
        criteria=tuple(CriterionRatings(**{**vars(one), "p_holm": p}) for one, p in zip(found, corrected, strict=True)),
    )


def _criterion(ratings: Ratings, name: str, unit: str) -> CriterionRatings:
    scores, temperatures = ratings.scores[name], ratings.temperatures
    clusters = ratings.prompts if unit == "prompt" else ratings.texts
    model = _model(ratings, scores)
    slope = model.effect("temperature") if model else None
    means = tuple(
        (float(t), t_mean(scores[temperatures == t], clusters[temperatures == t])) for t in np.unique(temperatures)
    )
    table = _table(ratings, scores)
    return CriterionRatings(
        name=name,
        mean=t_mean(scores, clusters),
        means=means,
        trend=rank_trend(temperatures, scores, clusters),
        detectable_trend=smallest_detectable_trend(temperatures, scores, clusters),
        model=model,
        p_holm=math.nan,
        detectable_slope=detectable(slope.error, slope.df) if slope else math.nan,
        alpha=cronbach_alpha(table),
        agreement=cronbach_alpha(table.T),
    )


def _model(ratings: Ratings, scores: NDArray[np.float64]) -> MixedModel | None:
    kept = ~np.isnan(scores) & np.isfinite(ratings.temperatures)
    temperatures = ratings.temperatures[kept]
    labels = {"rater": ratings.raters[kept], "text": ratings.texts[kept], "prompt": ratings.prompts[kept]}
    groups = {name: label for name, label in labels.items() if 2 <= len(set(label)) < len(label)}
    if not groups or len(set(temperatures)) < 2 or len(temperatures) < 6 or np.ptp(scores[kept]) == 0:
        return None
    return mixed_model(scores[kept], {"temperature": temperatures}, groups)


def _table(ratings: Ratings, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ratings as a table of raters and texts; NaN where a rater did not see a text."""
    raters, row = np.unique(ratings.raters, return_inverse=True)
    texts, column = np.unique(ratings.texts, return_inverse=True)
    table = np.full((len(raters), len(texts)), np.nan)
    table[row, column] = scores
    return table
