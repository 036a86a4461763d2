"""Pieces of a page: data that machines read and that no browser runs."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tempering.report.data import data_of
from tempering.report.page import build_report
from tempering.report.parts import data_block, section
from tempering.study.results import StudyResults


class Block(HTMLParser):
    """Collects what a browser would take for tags, and the text inside the data block."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def read(block: str) -> Any:
    reader = Block()
    reader.feed(block)
    reader.close()
    assert reader.tags == ["script"]
    return json.loads(reader.text)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())))
def test_any_text_survives_and_no_text_gets_out(data: dict[str, Any]) -> None:
    block = data_block(data)
    assert read(block) == data
    assert block.isascii()
    assert not re.search(
        r"[<>&]", block.removeprefix('<script type="application/json" id="data">')[: -len("</script>\n")]
    )


def test_the_worst_texts() -> None:
    worst = ["</script>", "<!--<script>", "]]>", "\u2028\u2029", "\u202e\x00\x1b", "<img src=x onerror=alert(1)>"]
    assert read(data_block(worst)) == worst


def test_numbers_that_json_lacks() -> None:
    assert read(data_block({"a": float("inf"), "b": float("nan"), "c": 1.5})) == {"a": "inf", "b": None, "c": 1.5}


def test_a_report_holds_its_numbers(results: StudyResults) -> None:
    page = build_report(results)
    [block] = re.findall(r'<script type="application/json" id="data">.*?</script>', page, flags=re.DOTALL)
    data = read(block)
    assert data["plan"]["temperatures"] == [0, 0.8, 1.6, "inf"]
    assert data["manifest"]["model"] == results.manifest.model
    assert len(data["estimates"]) == results.estimates.height
    assert data["comparisons"][0].keys() >= {"difference", "low", "high", "p", "detectable", "n"}
    assert data["audit"]["vocabulary"] == 4096
    assert data["format"] == data_of(results)["format"] == 1


def test_a_section_without_content_is_none() -> None:
    assert section("Title", "") == ""
