"""The page: whole, self-contained, harmless, deterministic, and honest about what is undefined or missing."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest

from tempering.measures import measure
from tempering.report.figures import Drawn, inlined, measure_chart
from tempering.report.numbers import temperature
from tempering.report.page import build_report
from tempering.report.parts import POLICY
from tempering.report.words import trend_groups
from tempering.study.results import StudyResults

VOID = {"meta", "br", "img", "link", "hr", "input", "path", "line", "rect", "circle"}


class Reader(HTMLParser):
    """Collects tags, attributes, ids and text; checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="session")
def page(results: StudyResults) -> str:
    return build_report(results)


def test_the_page_is_whole_and_shows_everything(page: str, results: StudyResults) -> None:
    reader = read(page)
    text = "".join(reader.text)
    for name in set(results.estimates["measure"]):
        assert measure(name).title in text
        assert measure(name).validity in text
    for t in results.plan.temperatures:
        assert f"T = {temperature(t)}" in text
    for completion in results.completions:
        assert completion.text.strip()[:40] in text
    assert results.manifest.model in text
    assert "no truncation" in text


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    reader = read(page)
    tags = {tag for tag, _, _ in reader.attributes}
    assert not tags & {"link", "iframe", "img", "object", "embed"}
    assert [(name, value) for tag, name, value in reader.attributes if tag == "script"] == [
        ("type", "application/json"),
        ("id", "data"),
    ]
    for tag, name, value in reader.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in {"src", "href", "xlink:href", "action"}:
            assert value.startswith("#"), (tag, name, value)
    assert not re.search(r"url\((?!#)", page)
    assert "@import" not in page
    assert POLICY in page
    assert len(page) < 1_500_000


def test_ids_are_unique_and_references_find_them(page: str) -> None:
    ids = [value for _, name, value in read(page).attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_figures_follow_the_colours_of_the_page(page: str, results: StudyResults) -> None:
    svgs = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(svgs) == len(set(results.estimates["measure"])) + 4, "a measure each, the trade-off, three of the steps"
    for svg in svgs:
        assert not re.search(r'(?:fill|stroke)="(?!none|transparent|var\()[^"]+"', svg)


def test_a_wide_range_gets_a_logarithmic_axis(results: StudyResults) -> None:
    one = results.estimates.filter(results.estimates["measure"] == "self_perplexity")
    assert "log scale" in inlined(measure_chart(Drawn(one)), "a")
    assert "log scale" not in inlined(measure_chart(Drawn(one.filter(one["temperature"] == 0))), "a")


def test_hostile_text_stays_text(hostile: StudyResults) -> None:
    made = build_report(hostile)
    reader = read(made)
    assert made.count("<script") == made.count("</script>") == made.count("</style>") == 1
    assert "<img" not in made
    assert "<!--" not in made
    assert not re.search("[\x00\x1b\u202e\u2066]", made)
    assert not any(name.startswith("on") for _, name, _ in reader.attributes)
    assert "<script>alert(1)</script>" in "".join(reader.text), "it can be read as it is"
    made.encode("utf-8")


def test_the_same_results_give_the_same_bytes(page: str, results: StudyResults) -> None:
    assert build_report(results) == page


def test_holes_are_said(holes: StudyResults) -> None:
    text = "".join(read(build_report(holes)).text)
    assert "Undefined at T = 0.8" in text
    assert "undefined" in text
    assert "Could not be estimated" in text
    assert f"Not complete: 12 of {holes.plan.size} texts" in text


def test_words_say_what_the_interval_allows(results: StudyResults) -> None:
    def with_trend(rho: float, low: float, high: float) -> dict[str, list[str]]:
        first = results.trends.head(1).with_columns(
            pl.lit(rho).alias("rho"), pl.lit(low).alias("low"), pl.lit(high).alias("high")
        )
        return {kind: found for kind, found in trend_groups(replace(results, trends=first)).items() if found}

    assert list(with_trend(0.4, 0.1, 0.6)) == ["rises"]
    assert list(with_trend(-0.4, -0.6, -0.1)) == ["falls"]
    assert list(with_trend(0.4, -0.1, 0.7)) == ["none"]
    [sentence] = with_trend(-0.4, -0.6, -0.1)["falls"]
    assert "-0.400 [-0.600, -0.100]; n = 23 texts of 3 prompts" in sentence.replace("\N{MINUS SIGN}", "-")
