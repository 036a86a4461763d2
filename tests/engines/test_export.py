"""Exports loaded by the engines themselves: the distribution that was promised, to 1e-6."""

from __future__ import annotations

import ctypes
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tempering import SamplingParams, distribution
from tempering.tuning.applying import apply_change, plan_change
from tempering.tuning.export import exporter_of, render_checked

pytestmark = pytest.mark.filterwarnings("ignore")

CASES: tuple[dict[str, Any], ...] = (
    {"temperature": 0.7},
    {"temperature": 1.6, "min_p": 0.05, "order": "llama.cpp"},
    {"temperature": 0.4, "top_k": 5},
    {"temperature": 1.3, "top_p": 0.9},
    {"temperature": 1.3, "typical_p": 0.8},
)


@pytest.mark.engine("transformers")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_transformers_draws_from_what_was_promised(folder: Path, tmp_path: Path, case: dict[str, Any]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    params = SamplingParams(**case)
    shutil.copytree(folder, tmp_path / "model")
    apply_change(
        plan_change(exporter_of("transformers"), render_checked("transformers", params).text, tmp_path / "model")
    )
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32).eval()
    done = model.generate(
        torch.tensor([[0, 300, 400, 500]]),
        max_new_tokens=4,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
        pad_token_id=0,
    )
    for raw, processed in zip(done.logits, done.scores, strict=True):
        promised = distribution(raw[0].double().numpy(), params)
        given = torch.softmax(processed[0].double(), dim=-1).numpy()
        assert np.abs(given - promised).max() < 1e-6


@pytest.mark.engine("transformers")
def test_transformers_is_greedy_where_promised(folder: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(folder, tmp_path / "model")
    text = render_checked("transformers", SamplingParams(temperature=0)).text
    apply_change(plan_change(exporter_of("transformers"), text, tmp_path / "model"))
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32).eval()
    prompt = torch.tensor([[0, 300, 400, 500]])
    first, again = (model.generate(prompt, max_new_tokens=8, pad_token_id=0).tolist() for _ in range(2))
    with torch.no_grad():
        assert first[0][4] == int(model(prompt).logits[0, -1].argmax())
    assert first == again


class _Chain:
    """The samplers of llama.cpp in the sequence that flags name, as its own programs build them."""

    def __init__(self, flags: str) -> None:
        import llama_cpp

        words = shlex.split(flags)
        values = dict(zip(words[::2], words[1::2], strict=True))
        self.api = llama_cpp
        make = {
            "temperature": lambda: llama_cpp.llama_sampler_init_temp(float(values["--temp"])),
            "top_k": lambda: llama_cpp.llama_sampler_init_top_k(int(values["--top-k"])),
            "top_p": lambda: llama_cpp.llama_sampler_init_top_p(float(values["--top-p"]), 0),
            "min_p": lambda: llama_cpp.llama_sampler_init_min_p(float(values["--min-p"]), 0),
            "typ_p": lambda: llama_cpp.llama_sampler_init_typical(float(values["--typical"]), 0),
            "top_n_sigma": lambda: llama_cpp.llama_sampler_init_top_n_sigma(float(values["--top-nsigma"])),
        }
        self.samplers = [make[name]() for name in values["--samplers"].split(";")]

    def distribution(self, logits: np.ndarray) -> np.ndarray:
        rows = (self.api.llama_token_data * len(logits))()
        for token, value in enumerate(logits):
            rows[token].id, rows[token].logit, rows[token].p = token, float(value), 0.0
        array = self.api.llama_token_data_array(data=rows, size=len(logits), selected=-1, sorted=False)
        for sampler in self.samplers:
            self.api.llama_sampler_apply(sampler, ctypes.byref(array))
        kept = [(array.data[i].id, array.data[i].logit) for i in range(array.size)]
        out = np.zeros(len(logits))
        scores = np.array([logit for _, logit in kept], dtype=np.float64)
        weights = np.exp(scores - scores.max())
        out[[token for token, _ in kept]] = weights / weights.sum()
        return out


@pytest.mark.engine("llama_cpp")
@pytest.mark.parametrize("case", [*CASES, {"temperature": 0.0}, {"temperature": 0.9, "top_n_sigma": 1.2}], ids=str)
def test_llama_cpp_draws_from_what_was_promised(case: dict[str, Any]) -> None:
    params = SamplingParams(**case)
    chain = _Chain(render_checked("llama.cpp", params).text)
    generator = np.random.default_rng(1)
    for _ in range(5):
        logits = (generator.normal(size=300) * 3).astype(np.float32)
        given = chain.distribution(logits)
        assert np.abs(given - distribution(logits, params)).max() < 1e-6
