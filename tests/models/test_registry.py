"""Names of models: each leads to a loader that is there, and what is not installed says how to install it."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from tempering.errors import MissingExtraError, UnknownModelError
from tempering.models import registry
from tempering.models.registry import BACKENDS, NEEDS, load_model, missing_extra


@pytest.mark.parametrize("kind", BACKENDS)
def test_each_kind_has_a_loader(kind: str) -> None:
    module, _, attribute = BACKENDS[kind][0].partition(":")
    assert callable(getattr(import_module(module), attribute))
    assert BACKENDS[kind][1].startswith(kind)


def test_what_is_missing_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    lines = {kind: missing_extra(kind) for kind in BACKENDS}
    assert {kind for kind, line in lines.items() if line} == set(NEEDS)
    assert lines["gguf"] == "pip install 'tempering[gguf]'"
    assert lines["hf"] == "pip install 'tempering[transformers]'"


def test_an_engine_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tempering\[transformers\]'") as caught:
        load_model("hf:org/name")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "nothing", "nothing:here", "embedded:more", "httpx://host/v1"])
def test_other_names_are_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(UnknownModelError, match=r"gguf:\./model\.gguf, onnx:\./folder, http://host:port/v1#model"):
        load_model(name)
