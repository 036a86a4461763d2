"""Results of a real small study, and the same with hostile text and holes."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from tempering.models.onnx import OnnxModel
from tempering.study.analysis import load_results
from tempering.study.plan import make_plan
from tempering.study.results import NextToken, StudyResults
from tempering.study.run import run_study

HOSTILE = (
    '"><img src=x onerror=alert(2)><!--<script>alert(1)</script></style></svg> &amp; "quoted" \'single\' '
    "\x00\x1b[31m\u202e\u2066 \ud800 {{x}}"
)


@pytest.fixture(scope="session")
def results(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    folder = tmp_path_factory.mktemp("report") / "run"
    plan = make_plan(
        {
            "name": "small",
            "prompts": ["Once upon a time", "The dragon", "Tom and Lily"],
            "temperatures": [0, 0.8, 1.6, float("inf")],
            "samples": 2,
            "max_tokens": 80,
        }
    )
    run_study(plan, model, folder)
    return load_results(folder)


@pytest.fixture
def hostile(results: StudyResults) -> StudyResults:
    prompts = tuple(prompt.model_copy(update={"text": HOSTILE}) for prompt in results.plan.prompts)
    token = results.next_token
    assert token
    return replace(
        results,
        plan=results.plan.model_copy(update={"prompts": prompts}),
        manifest=results.manifest.model_copy(update={"model": HOSTILE, "model_details": {"engine": HOSTILE}}),
        completions=tuple(replace(c, text=HOSTILE, prompt=HOSTILE) for c in results.completions),
        next_token=NextToken(HOSTILE, (HOSTILE,) * len(token.tokens), token.probabilities, token.entropies),
    )


@pytest.fixture
def holes(results: StudyResults) -> StudyResults:
    """One measure undefined at one temperature, one everywhere, and half of the samples missing."""
    none = pl.lit(None, dtype=pl.Float64)
    first = (pl.col("measure") == "distinct@2") & (pl.col("temperature") == 0.8)
    undefined = pl.col("measure") == "unique_word_share"
    gone = first | undefined
    estimates = results.estimates.with_columns(
        *(pl.when(gone).then(none).otherwise(pl.col(name)).alias(name) for name in ("mean", "low", "high"))
    )
    trends = results.trends.with_columns(
        *(pl.when(undefined).then(none).otherwise(pl.col(name)).alias(name) for name in ("rho", "low", "high"))
    )
    half = tuple(c for c in results.completions if c.sample == 0)
    return replace(results, estimates=estimates, trends=trends, completions=half)
