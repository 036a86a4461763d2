"""The audit against a real server of llama.cpp, read with the same GGUF file here."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tempering import SamplingParams
from tempering.models.base import require_logits
from tempering.models.registry import load_model
from tempering.thermometer.audit import audit_server

pytestmark = pytest.mark.engine("llama_cpp")


@pytest.fixture(scope="module")
def server(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path_factory.mktemp("server") / "log").open("w")
    arguments = ["--model", str(gguf), "--model_alias", "stories", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen([sys.executable, "-m", "llama_cpp.server", *arguments], stdout=log, stderr=log)
    try:
        for _ in range(240):
            try:
                httpx.get(f"http://127.0.0.1:{port}/v1/models").raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, "the server has ended"
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1#stories"
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def test_a_server_of_llama_cpp_honours_temperature_and_top_k(server: str, gguf: Path) -> None:
    """Two intervals at 1 - .05/2 each; top-k 3 is what was asked for, so that top-k 40 is never likelier."""
    model = require_logits(load_model(f"gguf:{gguf}"))
    prompts, params = ["Once upon a time, there was", "The dog", "Tom and Sue"], SamplingParams(top_k=3)
    found = audit_server(load_model(server), model, prompts, (0.6, 1.4), params=params, samples=2, max_tokens=16)
    assert found.honoured is True
    assert found.explanations[0].name == "as asked"
    assert found.explanations[0].impossible == 0
