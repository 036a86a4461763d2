"""A small study of the embedded model."""

from __future__ import annotations

import pytest

from tempering.study.plan import StudyPlan, make_plan


@pytest.fixture(scope="session")
def plan() -> StudyPlan:
    return make_plan(
        {
            "name": "small",
            "prompts": ["Once upon a time", "The dragon"],
            "temperatures": [0, 0.8, 1.6],
            "samples": 2,
            "max_tokens": 16,
        }
    )
