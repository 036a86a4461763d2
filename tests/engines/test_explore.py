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
from tempering.models.embedded import load as load_embedded
from tempering.models.onnx import OnnxModel
from tempering.orders import ENGINES
from tempering.sampling.distribution import process
from tempering.study.plan import make_plan
from tempering.study.ratings import read_ratings
from tempering.study.run import run_study
from tempering.tuning.answer import read_recommendation
from tempering.tuning.budget import read_budget
from tempering.tuning.goals import load_goal
from tempering.tuning.plan import TunePlan
from tempering.tuning.run import tune
from tempering.tuning.task import make_task

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.engine("browser")
PATIENCE = 90_000
"""Milliseconds that anything may take: a bound against hanging, nothing that is measured."""


HOSTILE = r"""
import numpy as np
from dataclasses import replace
from tempering.models.base import Prefix
from tempering.models.embedded import load as embedded

PIECES = ["<script>window.hit=1</script>", '"><img src=x onerror="window.hit=1">', "\u202eevil\u2066", "\x1b[31m\x00",
          "<a href='javascript:window.hit=1'>a</a>", "&lt;b&gt;", " {{7*7}}"]


class Hostile:
    def __init__(self):
        self.model = embedded("")
        self.info = replace(self.model.info, name=PIECES[1], identity=PIECES[1])
        self.encode, self.prefill = self.model.encode, self.model.prefill
        self.score, self.batch = self.model.score, self.model.batch

    def decode(self, tokens):
        return "".join(PIECES[token % len(PIECES)] for token in tokens)


class Wide:
    VOCABULARY = 128_256

    def __init__(self):
        self.model = embedded("")
        self.info = replace(self.model.info, name="wide", vocabulary=self.VOCABULARY)
        self.encode, self.score, self.batch = self.model.encode, self.model.score, self.model.batch

    def decode(self, tokens):
        return " ".join(map(str, tokens))

    def prefill(self, tokens):
        noise = np.random.default_rng(sum(tokens)).normal(0, 3, self.VOCABULARY)
        return Prefix(tuple(tokens), noise.astype(np.float32), None)


def load(rest):
    return Hostile() if rest == "hostile" else Wide()
"""
"""A plugin of two models: the embedded one, except that whatever it writes is an attack; and one of 128,256 tokens."""
ATTACK = '"><img src=x onerror=window.hit=1>'


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
    tune(
        _tuning({"id": "a", "text": "Once upon a time, there was a little", "expected": "girl"}), model, root / "tuned"
    )
    return root


