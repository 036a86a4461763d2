"""People's ratings: blind sheets, every mistake named, effects that are there found and others not."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tempering.errors import RatingsError, UsageError
from tempering.generation.completion import Completion
from tempering.report.ratings import ratings_in_words, ratings_record, ratings_table
from tempering.study.manifest import RunManifest
from tempering.study.plan import StudyPlan, make_plan
from tempering.study.ratings import QUESTIONS, analyse_ratings, read_ratings, text_id, write_rating_sheet
from tempering.study.store import open_store

Scores = Callable[[float, np.random.Generator], dict[str, float]]
MODEL = "fake@0"


def completion(plan: StudyPlan, prompt: int, temperature: float, sample: int) -> Completion:
    greedy = temperature == 0
    return Completion(
        prompt=plan.prompts[prompt].content,
        text=f"Text {prompt}." if greedy else f"=1+1 text {prompt} {temperature} {sample}",
        tokens=(1,),
        raw_logprobs=(0.0,),
        processed_logprobs=(0.0,),
        entropies=(0.0,),
        finish_reason="stop",
        params=plan.params_at(temperature),
        prompt_id=plan.prompts[prompt].id,
        sample=sample,
        model=MODEL,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of 6 prompts, T 0, 0.5, 1 and 1.5, two texts each, its greedy texts all exemplars."""
    plan = make_plan({"prompts": [f"@Opening {i}" for i in range(6)], "temperatures": [0, 0.5, 1, 1.5], "samples": 2})
    with open_store(tmp_path / "run", plan, RunManifest(model=MODEL)) as store:
        for prompt in range(6):
            for temperature in plan.temperatures:
                for sample in range(2):
                    store.append(completion(plan, prompt, temperature, sample))
    return tmp_path / "run"


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream))


def write(path: Path, rows: list[list[str]], separator: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=separator).writerows(rows)
    return path


def temperature_of(folder: Path) -> dict[str, float]:
    plan = make_plan({"prompts": [f"@Opening {i}" for i in range(6)], "temperatures": [0, 0.5, 1, 1.5], "samples": 2})
    cells = [completion(plan, p, t, s) for p in range(6) for t in plan.temperatures for s in range(2)]
    return {text_id(c, plan.seed): c.params.temperature for c in cells}


def filled(folder: Path, raters: int, scores: Scores, separator: str = ",") -> list[Path]:
    """Write sheets that ``raters`` people filled; each leans, and each text has a level of its own."""
    sheet = folder / "sheet.csv"
    if not sheet.exists():
        write_rating_sheet(folder, sheet)
    heading, *rows = rows_of(sheet)
    temperatures, generator, files = temperature_of(folder), np.random.default_rng(4), []
    level = {row[1]: 0.2 * generator.normal() for row in rows}
    for rater in range(raters):
        lean, out = 0.5 * generator.normal(), [heading]
        for row in rows:
            given = scores(temperatures[row[1]], generator)
            values = [min(5.0, max(1.0, given[name] + lean + level[row[1]])) for name in QUESTIONS]
            cells = [f"{value:.2f}" for value in values]
            out.append([*row[:5], *([cell.replace(".", ",") for cell in cells] if separator == ";" else cells)])
        files.append(write(folder / f"rater{rater}.csv", out, separator))
    return files


def even(_: float, generator: np.random.Generator) -> dict[str, float]:
    return {name: 3 + 0.5 * generator.normal() for name in QUESTIONS}


def falling(temperature: float, generator: np.random.Generator) -> dict[str, float]:
    return even(0, generator) | {"coherence": 2 + temperature + 0.5 * generator.normal()}


def test_the_sheet_is_blind_and_whole(folder: Path) -> None:
    first = rows_of(write_rating_sheet(folder, folder / "a.csv"))
    again = rows_of(write_rating_sheet(folder, folder / "b.csv", seed=0))
    other = rows_of(write_rating_sheet(folder, folder / "c.csv", seed=1))
    assert first == again
    assert first != other
    assert sorted(first) == sorted(other)
    heading, *rows = first
    assert [cell.split(":")[0] for cell in heading] == ["rater", "id", "prompt", "example", "text", *QUESTIONS]
    assert all("5" in cell for cell in heading[5:])
    known = temperature_of(folder)
    assert {row[1] for row in rows} == {name for name, t in known.items() if t > 0}
    assert [known[row[1]] for row in rows] != sorted(known[row[1]] for row in rows)
    assert all(row[5:] == [""] * 4 for row in rows)


def test_no_cell_is_a_formula(folder: Path) -> None:
    rows = rows_of(write_rating_sheet(folder, folder / "a.csv"))
    assert rows[1][2].startswith("'@Opening")
    assert rows[1][4].startswith("'=1+1")
    assert not any(cell[:1] in {"=", "+", "-", "@", "\t", "\r"} for row in rows for cell in row)


