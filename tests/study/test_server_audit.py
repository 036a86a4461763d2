"""The audit of a server: what its probe found, in data and in words, and the least likely token that it drew."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tempering import Completion, SamplingParams
from tempering.models.base import Served
from tempering.report.audits import server_audit_in_words, server_cap_in_words
from tempering.study.server_audit import least_likely, server_audit
from tempering.study.server_probe import probe_server
from tests.study.test_probe import Sampler

SENT = SamplingParams(top_k=50, min_p=0.05)


def probe(**verdicts: str) -> dict[str, Any]:
    return {"findings": [{"key": key, "verdict": verdict} for key, verdict in verdicts.items()]}


def test_what_the_probe_found_becomes_the_audit() -> None:
    found = server_audit(
        SENT,
        {"server": "x"},
        probe(
            temperature_acts="yes", min_p_honoured="no", top_p_honoured="no", top_k_default="yes", defaults_act="yes"
        ),
    )
    assert (found.acting, found.ignored, found.defaults) == ({"top_k": 50, "min_p": 0.05}, ("min_p",), ("top_k",))
    assert found.moves
    assert found.warned
    said = server_audit_in_words(found)
    assert said[0] == "Temperature may not do what it says on this server: min_p is sent and not honoured."
    assert said[1] == "top_k 50 and min_p 0.05 act beside temperature, as sent."
    assert "defaults act (top_k)" in said[2]
    assert "no logits" in said[-1]


def test_a_server_that_nothing_speaks_against() -> None:
    plain = server_audit(SamplingParams(), {})
    assert server_cap_in_words(plain) == ""
    assert not plain.warned
    assert any("was not asked; tempering doctor" in sentence for sentence in server_audit_in_words(plain))
    asked = server_audit(SamplingParams(), {}, probe(temperature_acts="yes", defaults_act="no"))
    assert any("No default was seen to act" in sentence for sentence in server_audit_in_words(asked))
    assert server_audit(SamplingParams(), {}, probe(defaults_act="yes")).defaults == ("other defaults",)
    assert server_audit(SamplingParams(), {}, probe(temperature_acts="no")).warned
    assert "min_p is the preset's" in server_cap_in_words(
        server_audit(SamplingParams(), {"cannot be set": "min_p is the preset's"})
    )


@pytest.mark.parametrize(("faults", "defaults"), [({}, ()), ({"defaults": {"min_p": 0.1}}, ("min_p",))])
def test_defaults_of_a_real_probe_are_named(faults: dict[str, Any], defaults: tuple[str, ...]) -> None:
    found = server_audit(SENT, {}, probe_server(Sampler(**faults)).as_dict())
    assert (found.defaults, found.moves, found.ignored) == (defaults, True, ())


def served(t: float, own: tuple[float, ...], best: float, kind: Any = "raw") -> Completion:
    top = tuple((("a", best), ("b", best - 1)) for _ in own)
    said = Served(tokens=("a",) * len(own), logprobs=own, top=top, kind=kind)
    params = SamplingParams(temperature=t)
    return Completion("x", "y", (), own, None, None, "stop", params, "p", 0, "m", said)


def test_the_least_likely_token_bounds_a_hidden_min_p() -> None:
    texts = [served(0.5, (-9.0,), -0.5), served(2.0, (-0.5, -2.5), -0.5), served(2.0, (-1.0,), -0.5)]
    found = least_likely(texts)
    assert found
    assert (found.temperature, found.n) == (2.0, 3)
    assert found.ratio == pytest.approx(math.exp(-2))
    assert least_likely([served(1.0, (-1.0,), -0.5, "processed")]) is None
    assert least_likely([]) is None
    said = server_audit_in_words(server_audit(SamplingParams(), {}), found)
    assert any("Of 3 tokens drawn at T = 2 the least likely has 0.135" in sentence for sentence in said)
