"""Built-in studies on the page: the published figures beside ours, no answer where there is none, hostile text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tempering.models.onnx import OnnxModel
from tempering.report.arms import build_arms_report
from tempering.report.builtin import _cliff, findings_of
from tempering.report.page import build_report
from tempering.study.arms import Arms, folder_of, load_arms
from tempering.study.presets.base import plans_of, preset
from tempering.study.prompts import Prompt
from tempering.study.results import StudyResults
from tempering.study.run import run_study

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e\x1b"


def arms_of(name: str, model: OnnxModel, folder: Path, values: dict[str, object]) -> Arms:
    for arm, plan in plans_of(preset(name), model, values).items():
        run_study(plan, model, folder_of(folder, arm), against=preset(name).against)
    return load_arms(folder, against=preset(name).against)


@pytest.fixture(scope="module")
def peeperkorn(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> Arms:
    values = {"temperatures": "0.001,1,2", "samples": 4, "max_tokens": 60}
    return arms_of("peeperkorn-2024", model, tmp_path_factory.mktemp("p") / "run", values)


def test_the_published_figures_stand_beside_ours(peeperkorn: Arms) -> None:
    found = findings_of(peeperkorn)
    text = " ".join(found.sentences)
    assert "Published slope of the ratings: 0.308 (SE 0.138, p 0.025)" in text
    assert "Published slope of the ratings (of incoherence): 0.240 (SE 0.122, p 0.049)" in text
    assert "as-published: Temperature is capped: top_k 50 and min_p 0.05" in text
    assert "At T = 2, perplexity under the model itself: as-published" in text
    for name in ("Perplexity under the model itself", "Similarity to the greedy text", "Edit distance"):
        assert name in found.html
    assert set(found.data["arms"]) == set(peeperkorn)


def test_the_page_of_the_arms_is_whole_and_safe(peeperkorn: Arms) -> None:
    page = build_arms_report(peeperkorn)
    assert page.count("<script") == 1
    assert re.findall(r'href="([^"]+)"', page) == ["as-published/report.html", "temperature-alone/report.html"]
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert build_arms_report(peeperkorn) == page
    for results in peeperkorn.values():
        assert results.plan.arm in page
        assert "Beside the published study" not in build_report(results), "an arm alone is half a study"


def test_similarity_is_of_embeddings_where_there_are_some(peeperkorn: Arms) -> None:
    assert "a proxy, the cosine of word counts" in findings_of(peeperkorn).html
    word, vector = pl.lit("exemplar_similarity"), pl.lit("embedding_similarity")
    named = pl.when(pl.col("measure") == word).then(vector).otherwise(pl.col("measure")).alias("measure")
    arms = {
        arm: replace(
            found, **{kind: getattr(found, kind).with_columns(named) for kind in ("estimates", "trends", "slopes")}
        )
        for arm, found in peeperkorn.items()
    }
    html = findings_of(arms).html
    assert "the vector that the model of embeddings gives" in html
    assert "cosine of embeddings" in html


def test_a_missing_arm_is_said(peeperkorn: Arms) -> None:
    page = build_arms_report({"as-published": peeperkorn["as-published"]})
    assert "Not complete: the arm temperature-alone is missing" in page


def test_hostile_arms_stay_text(peeperkorn: Arms) -> None:
    def hostile(results: StudyResults) -> StudyResults:
        return replace(
            results,
            manifest=results.manifest.model_copy(update={"model": HOSTILE, "command": HOSTILE}),
            completions=tuple(replace(c, text=HOSTILE, prompt=HOSTILE) for c in results.completions),
        )

    page = build_arms_report({arm: hostile(results) for arm, results in peeperkorn.items()})
    assert page.count("<script") == page.count("</script>") == 1
    assert "<img" not in page
    assert not re.search("[\x1b\u202e]", page)


def test_a_turning_point_or_none(model: OnnxModel, tmp_path: Path) -> None:
    values = {"temperatures": "0.2:1.6:0.2", "samples": 1, "max_tokens": 12, "prompts": ["Tom", "The sea", "A king"]}
    [results] = arms_of("turn-2025", model, tmp_path / "run", values).values()
    found = findings_of({"": results})
    assert len(found.sentences) == 3
    assert all(re.search(r"T = \d|no(ne| turning point)", sentence) for sentence in found.sentences)
    assert set(found.data) == {"of_texts", "published_rule", "of_fixed_texts"}
    assert results.turning is not None
    served = replace(results, values=results.values.filter(results.values["measure"] != "mean_entropy"))
    assert "cannot be looked for" in findings_of({"": served}).sentences[0]
    page = build_report(results)
    assert "The entropy turning point" in page
    assert "has no closed form that can be used" in page


def test_phases_peak_or_say_that_they_do_not(model: OnnxModel, tmp_path: Path) -> None:
    values = {"temperatures": "0.5,1,1.5", "samples": 1, "max_tokens": 12, "prompts": ["Tom", "The sea"]}
    [results] = arms_of("phases", model, tmp_path / "run", values).values()
    found = findings_of({"": results})
    assert found.sentences[0].startswith("Heat capacity peaks at T = ")
    assert {"entropy", "heat_capacity", "fisher_information", "peaks"} == set(found.data)
    assert findings_of({"": replace(results, thermodynamics=None)}).sentences[0].startswith("A server gives no logits")


def test_accuracy_over_temperature(model: OnnxModel, tmp_path: Path) -> None:
    asked = [(f"q{number}", f"Number {number} is (A) even (B) odd: (", "AB"[number % 2]) for number in range(4)]
    questions = [{"id": name, "text": text, "expected": answer} for name, text, answer in asked]
    values = {"temperatures": "0,1,1.4", "samples": 2, "max_tokens": 4, "prompts": questions}
    [results] = arms_of("renze-2024", model, tmp_path / "run", values).values()
    assert results.against == 0
    found = findings_of({"": results})
    assert re.search(
        r"Accuracy from [\d.]+ \[[\d.]+, [\d.]+\] at T = .*; n = 8 answers to 4 questions", found.sentences[0]
    )
    assert "A cliff cannot be looked for" in found.sentences[-1]
    assert "0.560" in found.html, "the published figure at T = 1.4"
    without = results.estimates.filter(results.estimates["measure"] != "accuracy")
    assert "No answer could be graded" in findings_of({"": replace(results, estimates=without)}).sentences[0]


def test_answers_of_a_known_set(model: OnnxModel, tmp_path: Path) -> None:
    [plan] = plans_of(preset("probes"), model, {"temperatures": "0,1,2", "samples": 4}).values()
    found = findings_of({"": run_study(plan, model, tmp_path / "run")})
    assert found.sentences[0].startswith("Validity: rank correlation with T")
    assert found.html.count("<tr>") == 1 + 3
    assert {row["measure"] for row in found.data["trends"]} == {"accuracy", "valid_coverage", "valid_evenness"}
    assert "n = 36" in found.html, "nine questions, four answers each"


def test_an_ordinary_study_has_no_findings(results: StudyResults) -> None:
    assert findings_of({"": results}).section == ""


def test_a_cliff_is_found_where_there_is_one(results: StudyResults) -> None:
    temperatures = [0.2 * step for step in range(9)]
    rows = [
        {
            "prompt_id": f"q{q}",
            "temperature": t,
            "sample": s,
            "measure": "accuracy",
            "value": float(t < 1.1 or (q + s) % 9 == 0),
        }
        for q in range(12)
        for t in temperatures
        for s in range(3)
    ]
    ids = tuple(Prompt(id=f"q{q}", text="?") for q in range(12))
    plan = results.plan.model_copy(update={"prompts": ids, "temperatures": tuple(temperatures)})
    steep = replace(results, plan=plan, values=pl.DataFrame(rows))
    assert re.match(r"The slope of accuracy changes at T = (0\.[6-9]|1\.)", _cliff(steep)[0])
    coins = np.random.default_rng(1).integers(0, 2, len(rows)).astype(float)
    level = steep.values.with_columns(pl.Series("value", coins))
    assert _cliff(replace(steep, values=level)) == ["No cliff: no change of slope over T is detected."]
