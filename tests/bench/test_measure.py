"""The benchmark: it runs end to end on small rows, says what is missing, and its table holds what was timed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tempering.bench import peers
from tempering.bench.jobs import KINDS, RULES, Job, shape_of
from tempering.bench.measure import as_dict, as_markdown, measure
from tempering.cli import bench
from tempering.errors import TemperingError, UsageError


@pytest.mark.parametrize("kind", KINDS)
def test_every_job_has_rows_and_settings(kind: str) -> None:
    for rule in RULES:
        job = Job(rule, kind, 3, 500)
        assert job.logits().shape == (3, 500)
        assert (job.logits() == job.logits()).all()
        assert job.params.temperature == 0.8


def test_our_two_peers_time_every_rule() -> None:
    jobs = [Job(rule, "realistic", 2, 400) for rule in RULES]
    found = measure(jobs, ["tempering", "numpy"], runs=2)
    assert len(found.timings) == 2 * len(RULES)
    for timing in found.timings:
        assert timing.microseconds is not None
        assert timing.microseconds > 0
        assert timing.runs == 2
    page = as_markdown(found)
    assert "## 2 rows of 400, realistic" in page
    assert all(f"| {rule} |" in page for rule in RULES)
    record = json.loads(json.dumps(as_dict(found)))
    assert record["machine"]["threads a peer"] == 1
    assert {timing["rule"] for timing in record["timings"]} == set(RULES)


def test_a_missing_peer_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import tempering.bench.peers as p\n"
        "p.PEERS = dict(p.PEERS) | {'torch': (p.PEERS['torch'][0], ('no-such-package',), {})}\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(peers.__file__).parents[2]}")
    found = measure([Job("top-k", "normal", 1, 100)], ["tempering", "torch"], runs=1)
    assert found.peers["torch"] == "missing: no-such-package is not installed"
    assert [timing.peer for timing in found.timings] == ["tempering"]
    assert "- torch: missing" in as_markdown(found)


def test_a_peer_that_dies_is_an_error() -> None:
    with pytest.raises(TemperingError, match="has ended"):
        measure([Job("no-such-rule", "normal", 1, 10)], ["numpy"], runs=1)


@pytest.mark.parametrize("text", ["64", "0x5", "5x0", "axb", "1x1x1", "-1x4"])
def test_shapes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="64x128256"):
        shape_of(text)


def test_the_command_knows_every_peer_and_refuses_others(tmp_path: Path) -> None:
    assert tuple(peers.PEERS) == bench.PEERS
    with pytest.raises(UsageError, match="there is no rule 'top-q'"):
        bench.bench(rule=["top-q"], out=tmp_path)
