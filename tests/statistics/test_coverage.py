"""Nominal 95 % intervals cover 93 to 97 %, and ten temperatures raise a false alarm in 5 % of studies at most.

Seeds are fixed. 5,000 studies a cell where the method is cheap (standard error 0.3 points), 1,000 elsewhere (0.7),
fewer where a study takes milliseconds; bounds outside 93 to 97 are stated with their cases. All cells are in
docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.statistics.simulation import (
    Case,
    change_cases,
    coverage,
    curve_cases,
    difference_cases,
    effect_cases,
    equivalence_cases,
    family_cases,
    mean_cases,
    mixed_cases,
    proportion_cases,
    trend_cases,
)


def name(case: Case) -> str:
    return f"{case.method}-{case.kind}-{case.size}".replace(" ", "_")


def intervals() -> Iterator[Case]:
    yield from (case for case in mean_cases() if case.method == "t_mean" and not case.hard)
    yield from (case for case in proportion_cases() if not case.hard)
    yield from (case for case in difference_cases() if case.kind != "pairs of answers 0 or 1" or case.size != (8, 3))
    yield from (case for case in trend_cases() if case.size[0] < 40 and not case.hard)
    yield from effect_cases()


@pytest.mark.parametrize("case", [*intervals()], ids=name)
def test_intervals_cover(case: Case) -> None:
    assert 0.93 <= coverage(case) <= 0.97


def test_24_pairs_of_answers_are_few_and_covered_too_often() -> None:
    """Differences of -1, 0 and 1, most of them 0: the interval is a little too wide."""
    [case] = [case for case in difference_cases() if case.kind == "pairs of answers 0 or 1" and case.size == (8, 3)]
    assert 0.95 <= coverage(case) <= 0.98


@pytest.mark.parametrize("case", [c for c in mean_cases() if c.method == "t_mean" and c.hard], ids=name)
def test_beyond_what_was_measured_it_degrades_slowly(case: Case) -> None:
    """Skewness 2 in eight prompts cannot be corrected from eight prompts: 91 to 97 %."""
    assert 0.91 <= coverage(replace(case, studies=2000)) <= 0.97


@pytest.mark.parametrize(
    "case", [c for c in mean_cases() if c.method != "t_mean" and not c.hard and c.size in {(8, 3), (40, 3)}], ids=name
)
def test_bootstrap_intervals_cover(case: Case) -> None:
    """BCa has its documented weakness at eight skewed prompts."""
    assert (0.92 if case.method == "bca_mean" else 0.93) <= coverage(case) <= 0.97


@pytest.mark.parametrize("case", [c for c in curve_cases() if c.size == (8, 3) and "monotone" not in c.kind], ids=name)
def test_bands_cover_the_whole_curve(case: Case) -> None:
    """150 studies: standard error 1.8 points."""
    assert 0.90 <= coverage(replace(case, studies=150)) <= 0.99


@pytest.mark.parametrize("case", [c for c in change_cases() if c.size == (8, 3)], ids=name)
def test_change_points_are_found_and_not_invented(case: Case) -> None:
    """100 studies: standard error 2.2 points around 93 to 95 %."""
    assert 0.87 <= coverage(replace(case, studies=100)) <= 0.995


def test_slopes_of_ratings_cover_with_the_story_as_unit() -> None:
    """100 studies like the published one: standard error 2.2 points."""
    kind = "stories differ; rater and story; satterthwaite"
    [case] = [case for case in mixed_cases() if case.kind == kind]
    assert 0.89 <= coverage(replace(case, studies=100)) <= 0.995


def alarms() -> Iterator[Case]:
    for case in family_cases():
        nine = case.kind.startswith("9 ") and "grows" not in case.kind
        if (nine and case.size == (8, 3)) or "comparisons, symmetric" in case.kind:
            yield case


@pytest.mark.parametrize("case", [*alarms(), *equivalence_cases()], ids=name)
def test_false_alarms_are_five_percent_at_most(case: Case) -> None:
    """1,000 studies (250 for all 45 comparisons): at a true 5 % a standard error is 0.7 (1.4) points."""
    assert coverage(case) >= (0.943 if case.studies == 1000 else 0.93)
