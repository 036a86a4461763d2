"""Parity with transformers: the shipped weights, turned into its layout, give the same logits and the same text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tempering import Request, SamplingParams
from tempering.generation.decode import generate
from tempering.models.onnx import OnnxModel

pytestmark = [pytest.mark.engine("transformers"), pytest.mark.filterwarnings("ignore")]

PROMPTS = ("Once upon a time, there was a little girl who", "The dragon was afraid of the dark. Every night")


@pytest.fixture(scope="module")
def peer(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def test_logits_agree(model: OnnxModel, peer: Any) -> None:
    """Float32 in both; the largest difference over 300 tokens and the whole vocabulary."""
    import torch

    tokens = model.encode(" ".join(PROMPTS * 8))[:300]
    with torch.no_grad():
        theirs = peer(torch.tensor([tokens])).logits[0].numpy()
    assert np.abs(model.score(tokens) - theirs).max() < 1e-3


def test_the_tokenizer_is_the_same(model: OnnxModel, folder: Path) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder)
    for text in (*PROMPTS, "naïve café 🦊\n\ttabs", ""):
        assert theirs(text, add_special_tokens=False)["input_ids"] == model.encode(text)[1:]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_text_agrees(model: OnnxModel, peer: Any, prompt: str) -> None:
    import torch

    tokens = model.encode(prompt)
    with torch.no_grad():
        theirs = peer.generate(torch.tensor([tokens]), do_sample=False, max_new_tokens=80, pad_token_id=0)[0].tolist()
    [ours] = generate(model, [Request(prompt, SamplingParams(temperature=0), max_tokens=80)])
    ended = [0] if ours.finish_reason == "stop" else []
    assert theirs[len(tokens) :] == [*ours.tokens, *ended]


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.7},
        {"temperature": 1.5, "top_k": 40},
        {"temperature": 0.8, "top_p": 0.9},
        {"temperature": 2.0, "min_p": 0.05},
        {"typical_p": 0.8},
        {"epsilon": 0.01},
        {"eta": 0.02},
        {"temperature": 1.3, "top_k": 100, "top_p": 0.95, "min_p": 0.02},
    ],
    ids=str,
)
def test_the_default_order_is_the_one_of_transformers(model: OnnxModel, settings: dict[str, Any]) -> None:
    """Their warpers, in their order, on real logits in float64: same kept set, probabilities within 1e-9."""
    import torch
    from transformers.generation import logits_process as theirs

    import tempering

    warpers: dict[str, Any] = {
        "temperature": lambda v: theirs.TemperatureLogitsWarper(float(v)),
        "top_k": theirs.TopKLogitsWarper,
        "top_p": theirs.TopPLogitsWarper,
        "min_p": theirs.MinPLogitsWarper,
        "typical_p": lambda v: theirs.TypicalLogitsWarper(mass=v),
        "epsilon": theirs.EpsilonLogitsWarper,
        "eta": lambda v: theirs.EtaLogitsWarper(epsilon=v),
    }
    logits = model.score(model.encode(" ".join(PROMPTS))).astype(np.float64)
    scores = torch.from_numpy(logits)
    for name, make in warpers.items():
        if name in settings:
            scores = make(settings[name])(None, scores)
    expected = torch.softmax(scores, dim=-1).numpy()
    got = tempering.distribution(logits, SamplingParams(**settings))
    assert ((got > 0) == (expected > 0)).all()
    assert np.abs(got - expected).max() < 1e-9
