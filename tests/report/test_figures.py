"""Figures: what a point tells, what stays out of a page, files of their own."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import polars as pl

from tempering.measures import measure
from tempering.report.criteria import charts, trade_off, trade_off_points
from tempering.report.figures import ON_WHITE, Drawn, curve_chart, exported, inlined, measure_chart
from tempering.study.results import StudyResults


def frame_of(**columns: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"temperature": [0.0, 1.0, 2.0], "n": [4, 4, 3]} | columns)


ROWS = frame_of(mean=[0.1, 0.2, 0.4], low=[0.05, 0.1, 0.3], high=[0.15, 0.3, 0.5])


def test_a_point_tells_its_numbers_without_a_script() -> None:
    svg = inlined(measure_chart(Drawn(ROWS)), "a")
    titles = re.findall(r"<title>([^<]*)</title>", svg)
    assert titles == [
        "T = 0: 0.100 [0.050, 0.150]; n = 4",
        "T = 1: 0.200 [0.100, 0.300]; n = 4",
        "T = 2: 0.400 [0.300, 0.500]; n = 3",
    ]
    assert "aria-label" not in svg
    assert "<script" not in svg
    ET.fromstring(svg.replace("&nbsp;", " "))


def test_a_gap_is_a_gap() -> None:
    rows = frame_of(mean=[0.1, None, 0.4], low=[0.05, None, 0.3], high=[0.15, None, 0.5])
    assert len(re.findall("<title>", inlined(measure_chart(Drawn(rows)), "a"))) == 2


def test_two_arms_differ_in_more_than_colour() -> None:
    svg = inlined(measure_chart({"published": Drawn(ROWS), "alone": Drawn(ROWS)}), "a")
    assert svg.count("<title>published, T") == svg.count("<title>alone, T") == 3
    assert "stroke-dasharray" in svg
    assert {"var(--accent)", "var(--second)"} <= set(re.findall(r'stroke="([^"]+)"', svg))


def test_curves_are_drawn_with_bands_and_marks() -> None:
    x = [0.5, 1.0, 1.5]
    curve = {"x": x, "y": [1.0, 2.0, 1.0], "low": [0.5, 1.5, 0.5], "high": [1.5, 2.5, 1.5]}
    svg = inlined(curve_chart([curve, {"x": x, "y": [0.0, 1.0, 3.0], "second": True}], marks=[1.0]), "c")
    assert svg.count("mark-line") == 2
    assert "mark-rule" in svg


def test_figures_are_files_too(results: StudyResults) -> None:
    found = charts(results)
    assert "trade-off" in found
    svg, png = exported(found["trade-off"])
    assert png.startswith(b"\x89PNG")
    assert ON_WHITE["#010203"] in svg
    assert "var(" not in svg
    assert "#01020" not in svg
    ET.fromstring(svg)


def test_the_trade_off_has_a_point_a_temperature(results: StudyResults, holes: StudyResults) -> None:
    found = trade_off_points(results)
    assert found is not None
    assert [point["temperature"] for point in found[2]] == list(results.plan.temperatures)
    assert measure(found[1]).criterion == "coherence"
    assert "stands in" not in trade_off(results)
    other = [name for name in set(results.estimates["measure"]) if measure(name).criterion != "coherence"]
    without = replace(results, estimates=results.estimates.filter(pl.col("measure").is_in(other)))
    assert "stands in" in trade_off(without)
    assert trade_off(holes) == "", "without novelty there is no trade-off"
