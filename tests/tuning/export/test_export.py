"""Exports: read back they mean the same, what acts by default is off, what cannot be told is refused."""

from __future__ import annotations

import json
import shlex
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempering import SamplingParams, distribution
from tempering.errors import ExportError
from tempering.tuning.export import EXPORTERS, exporter_of, render_checked

LOGITS = np.random.default_rng(0).normal(size=(20, 50)) * 3
ORDER_NAMES = ("transformers", "llama.cpp", "vllm", "mlx-lm")

anything = st.builds(
    SamplingParams,
    temperature=st.one_of(st.just(0.0), st.floats(0.05, 2.0)),
    top_k=st.sampled_from([0, 0, 3, 20]),
    top_p=st.sampled_from([1.0, 1.0, 0.5, 0.95]),
    min_p=st.sampled_from([0.0, 0.0, 0.05, 0.3]),
    typical_p=st.sampled_from([1.0, 1.0, 1.0, 0.9]),
    top_n_sigma=st.sampled_from([0.0, 0.0, 0.0, 1.5]),
    order=st.sampled_from(ORDER_NAMES),
)


@pytest.mark.parametrize("name", sorted(EXPORTERS))
@given(params=anything)
@settings(max_examples=40, deadline=None)
def test_what_is_exported_means_what_was_measured(name: str, params: SamplingParams) -> None:
    exporter = exporter_of(name)
    try:
        text = exporter.render(params).text
    except ExportError:
        return
    back = exporter.parse(text)
    assert distribution(LOGITS, back) == pytest.approx(distribution(LOGITS, params), abs=1e-9)
    assert exporter.render(back).text == text


@pytest.mark.parametrize("name", sorted(EXPORTERS))
@pytest.mark.parametrize("temperature", [0.0, 0.01, 0.7, 2.0])
def test_every_target_takes_a_plain_temperature(name: str, temperature: float) -> None:
    params = SamplingParams(temperature=temperature, seed=7)
    assert exporter_of(name).parse(render_checked(name, params).text).temperature == temperature


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("vllm", {"temperature": 2.5}, "from 0.01 to 2"),
        ("vllm", {"temperature": 0.005}, "from 0.01 to 2"),
        ("vllm", {"typical_p": 0.9}, "cannot be told typical_p"),
        ("vllm", {"temperature": 1.5, "top_p": 0.9, "order": "llama.cpp"}, "tempering tune --for vllm"),
        ("transformers", {"frequency_penalty": 0.5}, "cannot be told frequency_penalty"),
        ("transformers", {"temperature": float("inf")}, "infinite"),
        ("llama.cpp", {"eta": 0.1}, "cannot be told eta"),
        ("llama.cpp", {"repetition_penalty": 1.1}, "cannot be told repetition_penalty"),
        ("ollama", {"min_p": 0.1}, "cannot be told min_p"),
        ("openai", {"top_p": 0.9}, "cannot be told top_p"),
        ("litellm", {"temperature": 3}, "from 0 to 2"),
        ("lm-studio", {"temperature": 1.5, "top_p": 0.9}, "tempering tune --for lm-studio"),
        ("vllm", {"xtc_probability": 0.5}, "cannot be told xtc_probability"),
    ],
)
def test_what_cannot_be_told_is_refused(name: str, params: dict[str, Any], said: str) -> None:
    with pytest.raises(ExportError, match=said):
        render_checked(name, SamplingParams(**params))


def test_an_unknown_engine_lists_the_known() -> None:
    with pytest.raises(ExportError, match="must be one of"):
        exporter_of("abacus")


def test_min_p_is_translated_between_orders() -> None:
    rendered = render_checked("vllm-request", SamplingParams(temperature=2, min_p=0.09, order="llama.cpp"))
    assert json.loads(rendered.text)["min_p"] == pytest.approx(0.3)
    assert "min_p 0.09 is 0.3 in the order of vllm" in rendered.warnings[0]


def test_defaults_that_act_are_switched_off() -> None:
    params = SamplingParams(temperature=0.7)
    transformers = json.loads(render_checked("transformers", params).text)
    assert (transformers["do_sample"], transformers["top_k"]) == (True, 0)
    assert json.loads(render_checked("transformers", SamplingParams(temperature=0)).text)["do_sample"] is False
    flags = shlex.split(render_checked("llama.cpp", params).text)
    pairs = dict(zip(flags[::2], flags[1::2], strict=True))
    assert (pairs["--top-k"], pairs["--top-p"], pairs["--min-p"], pairs["--samplers"]) == (
        "0",
        "1.0",
        "0.0",
        "temperature",
    )
    options = json.loads(render_checked("ollama-request", params).text)["options"]
    assert (options["top_k"], options["top_p"], options["repeat_penalty"]) == (0, 1.0, 1.0)
    served = json.loads(shlex.split(render_checked("vllm-serve", params).text)[1])
    assert (served["top_k"], served["top_p"], served["min_p"]) == (0, 1.0, 0.0)
    preset = json.loads(render_checked("lm-studio", params).text)
    fields = {item["key"]: item["value"] for item in preset["operation"]["fields"]}
    assert fields["llm.prediction.minPSampling"]["checked"] is False
    assert fields["llm.prediction.topKSampling"] == 0


def test_warnings_say_what_each_engine_does_with_the_file() -> None:
    params = SamplingParams(temperature=0.7)
    assert any("ignored on /v1" in warning for warning in render_checked("ollama", params).warnings)
    assert any("request that names a field" in warning for warning in render_checked("vllm-serve", params).warnings)
    for target in ("ollama", "ollama-request", "lm-studio"):
        assert any("checked in" in warning for warning in render_checked(target, params).warnings)
    assert any("refuse a temperature" in warning for warning in render_checked("openai", params).warnings)


def test_llama_cpp_is_told_any_order() -> None:
    params = SamplingParams(temperature=1.5, top_p=0.8, min_p=0.1, order=("min_p", "temperature", "top_p"))
    request = json.loads(render_checked("llama.cpp-request", params).text)
    assert request["samplers"] == ["min_p", "temperature", "top_p"]


def test_a_file_that_is_there_keeps_what_is_not_ours() -> None:
    old = '{"eos_token_id": 2, "temperature": 0.6, "top_k": 50}'
    merged = json.loads(exporter_of("transformers").merge(old, render_checked("transformers", SamplingParams()).text))
    assert (merged["eos_token_id"], merged["temperature"], merged["top_k"]) == (2, 1.0, 0)
    modelfile = 'FROM llama3\nPARAMETER temperature 0.1\nPARAMETER num_ctx 4096\nSYSTEM """Be brief."""\n'
    merged_file = exporter_of("ollama").merge(modelfile, render_checked("ollama", SamplingParams(temperature=0.7)).text)
    assert merged_file.count("PARAMETER temperature") == 1
    assert "PARAMETER temperature 0.7" in merged_file
    assert "num_ctx 4096" in merged_file
    assert "Be brief" in merged_file


@pytest.mark.parametrize("name", ["llama.cpp", "llama.cpp-request"])
def test_a_foreign_sampler_is_not_read_as_ours(name: str) -> None:
    text = render_checked(name, SamplingParams(temperature=0.7)).text
    changed = text.replace("--dry-multiplier 0.0", "--dry-multiplier 0.8").replace(
        '"dry_multiplier": 0.0', '"dry_multiplier": 0.8'
    )
    with pytest.raises(ExportError, match="not ours"):
        exporter_of(name).parse(changed)