def test_fewer_texts_and_no_overwriting(folder: Path) -> None:
    sheet = write_rating_sheet(folder, folder / "a.csv", samples=1)
    assert len(rows_of(sheet)) == 1 + 6 * 3
    with pytest.raises(UsageError, match="may be filled in"):
        write_rating_sheet(folder, sheet)
    with pytest.raises(UsageError, match="no text to rate"):
        write_rating_sheet(folder, folder / "b.csv", samples=0)


def test_an_effect_is_found_and_three_are_not(folder: Path) -> None:
    """Coherence falls by a point a unit of T, half a point of noise: power near 1. The others: 5 % for all three."""
    analysis = analyse_ratings(folder, filled(folder, 4, falling))
    by_name = {one.name: one for one in analysis.criteria}
    model = by_name["coherence"].model
    assert (analysis.ratings, analysis.raters, analysis.texts, analysis.prompts) == (144, 4, 36, 6)
    assert analysis.factors == ("rater", "text", "prompt")
    assert model
    assert model.effect("temperature").low < 1 < model.effect("temperature").high
    assert by_name["coherence"].detected
    assert by_name["coherence"].trend.excludes_zero
    assert not any(by_name[name].detected for name in ("novelty", "typicality", "cohesion"))
    assert [t for t, _ in by_name["novelty"].means] == [0.5, 1.0, 1.5]
    assert 0 < by_name["novelty"].detectable_slope < 1
    words = dict(line.split(": ", 1) for line in ratings_in_words(analysis))
    assert words["coherence"].startswith("rises with temperature")
    assert "harder to follow" in words["coherence"]
    assert "would have been found" in words["novelty"]


def test_semicolons_and_decimal_commas(folder: Path) -> None:
    with_commas = read_ratings(folder, filled(folder, 2, falling))
    with_semicolons = read_ratings(folder, filled(folder, 2, falling, ";"))
    for name in QUESTIONS:
        assert np.array_equal(with_commas.scores[name], with_semicolons.scores[name])
    assert set(with_semicolons.raters) == {"rater0", "rater1"}


def test_one_rater_has_no_agreement_and_still_a_slope(folder: Path) -> None:
    analysis = analyse_ratings(folder, filled(folder, 1, falling))
    one = analysis.criteria[3]
    assert analysis.factors == ("prompt",)
    assert math.isnan(one.agreement.value)
    assert one.model
    assert one.model.effect("temperature").value > 0


def test_ratings_that_do_not_vary_have_no_model(folder: Path) -> None:
    analysis = analyse_ratings(folder, filled(folder, 2, lambda t, r: dict.fromkeys(QUESTIONS, 9.0)))
    assert analysis.criteria[0].model is None
    assert "no slope can be estimated" in ratings_in_words(analysis)[0]
    assert ratings_table(analysis).row_count == 4


def test_empty_cells_and_rows_are_counted_not_invented(folder: Path) -> None:
    [file] = filled(folder, 1, even)
    rows = rows_of(file)
    rows[1][5:] = [""] * 4
    rows[2][5] = " "
    ratings = read_ratings(folder, [write(file, rows)])
    assert ratings.empty == 1
    assert len(ratings.texts) == 35
    assert int(np.isnan(ratings.scores["novelty"]).sum()) == 1
    assert not np.isnan(ratings.scores["coherence"]).any()


def test_every_problem_has_a_line(folder: Path) -> None:
    [file] = filled(folder, 1, even)
    rows = rows_of(file)
    rows[1][5], rows[2][6], rows[3][7] = "6", "nan", "good"
    rows[4][1] = "=1+1"
    rows.append(rows[5])
    other = write(folder / "other.csv", [["id", "novelty"]])
    latin = folder / "latin.csv"
    latin.write_bytes("id,novelty,typicality,cohesion,coherence\n\xe9".encode("latin-1"))
    with pytest.raises(RatingsError) as caught:
        read_ratings(folder, [write(file, rows), other, latin, folder / "none.csv"])
    problems = caught.value.problems
    expected = ["row 2: novelty", "row 3: typicality", "row 4: cohesion", "row 5: no text", "before", "no column"]
    assert len(problems) == 8
    for part in (*expected, "not UTF-8", "none.csv: No such file"):
        assert sum(part in line for line in problems) == 1, part
    assert "(and 7 more)" in str(caught.value)
    with pytest.raises(RatingsError, match="nobody has rated"):
        read_ratings(folder, [folder / "sheet.csv"])


def test_the_record_is_json_without_nan(folder: Path) -> None:
    import json

    analysis = analyse_ratings(folder, filled(folder, 2, falling))
    record = json.loads(json.dumps(ratings_record(analysis), allow_nan=False))
    coherence = record["criteria"][3]
    assert coherence["model"]["marginal_r2"] > 0.1
    assert coherence["detected"] is True
    assert len(record["findings"]) == 4
    empty = replace(analysis, criteria=tuple(replace(one, model=None, p_holm=math.nan) for one in analysis.criteria))
    assert ratings_record(empty)["criteria"][0]["p_holm"] is None
