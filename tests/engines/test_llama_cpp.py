"""The backend of llama.cpp: it keeps the contract, agrees with ONNX Runtime and transformers, and refuses in words."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tempering import LogitsModel, Request, SamplingParams, fork_tree, load_model, read_text
from tempering.errors import ChatTemplateError, ModelError, ParameterError
from tempering.generation.decode import generate
from tempering.models.base import ChatModel, conversation, require_logits
from tempering.models.onnx import OnnxModel
from tempering.study.plan import make_plan
from tempering.study.run import run_study
from tempering.testing import check_model

pytestmark = [pytest.mark.engine("llama_cpp"), pytest.mark.filterwarnings("ignore")]

PROMPT = "Once upon a time, there was a little girl who"
PROMPTS = (PROMPT, "The dog", "It was a dark night and", "Tom and Anna went to the park. They saw")
TOLERANCE = 0.02
"""How far logits may lie apart: llama.cpp multiplies float16 weights with activations rounded to float16."""


@pytest.fixture(scope="module")
def peer(gguf: Path) -> LogitsModel:
    return require_logits(load_model(f"gguf:{gguf}?threads=1"))


def test_it_keeps_the_contract(peer: LogitsModel) -> None:
    check_model(peer, tolerance=TOLERANCE)


def test_it_keeps_the_contract_in_float32(gguf: Path) -> None:
    check_model(load_model(f"gguf:{gguf}?cache=float32&threads=1"), tolerance=TOLERANCE)


def test_it_agrees_with_the_embedded_model(model: OnnxModel, peer: LogitsModel) -> None:
    assert peer.info.vocabulary == model.info.vocabulary
    assert peer.info.end_tokens == model.info.end_tokens
    assert peer.info.context == model.info.context
    for prompt in (*PROMPTS, " a café — “naïve” 日本 🙂\n\n\ttab", "it's 12345 o'clock,  two  spaces", "<|endoftext|>"):
        tokens = model.encode(prompt)
        assert peer.encode(prompt) == tokens
        assert peer.decode(tokens) == model.decode(tokens)
        assert np.abs(peer.score(tokens) - model.score(tokens)).max() < TOLERANCE


@pytest.mark.engine("transformers")
def test_three_engines_write_the_same_text_at_zero(model: OnnxModel, peer: LogitsModel, folder: Path) -> None:
    third = require_logits(load_model(f"hf:{folder}?device=cpu"))
    requests = [Request(prompt, SamplingParams(temperature=0), max_tokens=40) for prompt in PROMPTS]

    def texts(of: LogitsModel) -> dict[object, str]:
        return {completion.prompt: completion.text for completion in generate(of, requests)}

    assert texts(model) == texts(peer) == texts(third)


def test_texts_do_not_depend_on_the_batch(peer: LogitsModel) -> None:
    """Room grows while texts run, rows come and go; a token moves only where rounding moves a near tie."""
    requests = [Request(PROMPT, SamplingParams(seed=1), s, max_tokens=6 + 13 * (s % 25)) for s in range(24)]
    together = {c.sample: c.tokens for c in generate(peer, requests, batch_size=5)}
    alone = {c.sample: c.tokens for c in generate(peer, requests, batch_size=1)}
    assert sum(together[s] != alone[s] for s in alone) <= 2


def test_everything_runs_on_it(peer: LogitsModel, tmp_path: Path) -> None:
    plan = make_plan({"prompts": [PROMPT], "temperatures": [0, 1], "samples": 2, "max_tokens": 12})
    results = run_study(plan, peer, tmp_path / "run")
    assert results.manifest.model.startswith("gguf:")
    tree = fork_tree(peer, Request(PROMPT, max_tokens=5), highest=1.0)
    assert tree.tokens_at(0.0) == results.completions[0].tokens[:5]
    assert read_text(peer, PROMPT, results.completions[0].text).temperature == 0


def test_a_conversation_goes_through_the_files_template(peer: LogitsModel) -> None:
    assert isinstance(peer, ChatModel)
    tokens = peer.encode_chat(conversation("Hello, who are you?"))
    assert tokens[0] == 0
    assert tokens.count(0) == 1, "the template writes the token that begins a text; it is not added again"
    assert peer.decode(tokens) == "user: Hello, who are you?\nassistant:"
    [answer] = generate(peer, [Request(conversation("Hello"), max_tokens=3)])
    assert answer.prompt == conversation("Hello")
    with pytest.raises(ChatTemplateError, match="no system messages"):
        peer.encode_chat(conversation("Hello", "Be kind."))


def test_without_a_template_messages_are_refused(tmp_path: Path, repository: Path) -> None:
    script, out = repository / "training" / "to_gguf.py", tmp_path / "plain.gguf"
    weights = repository / "src" / "tempering" / "models" / "weights"
    subprocess.run([sys.executable, str(script), "--model", str(weights), "--out", str(out)], check=True)
    plain = load_model(f"gguf:{out}")
    with pytest.raises(ChatTemplateError, match="has no chat template"):
        next(generate(plain, [Request(conversation("Hello"))]))


def test_what_cannot_be_used_is_refused(gguf: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = gguf.read_bytes()
    cut, other, empty = (tmp_path / name for name in ("cut.gguf", "other.gguf", "empty.gguf"))
    cut.write_bytes(whole[: len(whole) // 2])
    other.write_bytes(b"PK\x03\x04 not a model")
    empty.write_bytes(b"")
    head = tmp_path / "head.gguf"
    head.write_bytes(whole[:2000])
    for name, said in (
        ("gguf:", "needs a file"),
        (f"gguf:{tmp_path}/missing.gguf", "No such file"),
        (f"gguf:{tmp_path}", "Is a directory"),
        (f"gguf:{cut}", "llama.cpp cannot load it"),
        (f"gguf:{head}", "llama.cpp cannot load it"),
        (f"gguf:{other}", "is not a GGUF file"),
        (f"gguf:{empty}", "is not a GGUF file"),
    ):
        with pytest.raises(ModelError, match=said) as caught:
            load_model(name)
        assert "\n" not in str(caught.value)
    for query, said in (
        ("color=red", "no option 'color'"),
        ("cache=int4", "cache must be"),
        ("threads=0", "at least 1"),
    ):
        with pytest.raises(ParameterError, match=said):
            load_model(f"gguf:{gguf}?{query}")
    with pytest.raises(ParameterError, match="at most 256"):
        require_logits(load_model(f"gguf:{gguf}")).batch(257)
    assert capfd.readouterr() == ("", ""), "llama.cpp's log is kept out of the terminal"


def test_a_vocabulary_that_is_not_that_of_the_logits_is_refused(tmp_path: Path, repository: Path) -> None:
    """A tokenizer with one token more than the model has logits."""
    folder = tmp_path / "model"
    shutil.copytree(repository / "src" / "tempering" / "models" / "weights", folder)
    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    (folder / "tokenizer.json").write_text(text.replace('"vocab": {', '"vocab": {"zzzz": 4096,', 1), encoding="utf-8")
    assert "zzzz" in (folder / "tokenizer.json").read_text(encoding="utf-8")
    script, out = repository / "training" / "to_gguf.py", tmp_path / "odd.gguf"
    subprocess.run([sys.executable, str(script), "--model", str(folder), "--out", str(out)], check=True)
    with pytest.raises(ModelError, match="cannot load it"):
        load_model(f"gguf:{out}")


def test_the_identity_is_that_of_the_file(gguf: Path, tmp_path: Path) -> None:
    copy = shutil.copy(gguf, tmp_path / gguf.name)
    first, second = (load_model(f"gguf:{path}").info.identity.partition("@")[2] for path in (gguf, copy))
    assert first == second
    assert first.endswith("+float16")
