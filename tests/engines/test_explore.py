"""The page in a real browser, on the real model: its numbers are the library's, and it can be used."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tempering
from tempering import SamplingParams
from tempering.models.onnx import OnnxModel
from tempering.orders import ENGINES
from tempering.sampling.distribution import process

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.engine("browser")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    runs = tmp_path_factory.mktemp("runs")
    command = [sys.executable, "-m", "tempering", "explore", "--no-browser", "--port", "0", "--json"]
    with subprocess.Popen([*command, "--runs", str(runs)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
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


def test_the_address_of_a_view_shares_it(page: Page, address: str, tmp_path: Path) -> None:
    page.goto(f"{address}?temperature=0&lang=pt-BR")
    page.get_by_text("Nada fica ao acaso").wait_for()
    page.get_by_role("slider", name="Temperatura T").fill("1.5")
    page.get_by_text("Tão aleatório quanto").wait_for()
    page.wait_for_url("**temperature=1.5**")
