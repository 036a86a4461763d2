"""The audit in words: what caps temperature is said with numbers, in the page and before a study."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tempering.models.base import Served
from tempering.models.onnx import OnnxModel
from tempering.report.audits import audit_box, audit_in_words, cap_in_words
from tempering.report.page import build_report
from tempering.study.audit import Audit, audit
from tempering.study.plan import make_plan
from tempering.study.results import StudyResults
from tempering.study.steps import real_steps


def audited(model: OnnxModel, **params: object) -> Audit:
    plan = make_plan({"temperatures": [0, 0.5, 2], "params": params})
    return audit(real_steps(model, plan), plan)


@pytest.fixture(scope="module")
def capped(model: OnnxModel) -> Audit:
    return audited(model, top_k=50, min_p=0.05, order="llama.cpp")


def test_a_cap_is_said_with_its_numbers(capped: Audit) -> None:
    assert re.match(
        r"Temperature is capped: top_k 50 and min_p 0\.05 act beside it, and at T = 2 this setup is as random as "
        r"T = 0\.\d+ \[0\.\d+, 0\.\d+\] with nothing else; [\d.]+ of 4,096 tokens are kept on average "
        r"\(n = 96 steps of 8 prompts\)\.",
        cap_in_words(capped),
    )
    assert "llama.cpp and what is built on it would add top_p 0.95" in " ".join(audit_in_words(capped))


def test_without_settings_there_is_no_cap(model: OnnxModel) -> None:
    bare = audited(model)
    assert cap_in_words(bare) == ""
    first, second = audit_in_words(bare)
    assert first == "Nothing acts on the distribution but temperature."
    assert "top_k 40, top_p 0.95 and min_p 0.05" in second
    assert "T = 2 would be as random as T = 0." in second


def test_a_setting_that_leaves_temperature_its_reach(model: OnnxModel) -> None:
    mild = audited(model, top_k=4000, order="llama.cpp")
    assert cap_in_words(mild) == ""
    assert audit_in_words(mild)[0] == "top_k 4000 acts beside temperature; T keeps its reach."


def test_the_page_warns_at_the_top(capped: Audit, results: StudyResults) -> None:
    page = build_report(replace(results, audit=capped))
    assert page.count('class="warning"') + page.count("class=warning") == 2
    assert page.index("Temperature is capped") < page.index("Rises with T")
    assert "class=capped" in audit_box(capped)


def test_a_server_has_no_audit(results: StudyResults) -> None:
    assert "The audit" not in build_report(replace(results, audit=None))


def test_a_server_is_audited_in_words(results: StudyResults) -> None:
    details = {"server": "Ollama", "cannot be set": "top_k (40 by default) is the Modelfile's"}
    served = replace(
        results,
        audit=None,
        completions=tuple(replace(c, served=Served()) for c in results.completions),
        manifest=results.manifest.model_copy(update={"model_details": details}),
    )
    page = build_report(served)
    assert page.index("no request can switch off") < page.index("Rises with T"), "said at the top"
    assert "Not known, as a server gives no logits" in page
    bare = build_report(replace(served, manifest=results.manifest))
    assert "no request can switch off" not in bare
    assert "The audit: what acts beside temperature" not in build_report(replace(results, audit=None))
