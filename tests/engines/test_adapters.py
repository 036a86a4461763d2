"""The same draws inside other people's loops: torch tensors, generate of transformers, llama-cpp-python."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tempering import Context, Request, SamplingParams, generate
from tempering import distribution as plain_distribution
from tempering import draw as plain_draw
from tempering.adapters.llama_cpp import logits_processor
from tempering.errors import LogitsError, ParameterError
from tempering.models.onnx import OnnxModel
from tempering.orders import ENGINES
from tempering.sampling.noise import INVERSE, Source, gumbel

RULES: list[dict[str, Any]] = [
    {},
    {"top_k": 4},
    {"top_k": 4, "ties": "all"},
    {"top_p": 0.7},
    {"min_p": 0.1},
    {"typical_p": 0.7},
    {"top_n_sigma": 1.2},
    {"epsilon": 0.03},
    {"eta": 0.03},
    {"top_h": 0.5},
    {"p_less": 1},
    {"xtc_probability": 0.4, "xtc_threshold": 0.05},
    {"mirostat_tau": 2.0},
    {"dynatemp_range": 0.5, "dynatemp_exponent": 1.5},
    {"edt_theta": 0.6},
    {"smoothing_factor": 0.3, "smoothing_curve": 1.5},
    {"repetition_penalty": 1.3, "frequency_penalty": 0.2, "presence_penalty": 0.1},
    {"dry_multiplier": 0.8},
]
SEEN = Context(prompt=(1, 2, 3), generated=(4, 1, 2, 3, 4, 1, 2))


def rows() -> np.ndarray:
    z = np.random.default_rng(0).normal(size=(5, 60)) * 2
    z[1] = np.round(z[1])
    z[2, 10:50] = -np.inf
    return z


@pytest.mark.engine("torch")
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_torch_gives_the_same_distribution_and_tokens(rule: dict[str, Any]) -> None:
    import torch

    from tempering.adapters.torch import distribution, draw

    z = rows()
    for temperature in (0.0, 1e-300, 0.5, 1.0, 3.0, math.inf):
        params = SamplingParams(temperature=temperature, seed=2**63 + 9, **rule)
        expected = plain_distribution(z, params, SEEN)
        got = distribution(torch.from_numpy(z), params, SEEN).numpy()
        assert np.allclose(got, expected, rtol=1e-9, atol=1e-14)
        assert ((got > 0) == (expected > 0)).all()
        for method in ("gumbel", "inverse"):
            keys = {"sequence": np.arange(5), "step": 2**40}
            theirs = plain_draw(z, params, context=SEEN, method=method, **keys)  # type: ignore[arg-type]
            ours = draw(torch.from_numpy(z), params, sequence=torch.arange(5), step=2**40, context=SEEN, method=method)
            assert ours.tolist() == theirs.tolist()


@pytest.mark.engine("torch")
@pytest.mark.parametrize("order", sorted(ENGINES))
def test_torch_follows_every_order(order: str) -> None:
    import torch

    from tempering.adapters.torch import distribution

    params = SamplingParams(temperature=1.6, top_k=12, top_p=0.8, min_p=0.03, order=order)
    assert np.allclose(distribution(torch.from_numpy(rows()), params).numpy(), plain_distribution(rows(), params))


@pytest.mark.engine("torch")
def test_torch_makes_the_same_numbers_and_refuses_the_same_rows() -> None:
    import torch

    from tempering.adapters.torch import distribution, draw, words
    from tempering.adapters.torch import gumbel as on_device

    keys = torch.tensor([5, -1]), torch.tensor([0, 2])  # -1 has the bits of 2**64 - 1
    assert words(7, *keys, 9, INVERSE)[0].tolist() == Source().words((7, 5, 0), INVERSE, 9).view(np.int64).tolist()
    made = gumbel(2**64 - 1, np.array([5, 2**64 - 1], np.uint64), np.array([0, 2]), 300)
    assert np.allclose(on_device(2**64 - 1, *keys, 300).numpy(), made, rtol=1e-13, atol=1e-14)
    for value, message in ((math.nan, "row 1 of logits: NaN"), (math.inf, r"row 1 of logits: \+inf")):
        bad = torch.zeros(3, 4)
        bad[1, 2] = value
        with pytest.raises(LogitsError, match=message):
            distribution(bad)
    with pytest.raises(LogitsError, match="row 0 of logits: no token left"):
        draw(torch.full((1, 3), -math.inf, dtype=torch.float16))
    assert draw(torch.zeros(2, 3, 4, dtype=torch.bfloat16), SamplingParams(temperature=0)).shape == (2, 3)


@pytest.fixture(scope="module")
def peer(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.engine("transformers")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("settings", [{"temperature": 0.8, "top_p": 0.9}, {"min_p": 0.05, "presence_penalty": 0.4}])
def test_generate_of_transformers_writes_our_text(model: OnnxModel, peer: Any, settings: dict[str, Any]) -> None:
    """The same weights, keys and settings: token for token what ``tempering.generate`` writes."""
    import torch

    from tempering.adapters.transformers import TemperingLogitsProcessor
    from tempering.sampling.noise import sequence_of

    params = SamplingParams(seed=4, **settings)
    prompt, tokens = "Once upon a time", model.encode("Once upon a time")
    [ours] = generate(model, [Request(prompt, params, max_tokens=40)])
    processor = TemperingLogitsProcessor(params, sequences=[_signed(sequence_of(prompt, 0))])
    theirs = peer.generate(
        torch.tensor([tokens]), logits_processor=[processor], max_new_tokens=40, do_sample=True, pad_token_id=0
    )[0].tolist()
    ended = [0] if ours.finish_reason == "stop" else []
    assert theirs[len(tokens) :] == [*ours.tokens, *ended]


def _signed(word: int) -> int:
    return word - 2**64 if word >= 2**63 else word


@pytest.mark.engine("transformers")
def test_the_processor_can_leave_the_draw_to_generate() -> None:
    import torch

    from tempering.adapters.transformers import TemperingLogitsProcessor

    z, params = torch.randn(2, 30), SamplingParams(temperature=1.5, top_k=5)
    left = TemperingLogitsProcessor(params, draws=False)(torch.zeros(2, 3, dtype=torch.int64), z)
    assert np.allclose(left.softmax(dim=1).numpy(), plain_distribution(z.numpy(), params), atol=1e-6)
    with pytest.raises(ParameterError, match="mirostat"):
        TemperingLogitsProcessor(SamplingParams(mirostat_tau=3))


@pytest.mark.engine("llama_cpp")
@pytest.mark.filterwarnings("ignore")
def test_llama_cpp_python_draws_our_tokens(gguf: Path) -> None:
    """Two texts of one seed are equal, those of two sequences are not, and no default of the engine acts."""
    import llama_cpp

    engine = llama_cpp.Llama(str(gguf), n_ctx=128, verbose=False, seed=1)
    params = SamplingParams(temperature=2.0, top_k=20, seed=3)

    def text(sequence: int, settings: SamplingParams) -> str:
        chain = llama_cpp.LogitsProcessorList([logits_processor(settings, sequence=sequence)])
        answer = engine.create_completion("Once upon a time", max_tokens=20, logits_processor=chain)
        return str(answer["choices"][0]["text"])

    assert text(0, params) == text(0, params)
    assert text(0, params) != text(1, params)
    greedy = engine.create_completion("Once upon a time", max_tokens=20, temperature=0.0)
    assert text(0, SamplingParams(temperature=0)) == greedy["choices"][0]["text"]
    engine.close()


def test_the_processor_of_llama_cpp_counts_steps_from_the_prompt() -> None:
    params = SamplingParams(seed=8, presence_penalty=1.0)
    process, z = logits_processor(params, sequence=6), np.random.default_rng(1).normal(size=50).astype(np.float32)
    ids: list[int] = [3, 4]
    for step in range(5):
        token = int(process(np.array(ids, dtype=np.intc), z).argmax())
        context = Context((3, 4), tuple(ids[2:]))
        assert token == int(plain_draw(z, params, sequence=6, step=step, context=context))
        ids.append(token)
