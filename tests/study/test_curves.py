"""Thermodynamics of a study and estimates between temperatures: right, kept, refused, made anew for a longer run."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tempering import Request, SamplingParams
from tempering.errors import StoreError
from tempering.generation.decode import generate
from tempering.measures import MEASURES, measure
from tempering.measures.base import Samples
from tempering.models.onnx import OnnxModel
from tempering.study.analysis import load_results
from tempering.study.between import Reach, of_the_text, reweight_texts, study_between
from tempering.study.curves import read_curves
from tempering.study.plan import StudyPlan, make_plan
from tempering.study.results import StudyResults
from tempering.study.run import requests_of, run_study
from tempering.study.thermodynamics import QUANTITIES, ThermodynamicCurves, study_thermodynamics

PLAN = {"prompts": ["Once upon a time", "The dog ran"], "samples": 2, "max_tokens": 6, "temperatures": "0,0.6,1,inf"}


@pytest.fixture(scope="module")
def results(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyResults, Path]:
    folder = tmp_path_factory.mktemp("runs") / "a"
    return run_study(make_plan(PLAN), model, folder), folder


def test_every_study_has_them_and_keeps_them(model: OnnxModel, results: tuple[StudyResults, Path]) -> None:
    found, folder = results
    curves = found.thermodynamics
    assert curves is not None
    own = [row for row in curves.curves if row["sampled_at"] == row["temperature"]]
    assert {(row["temperature"], row["quantity"]) for row in own} == {
        (t, name) for t in (0.0, 0.6, 1.0, math.inf) for name in QUANTITIES
    }
    entropy = {row["temperature"]: row["mean"] for row in own if row["quantity"] == "entropy"}
    assert entropy[0.0] == 0
    assert 0 < entropy[0.6] < entropy[1.0] < entropy[math.inf]
    assert math.isclose(entropy[math.inf], math.log(model.info.vocabulary))
    assert all(row["n"] == 12 and row["prompts"] == 2 for row in own)
    again = load_results(folder)
    assert again.thermodynamics == curves
    assert again.between == found.between
    stamp = (folder / "thermodynamics.json").stat().st_mtime_ns
    run_study(make_plan(PLAN), model, folder)
    assert (folder / "thermodynamics.json").stat().st_mtime_ns == stamp, "nothing is computed twice"


def test_a_longer_run_makes_them_anew(model: OnnxModel, results: tuple[StudyResults, Path], tmp_path: Path) -> None:
    folder = tmp_path / "b"
    run_study(make_plan(PLAN), model, folder)
    record = json.loads((folder / "thermodynamics.json").read_text())
    (folder / "thermodynamics.json").write_text(json.dumps(record | {"samples": 3}))
    assert run_study(make_plan(PLAN), model, folder).thermodynamics == results[0].thermodynamics


def test_damage_is_named(results: tuple[StudyResults, Path], tmp_path: Path) -> None:
    assert read_curves(tmp_path) == (None, ())
    (tmp_path / "between.json").write_text("[{}]")
    with pytest.raises(StoreError, match=r"between\.json was made by another version of tempering; repeat the study"):
        read_curves(tmp_path)
    (tmp_path / "between.json").write_text("[{")
    with pytest.raises(StoreError, match=r"between\.json is damaged; repeat the study"):
        read_curves(tmp_path)


def test_entropy_along_the_texts_is_what_was_noted_while_drawing(model: OnnxModel) -> None:
    plan = make_plan(PLAN | {"samples": 1})
    texts = [c for c in generate(model, requests_of(plan)) if c.params.temperature == 1]
    curves = study_thermodynamics(model, plan, texts)
    [own] = [r for r in curves.curves if (r["quantity"], r["temperature"], r["sampled_at"]) == ("entropy", 1.0, 1.0)]
    assert math.isclose(own["mean"], np.mean([np.mean(c.entropies[:6]) for c in texts if c.entropies]), rel_tol=1e-4)
    assert {row["sampled_at"] for row in curves.curves} == {1.0}
    for peak in curves.peaks:
        assert peak["low"] <= peak["temperature"] <= peak["high"]
    assert ThermodynamicCurves.from_dict(json.loads(json.dumps(curves.as_dict()))) == curves


def test_measures_of_single_texts_are_told_from_others(model: OnnxModel) -> None:
    plan = make_plan(PLAN)
    texts = tuple(generate(model, requests_of(plan)))
    samples = Samples(texts, {c.prompt_id: c.text for c in texts if c.params.temperature == 0})
    own = {m.name for m in MEASURES if of_the_text(m, samples)}
    assert {"tokens", "ended", "self_perplexity"} <= own
    assert not {"unique_word_share", "mean_entropy"} & own


def test_between_temperatures_as_drawn_there(model: OnnxModel) -> None:
    """120 texts of 4 tokens at T = .8 and 1.1 each, asked at .95, against 600 drawn there: within 4 standard errors."""

    def drawn(t: float, count: int, seed: int) -> list[tuple[float, int]]:
        made = generate(
            model,
            [
                Request("Once upon a time", SamplingParams(temperature=t, seed=seed), i, max_tokens=4)
                for i in range(count)
            ],
        )
        return [(sum(c.raw_logprobs or ()), i) for i, c in enumerate(made)]

    plan = make_plan({"prompts": ["Once upon a time"], "samples": 120, "max_tokens": 4, "temperatures": "0.8,1.1"})
    texts = [c for c in generate(model, requests_of(plan)) if c.params.temperature > 0]
    values = {"raw": np.array([sum(c.raw_logprobs or ()) for c in texts])}
    [(_, _, found)] = reweight_texts(model, texts, values, [SamplingParams(temperature=0.95)])
    assert found.trusted, found.why
    direct = np.array([value for value, _ in drawn(0.95, 600, 5)])
    error = math.hypot((found.estimate.high - found.estimate.low) / 4, direct.std() / math.sqrt(600))
    assert abs(found.estimate.value - direct.mean()) < 4 * error
    assert found.slope is not None
    assert found.slope.high < 0, "hotter texts are less likely at T = 1"
    [(_, _, kept)] = reweight_texts(model, texts, values, [SamplingParams(temperature=0.95, min_p=0.02)])
    assert kept.mean_weight == pytest.approx(1, abs=0.3)


def test_long_texts_are_refused_without_scoring_them(results: tuple[StudyResults, Path]) -> None:
    found, _ = results
    assert found.thermodynamics is not None
    long = [replace(c, tokens=c.tokens * 100) for c in found.completions]
    plan = StudyPlan(**PLAN | {"temperatures": [0.6, 1.0]})  # type: ignore[arg-type]
    rows = study_between(None, plan, long, {"tokens": np.zeros(len(long))}, found.thermodynamics)  # type: ignore[arg-type]
    assert [row.temperature for row in rows] == [0.7, 0.8, 0.9]
    assert all(row.mean is None and "more than 20 texts at each T" in row.why for row in rows)
    assert {"tokens", "self_perplexity"} <= {row.measure for row in found.between}
    for row in found.between:
        assert row.low is None or measure(row.measure).low <= row.low


def test_a_refusal_says_how_near_would_do() -> None:
    """100 texts a T of 50 tokens whose logits have the variance 2: 200 exp(-100 d^2) = 40 at d = .127 in 1/T."""
    reach = Reach({0.5: 100, 1.0: 100}, {0.5: 50.0, 1.0: 50.0}, {0.5: 2.0, 1.0: 2.0})
    assert reach.expected(0.75, [0.5, 1.0]) == pytest.approx(100 * (math.exp(-100 / 9) + math.exp(-400 / 9)))
    assert reach.wanted(0.75) == "for 40, texts of 50 tokens need temperatures 0.14 apart here"
    low, high = (1 / (1 / 0.75 + side * math.sqrt(math.log(5) / 100)) for side in (1, -1))
    near = Reach({low: 100, high: 100}, {low: 50.0, high: 50.0}, {low: 2.0, high: 2.0})
    assert near.expected(0.75, [low, high]) == pytest.approx(40)
    assert high - low == pytest.approx(0.14, abs=0.005)