def _tuning(*prompts: dict[str, str]) -> TunePlan:
    task = make_task({"prompts": list(prompts), "grader": "contains", "max_tokens": 3, "temperatures": "0:1:0.5"})
    return TunePlan(task, load_goal("question-answering"), read_budget("40", worst=3))


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    with explored("--runs", str(runs)) as url:
        yield url


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models of ``HOSTILE``, registered as an installed package is."""
    path = tmp_path_factory.mktemp("plugin")
    (path / "hostile_model.py").write_text(HOSTILE)
    known = path / "hostile_model-1.0.dist-info"
    known.mkdir()
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile-model\nVersion: 1.0\n")
    (known / "entry_points.txt").write_text("[tempering.models]\nsynthetic=hostile_model:load\n")
    return path


@pytest.fixture(scope="module")
def hostile(plugin: Path) -> Iterator[str]:
    """A server whose model, study and tuning say nothing but attacks, the names of their folders too."""
    folders = [plugin / f"runs/{number}{ATTACK}" for number in (1, 2)]
    (plugin / "task.yaml").write_text(
        json.dumps(
            {"grader": "contains", "prompts": [{"id": "a", "text": ATTACK, "expected": ATTACK}], "max_tokens": 3}
        )
    )
    small = ["--prompt", ATTACK, "--temperatures", "0,1", "--samples", "2", "--max-tokens", "8"]
    tune = [str(plugin / "task.yaml"), "--goal", "question-answering", "--budget", "40", "--temperatures", "0:1:0.5"]
    for command, folder in ((["study", *small], folders[0]), (["tune", *tune], folders[1])):
        whole = [sys.executable, "-m", "tempering", *command, "--model", "synthetic:hostile", "--quiet"]
        done = [*whole, "--out", str(folder)]
        subprocess.run(done, check=True, capture_output=True, env=_environment(plugin))
    with explored("--model", "synthetic:hostile", "--runs", str(plugin / "runs"), path=plugin) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as play:
        expect.set_options(timeout=PATIENCE)
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, **more: Any) -> Iterator[Page]:
    """Open a window that waits as long as a busy machine needs."""
    with browser.new_context(**{"viewport": {"width": 1200, "height": 900}, "locale": "en-US"} | more) as context:
        context.set_default_timeout(PATIENCE)
        yield context.new_page()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    complaints: list[str] = []
    with opened(browser) as page:
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


def test_a_slider_redraws_at_once(page: Page, address: str, model: OnnxModel) -> None:
    """The numbers are new within the task that moves the slider: nothing is waited for, no frame lies between."""
    page.goto(f"{address}?prompt=Once")
    page.locator(".bars").wait_for()
    shown = page.evaluate(
        """(value) => {
          const slider = document.querySelector(".first input[type=range]");
          slider.value = value;
          slider.dispatchEvent(new Event("input", { bubbles: true }));
          const row = document.querySelector(".bars tbody tr");
          return [row.querySelector("td.after").textContent, row.querySelector(".bar.after").style.transform];
        }""",
        "2.5",
    )
    p = float(
        np.exp(process(model.prefill(model.encode("Once")).logits, SamplingParams(temperature=2.5)).logprobs).max()
    )
    assert float(shown[0].removesuffix(" %")) == pytest.approx(100 * p, rel=0.05), "two digits are shown"
    assert shown[1] != "scaleX(0)"


def test_a_large_vocabulary_is_exact(page: Page, plugin: Path) -> None:
    """All 128,256 scores are sent: the rest mass and log Z are those of the library at every T."""
    tokens = load_embedded().encode("Once")
    logits = np.random.default_rng(sum(tokens)).normal(0, 3, 128_256).astype(np.float32)
    rng = np.random.default_rng(7)
    settings: list[dict[str, Any]] = [{"temperature": t, "order": "transformers"} for t in (0.0, 0.2, 1.0, 3.0)]
    for order in rng.permutation(list(ENGINES))[:6].tolist():
        truncation = {"top_k": int(rng.integers(1, 5000)), "top_p": float(rng.uniform(0.3, 1))}
        truncation |= {"min_p": float(rng.uniform(0, 0.01)), "typical_p": float(rng.uniform(0.5, 1))}
        settings.append({"temperature": float(rng.uniform(0.1, 3)), "order": order} | truncation)
    with explored("--model", "synthetic:wide", path=plugin) as url:
        page.goto(f"{url}?prompt=Once")
        page.locator(".bars").wait_for()
        assert "128,236 other tokens" in page.locator(".bars .rest").inner_text()
        size, found = page.evaluate(
            """async (settings) => {
              const rules = await import("/static/rules.js"), { ask } = await import("/static/api.js");
              const { orders } = await ask("/api/model"), answer = await ask("/api/distribution", { prompt: "Once" });
              const bytes = Uint8Array.from(atob(answer.logits), (c) => c.charCodeAt(0));
              const row = rules.rank(new Float32Array(bytes.buffer));
              return [JSON.stringify(answer).length, settings.map((one) => {
                const done = rules.process(row, { ...rules.OFF, ...one }, orders[one.order]);
                const ranked = done.p.slice().sort().reverse(), rest = ranked.subarray(20).reduce((a, b) => a + b, 0);
                return [Math.log(ranked[0]), rest, done.entropy, done.kept, done.keptMass];
              })];
            }""",
            settings,
        )
        page.goto("about:blank")
    assert size < 4 / 3 * 4 * 128_256 + 20_000, "four bytes a score, and the texts of some hundred tokens"
    for given, (first, rest, entropy, kept, kept_mass) in zip(settings, found, strict=True):
        params = SamplingParams(**given)
        ranked = np.sort(process(logits, params).logprobs[0])[::-1]
        facts = tempering.facts(logits, params)
        assert first == pytest.approx(ranked[0], abs=1e-9), given
        assert rest == pytest.approx(float(np.exp(ranked[20:]).sum()), abs=1e-9), given
        assert (entropy, kept) == (pytest.approx(float(facts.entropy), abs=1e-9), int(facts.kept_count)), given
        assert kept_mass == pytest.approx(float(facts.kept_mass), abs=1e-9), given


VIEWS = ("next", "text", "forks", "heat", "study", "tune")
PASTED = "Once+upon+a+time+there+was+a+little+girl+named+Lily."


def settled(page: Page, address: str, view: str, **more: str) -> None:
    """Open a view and wait until it shows what it has to show."""
    extra = "".join(f"&{name}={value}" for name, value in more.items())
    page.goto(f"{address}?view={view}&tokens=12&text={PASTED}{extra}")
    if view == "text":
        write(page)
    ready = {
        "next": ".bars",
        "text": ".piece",
        "forks": ".icicle .box",
        "heat": ".chart",
        "study": "iframe.ready",
        "tune": "iframe.ready",
    }
    page.locator(ready[view]).first.wait_for(state="attached")
    if view == "text":
        page.locator(".piece").nth(3).click()


def write(page: Page) -> None:
    """Let the page write, until all texts have ended."""
    page.locator("button.go").click()
    written(page)


def written(page: Page) -> None:
    page.locator("button.go").filter(has_text=re.compile("^(Write|Escrever)$")).wait_for()


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
    with opened(browser) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        settled(page, hostile, view, prompt="%3Cscript%3Ewindow.hit%3D1%3C/script%3E")
        if view == "heat":
            page.get_by_role("button", name="Let the model write").click()
            page.get_by_role("alert").wait_for()  # all those attacks are longer than the model's context
            assert "<script>" in page.get_by_label("Text to read").input_value()
        if view == "study":
            report = page.frame_locator("iframe")
            assert report.locator("img, script:not([type='application/json'])").count() == 0
            assert "onerror" in report.locator("body").inner_text()
            assert_harmless(page)
            page.get_by_label("Your name").fill("eva")
            page.get_by_role("button", name="Begin or go on").click()
            page.locator(".rating").wait_for()
            assert "onerror" in page.locator(".compare").inner_text()
        if view == "tune":
            answer = page.frame_locator("iframe")
            assert answer.locator("img, script:not([type='application/json'])").count() == 0
            assert "onerror" in answer.locator("body").inner_text()
        assert_harmless(page)
        assert "onerror" in page.locator("header .model").inner_text()
        if view in {"next", "text", "forks"}:
            shown = page.locator("main").inner_text()
            assert "<script>" in shown or '"><img' in shown, "it is shown as it is"
            hidden = page.locator("main").evaluate(
                "(main) => [...main.querySelectorAll('*')].map((e) => e.title).join('')"
            )
            assert not re.search(UNSAFE, hidden)


UNSAFE = "[\u202e\u2066\x1b\x00]"


def assert_harmless(page: Page) -> None:
    """Nothing that a model wrote has run, has become an element, or reorders or hides what stands around it."""
    for frame in page.frames:
        assert frame.evaluate("window.hit") is None
    main = page.locator("main")
    assert main.locator("script, img, a[href^='javascript:']").count() == 0
    assert not re.search(UNSAFE, main.text_content() or "")


def test_a_forced_token_begins_a_branch_and_undo_returns(page: Page, address: str) -> None:
    settled(page, address, "text")
    before = page.locator(".prose").inner_text()
    page.locator(".detail button.token").first.click()
    page.get_by_role("button", name="Text 2").wait_for()
    written(page)
    after = page.locator(".prose").inner_text()
    assert page.locator(".piece.forced").count() == 1
    assert after != before
    assert after.split()[:4] == before.split()[:4], "what stands before the forced token stays"
    page.get_by_role("button", name="Undo").click()
    assert page.locator(".prose").inner_text() == before
    assert page.locator(".piece.forced").count() == 0


def test_the_text_is_that_of_the_library(page: Page, address: str, model: OnnxModel) -> None:
    page.goto(f"{address}?view=text&prompt=Once+upon+a+time&temperature=0.8&seed=5&tokens=12")
    write(page)
    request = tempering.Request("Once upon a time", SamplingParams(temperature=0.8, seed=5), max_tokens=12)
    [own] = tempering.generate(model, [request])
    end = "(end of text)" if own.finish_reason == "stop" else ""
    assert page.locator(".prose").text_content() == f"Once upon a time{own.text}{end}"


def test_two_settings_share_their_noise(page: Page, address: str) -> None:
    page.goto(f"{address}?view=text&compare=1&temperature=0.9&temperature2=0.9&tokens=10")
    write(page)
    page.get_by_text("Both texts are the same.").wait_for()
    page.goto(f"{address}?view=text&compare=1&temperature=0&temperature2=inf&tokens=10")
    write(page)
    page.get_by_text("They part at the first token.").wait_for()


def test_the_fork_tree_changes_its_text_only_at_its_forks(page: Page, address: str, model: OnnxModel) -> None:
    settled(page, address, "forks", prompt="Once+upon+a+time", at="0")
    request = tempering.Request("Once upon a time", SamplingParams(), max_tokens=12)
    tree = tempering.fork_tree(model, request, highest=1.5, max_branches=16)
    slider = page.get_by_role("slider", name="Temperature T", exact=True)
    spans = [(tree.branches[leaf].low, tree.branches[leaf].high) for leaf in tree.leaves()]
    for low, high in [(low, high) for low, high in spans if high - low > 1e-3][:6]:
        for t in (low + (high - low) * 0.1, high - (high - low) * 0.1):
            page.locator(".exact").fill(f"{t:.5f}")
            page.locator(".exact").press("Enter")
            shown = page.locator(".prose").text_content() or ""
            assert shown.startswith("Once upon a time" + model.decode(tree.tokens_at(t))), t
    slider.focus()
    before = page.locator(".prose").inner_text()
    page.get_by_role("button", name="Next fork down").click()
    assert page.locator(".prose").inner_text() != before
    page.locator(".icicle").press("ArrowRight")
    assert page.locator(".prose").inner_text() == before
    assert "The text holds for T" in (page.locator(".icicle").get_attribute("aria-valuetext") or "")


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
    page.get_by_role("button", name="0.5", exact=True).press("Enter")
    assert slider.get_attribute("aria-valuetext") == "0.5"
    page.get_by_text("T below 1 sharpens").wait_for()
    page.locator(".bars button.token").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("[...document.querySelectorAll('.bars button.token')].indexOf(document.activeElement)") == 1
    settled(page, address, "text")
    page.locator(".piece").nth(3).focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("[...document.querySelectorAll('.piece')].indexOf(document.activeElement)") == 4
    page.keyboard.press("Escape")
    assert page.locator(".detail").is_hidden()


def test_errors_and_empty_states_say_what_to_do(page: Page, address: str, tmp_path: Path) -> None:
    page.goto(f"{address}?view=heat")
    page.get_by_text("Paste a text of a few sentences").wait_for()
    page.goto(f"{address}?prompt=")
    page.get_by_label("Text so far").fill("")
    page.get_by_text("Write a beginning").wait_for()
    with explored("--runs", str(tmp_path)) as url:
        for view, said in (("tune", "No tuning here yet"), ("study", "No run folder here yet")):
            page.goto(f"{url}?view={view}")
            page.get_by_text(said).wait_for()
        page.goto("about:blank")


def test_errors_are_told_in_the_language_of_the_page(browser: Browser, address: str) -> None:
    with opened(browser, locale="pt-BR") as page:
        page.goto(address)
        page.locator("textarea").fill("word " * 600)
        told = page.get_by_role("alert")
        told.get_by_text("O texto é longo demais para este modelo.").wait_for()
        assert "context of embedded holds 512" in told.locator("[lang=en]").inner_text()


def test_a_tuning_is_answered_in_the_language_of_the_page(page: Page, address: str, runs: Path) -> None:
    known = read_recommendation(runs / "tuned/recommendation.json")
    settled(page, address, "tune", lang="pt-BR")
    card = page.locator("main section.card").first
    assert re.search("T = |temperatura", card.locator(".lead").inner_text())
    assert known.goal.name in card.inner_text()
    card.get_by_text("O que mais saber").click()
    assert known.sentence in card.locator("[lang=en]").inner_text()
    assert "O relatório está em inglês." in page.locator("main").inner_text()
    assert "temperature" in page.locator("main pre").inner_text()


def test_a_server_that_goes_away_is_told(browser: Browser, runs: Path) -> None:
    with opened(browser) as page:
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
        expect(page.locator("iframe")).to_have_count(1)
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
    with opened(browser) as page, explored("--runs", str(runs), "--api-key", "s3") as url:
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
