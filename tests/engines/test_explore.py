"""The page in a real browser, on the real model: its numbers are the library's, and it can be used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tempering
from tempering import SamplingParams
from tempering.models.onnx import OnnxModel
from tempering.orders import ENGINES
from tempering.sampling.distribution import process
from tempering.study.plan import make_plan
from tempering.study.ratings import read_ratings
from tempering.study.run import run_study

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.engine("browser")


HOSTILE = r"""
from tempering.models.embedded import load as embedded

PIECES = ["<script>window.hit=1</script>", '"><img src=x onerror="window.hit=1">', "\u202eevil\u2066", "\x1b[31m\x00",
          "<a href='javascript:window.hit=1'>a</a>", "&lt;b&gt;", " {{7*7}}"]


class Hostile:
    def __init__(self):
        self.model = embedded("")
        self.info, self.encode, self.prefill = self.model.info, self.model.encode, self.model.prefill
        self.score, self.batch = self.model.score, self.model.batch

    def decode(self, tokens):
        return "".join(PIECES[token % len(PIECES)] for token in tokens)


def load(rest):
    return Hostile()
"""
"""The embedded model, except that whatever it writes is an attack."""


@contextmanager
def explored(*arguments: str, path: Path | None = None) -> Iterator[str]:
    """Run the page's server on a free port; yield its address."""
    command = [sys.executable, "-m", "tempering", "explore", "--no-browser", "--port", "0", "--json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment(path)) as server:
        assert server.stdout
        try:
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.terminate()


def _environment(path: Path | None) -> dict[str, str]:
    parts = [str(path)] if path else []
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*parts, os.environ.get("PYTHONPATH", "")])}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, model: OnnxModel) -> Path:
    root = tmp_path_factory.mktemp("runs")
    plan = make_plan({"prompts": ["Once upon a time"], "temperatures": [0, 1], "samples": 2, "max_tokens": 12})
    run_study(plan, model, root / "small")
    return root


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    with explored("--runs", str(runs)) as url:
        yield url


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose model and study write nothing but attacks; the model comes as a plugin."""
    path = tmp_path_factory.mktemp("plugin")
    (path / "hostile_model.py").write_text(HOSTILE)
    known = path / "hostile_model-1.0.dist-info"
    known.mkdir()
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile-model\nVersion: 1.0\n")
    (known / "entry_points.txt").write_text("[tempering.models]\nhostile=hostile_model:load\n")
    study = [sys.executable, "-m", "tempering", "study", "--model", "hostile:", "--out", str(path / "runs/attack")]
    small = ["--prompt", "<img src=x onerror=window.hit=1>", "--temperatures", "0,1", "--samples", "1", "--quiet"]
    subprocess.run([*study, *small, "--max-tokens", "8"], check=True, capture_output=True, env=_environment(path))
    with explored("--model", "hostile:", "--runs", str(path / "runs"), path=path) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    complaints: list[str] = []
    with browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-US") as context:
        page = context.new_page()
        page.on("pageerror", lambda problem: complaints.append(str(problem)))
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        yield page
    assert complaints == []


SETTINGS: list[dict[str, Any]] = [
    {"temperature": t, **rule}
    for t in (0.0, 0.01, 0.7, 1.0, 1.37, 3.0, float("inf"))
    for rule in (
        {},
        {"top_k": 1},
        {"top_k": 40, "top_p": 0.9},
        {"top_p": 0.05},
        {"min_p": 0.1},
        {"min_p": 1.0, "top_k": 5},
        {"typical_p": 0.3},
        {"typical_p": 0.95, "min_p": 0.02},
        {"top_n_sigma": 1.5},
        {"epsilon": 0.001},
        {"eta": 0.01, "top_p": 0.99},
    )
]

PROCESS = """async ([logits, settings, orders]) => {
  const rules = await import("/static/rules.js");
  const row = rules.rank(Float32Array.from(logits, (z) => z === null ? -Infinity : z));
  return settings.map(([params, order]) => {
    params.temperature = params.temperature === "inf" ? Infinity : params.temperature;
    const found = rules.process(row, {...rules.OFF, ...params}, orders[order]);
    const p = new Array(logits.length).fill(0);
    row.ids.forEach((id, rank) => { p[id] = Math.exp(found.logp[rank]); });
    const same = rules.equivalentTemperature(row, found.entropy);
    return [p, found.entropy, found.kept, found.keptMass, same === Infinity ? "inf" : same];
  });
}"""


def _rows(model: OnnxModel) -> list[np.ndarray]:
    real = [model.prefill(model.encode(text)).logits for text in ("Once upon a time", "The")]
    ties = np.array([2.0, 2.0, 1.0, 1.0, 1.0, -3.0, -np.inf, 0.5], dtype=np.float32)
    noise = np.random.default_rng(5).normal(0, 4, 300).astype(np.float32)
    return [real[0], real[1], ties, np.zeros(7, dtype=np.float32), noise]


def _sent(temperature: float) -> float | str:
    return temperature if np.isfinite(temperature) else "inf"  # JSON has no infinity


@pytest.mark.parametrize("index", range(5))
def test_the_page_computes_what_the_library_does(page: Page, address: str, model: OnnxModel, index: int) -> None:
    logits = _rows(model)[index]
    orders = list(ENGINES) if index > 1 else ["transformers", "llama.cpp"][index : index + 1]
    asked = [(s | {"temperature": _sent(s["temperature"])}, order) for s in SETTINGS for order in orders]
    page.goto(address)
    values = [None if np.isneginf(z) else float(z) for z in logits]
    found = page.evaluate(
        PROCESS,
        [
            values,
            asked,
            {
                name: {"steps": order.steps, "joint": list(order.joint), "edge": order.top_p_edge}
                for name, order in ENGINES.items()
            },
        ],
    )
    for turn, ((given, order), (p, entropy, kept, kept_mass, same)) in enumerate(zip(asked, found, strict=True)):
        settings = SamplingParams(**given | {"temperature": float(given["temperature"]), "order": order})
        state = process(logits, settings)
        facts = tempering.facts(logits, settings)
        np.testing.assert_allclose(p, np.exp(state.logprobs[0]), atol=1e-6, err_msg=str(settings))
        assert kept == int(facts.kept_count), settings
        assert abs(entropy - float(facts.entropy)) < 1e-6, settings
        assert abs(kept_mass - float(facts.kept_mass)) < 1e-6, settings
        if turn % 3 == 0:  # the library's search is slow
            wanted = float(tempering.equivalent_temperature(logits, settings))
            assert float(same) == pytest.approx(wanted, rel=1e-6, abs=1e-9), settings


VIEWS = ("next", "text", "forks", "heat", "study", "tune")
PASTED = "Once+upon+a+time+there+was+a+little+girl+named+Lily."


def settled(page: Page, address: str, view: str, **more: str) -> None:
    """Open a view and wait until it shows what it has to show."""
    extra = "".join(f"&{name}={value}" for name, value in more.items())
    page.goto(f"{address}?view={view}&tokens=12&text={PASTED}{extra}")
    if view == "text":
        page.get_by_role("button", name=re.compile("^(Write|Escrever)$")).click()
    ready = {
        "next": ".bars",
        "text": ".piece:nth-of-type(12)",
        "forks": ".icicle .box",
        "heat": ".chart",
        "study": "iframe.ready",
        "tune": ".state.empty",
    }
    page.locator(ready[view]).first.wait_for(state="attached", timeout=20_000)
    if view == "text":
        page.locator(".piece").nth(3).click()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_accessible_and_fits_a_phone(page: Page, address: str, view: str, scheme: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 800} if scheme == "dark" else {"width": 1200, "height": 900})
    settled(page, address, view, lang="pt-BR" if scheme == "dark" else "en")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] <= width[1], "nothing sticks out"


@pytest.mark.parametrize("view", VIEWS)
def test_what_a_model_writes_is_text(browser: Browser, hostile: str, view: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        settled(page, hostile, view, prompt="%3Cscript%3Ewindow.hit%3D1%3C/script%3E")
        frames = page.frames
        for frame in frames:
            assert frame.evaluate("window.hit") is None
        main = page.locator("main")
        assert main.locator("script, img, a[href^='javascript:']").count() == 0
        text = main.inner_text()
        if view in {"next", "text", "forks"}:
            assert "<script>" in text or '"><img' in text, "it is shown as it is"
        assert not re.search("[\\u202e\\u2066\\x1b\\x00]", main.text_content() or "")
        if view == "study":
            report = page.frame_locator("iframe")
            assert report.locator("img, script:not([type='application/json'])").count() == 0
            assert "onerror" in (report.locator("body").inner_text())


def test_a_forced_token_begins_a_branch_and_undo_returns(page: Page, address: str) -> None:
    settled(page, address, "text")
    before = page.locator(".prose").inner_text()
    page.locator(".detail button.token").first.click()
    page.get_by_role("button", name="Text 2").wait_for()
    page.locator(".piece:nth-of-type(12)").wait_for(timeout=10_000)
    after = page.locator(".prose").inner_text()
    assert page.locator(".piece.forced").count() == 1
    assert after != before
    assert after.split()[:4] == before.split()[:4], "what stands before the forced token stays"
    page.get_by_role("button", name="Undo").click()
    assert page.locator(".prose").inner_text() == before
    assert page.locator(".piece.forced").count() == 0


def test_the_text_is_that_of_the_library(page: Page, address: str, model: OnnxModel) -> None:
    page.goto(f"{address}?view=text&prompt=Once+upon+a+time&temperature=0.8&seed=5&tokens=12")
    page.get_by_role("button", name="Write").click()
    page.get_by_text("Stopped at the token limit.").wait_for()
    request = tempering.Request("Once upon a time", SamplingParams(temperature=0.8, seed=5), max_tokens=12)
    [own] = tempering.generate(model, [request])
    assert page.locator(".prose").text_content() == f"Once upon a time{own.text}"


def test_two_settings_share_their_noise(page: Page, address: str) -> None:
    page.goto(f"{address}?view=text&compare=1&temperature=0.9&temperature2=0.9&tokens=10")
    page.get_by_role("button", name="Write").click()
    page.get_by_text("Both texts are the same.").wait_for()
    page.goto(f"{address}?view=text&compare=1&temperature=0&temperature2=inf&tokens=10")
    page.get_by_role("button", name="Write").click()
    page.get_by_text("They part at the first token.").wait_for()


def test_the_fork_tree_changes_its_text_only_at_its_forks(page: Page, address: str, model: OnnxModel) -> None:
    settled(page, address, "forks", prompt="Once+upon+a+time", at="0")
    request = tempering.Request("Once upon a time", SamplingParams(), max_tokens=12)
    tree = tempering.fork_tree(model, request, highest=1.5, max_branches=16)
    slider = page.get_by_role("slider", name="Temperature T")
    for leaf in tree.leaves()[:6]:
        low, high = tree.branches[leaf].low, tree.branches[leaf].high
        for t in (low + (high - low) * 0.1, high - (high - low) * 0.1):
            page.locator(".exact").fill(f"{t:.5f}")
            page.locator(".exact").press("Enter")
            shown = page.locator(".prose").text_content() or ""
            assert shown.startswith("Once upon a time" + model.decode(tree.tokens_at(t))), t
    slider.focus()
    before = page.locator(".prose").inner_text()
    page.get_by_role("button", name="Next fork down").click()
    assert page.locator(".prose").inner_text() != before


def test_the_page_works_by_keyboard(page: Page, address: str) -> None:
    settled(page, address, "next")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    slider = page.get_by_role("slider", name="Temperature T")
    slider.focus()
    page.keyboard.press("Home")
    page.get_by_text("Nothing is left to chance").wait_for()
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == "∞ (uniform)"
    page.get_by_text("As random as a fair choice among 4,096 tokens.").wait_for()
    settled(page, address, "text")
    page.locator(".piece").nth(3).focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("[...document.querySelectorAll('.piece')].indexOf(document.activeElement)") == 4
    page.keyboard.press("Escape")
    assert page.locator(".detail").is_hidden()


def test_errors_and_empty_states_say_what_to_do(page: Page, address: str) -> None:
    page.goto(f"{address}?view=heat")
    page.get_by_text("Paste a text of a few sentences").wait_for()
    page.goto(f"{address}?prompt=")
    page.get_by_label("Text so far").fill("")
    page.get_by_text("Write a beginning").wait_for()
    page.goto(f"{address}?view=tune")
    page.get_by_text("No tuning here yet").wait_for()


def test_a_server_that_goes_away_is_told(browser: Browser, runs: Path) -> None:
    with browser.new_context(locale="en-US") as context:
        page = context.new_page()
        with explored("--runs", str(runs)) as url:
            settled(page, url, "next")
        page.get_by_label("Text so far").fill("Another text")
        page.get_by_role("alert").get_by_text("The server does not answer").wait_for()
        assert page.get_by_role("button", name="Try again").is_visible()


def test_a_study_is_shown_while_it_grows(page: Page, runs: Path, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    shutil.copytree(runs / "small", tmp_path / "runs/small")
    samples = tmp_path / "runs/small/samples.jsonl"
    lines = samples.read_bytes().splitlines(keepends=True)
    samples.write_bytes(b"".join(lines[:2]))
    with explored("--runs", str(tmp_path / "runs")) as url:
        page.goto(f"{url}?view=study")
        page.get_by_text("2 of 4 texts").wait_for()
        page.frame_locator("iframe").get_by_text("Not complete").wait_for()
        samples.write_bytes(b"".join(lines))
        page.get_by_text("4 of 4 texts: complete").wait_for()
        expect(page.locator("iframe")).to_have_count(1, timeout=30_000)
        assert page.frame_locator("iframe").get_by_text("Not complete").count() == 0
        page.goto("about:blank")  # before its server goes


def test_texts_are_rated_blind_and_later_on(page: Page, address: str, runs: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import expect

    page.goto(f"{address}?view=study")
    for turn in range(2):  # the second time, after a reload, the texts that are rated are not asked again
        page.get_by_label("Your name").fill("eva")
        page.get_by_role("button", name="Begin or go on").click()
        page.get_by_role("heading", name=f"Text {turn + 1} of 2").wait_for()
        if turn == 0:
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
        assert "T =" not in page.locator(".rating").inner_text()
        expect(page.locator("iframe")).to_be_hidden()  # the report says the temperatures
        for group in page.locator("fieldset").all():
            group.get_by_label("4", exact=True).check()
        page.get_by_role("button", name="Save and next").click()
        if turn == 0:
            page.get_by_role("heading", name="Text 2 of 2").wait_for()
            page.reload()
    page.get_by_text("All 2 texts are rated").wait_for()
    found = read_ratings(runs / "small", [runs / "small/ratings-eva.csv"])
    assert found.scores["coherence"].tolist() == [4, 4]


def test_a_key_is_asked_for(browser: Browser, runs: Path) -> None:
    with browser.new_context(locale="en-US") as context, explored("--runs", str(runs), "--api-key", "s3") as url:
        page = context.new_page()
        page.goto(f"{url}?view=study")
        page.get_by_label("API key").fill("s3")
        page.get_by_role("button", name="Enter").click()
        page.frame_locator("iframe").get_by_text("In short").first.wait_for()


def test_every_sentence_is_translated(page: Page, address: str) -> None:
    page.goto(address)
    assert page.evaluate("import('/static/words.js').then((words) => words.untranslated())") == []


def test_the_address_of_a_view_shares_it(page: Page, address: str, tmp_path: Path) -> None:
    page.goto(f"{address}?temperature=0&lang=pt-BR")
    page.get_by_text("Nada fica ao acaso").wait_for()
    page.get_by_role("slider", name="Temperatura T").fill("1.5")
    page.get_by_text("Tão aleatório quanto").wait_for()
    page.wait_for_url("**temperature=1.5**")
