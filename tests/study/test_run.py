"""The run: resumable after a kill at any moment, bound to its plan and model, and equal to an undisturbed run."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import polars as pl
import pytest

from tempering.errors import PlanError, PromptError, RunFormatError, StoreError
from tempering.models.base import Answer, LogitsModel, Served, TextInfo, TextRequest
from tempering.models.onnx import OnnxModel
from tempering.study import run
from tempering.study.analysis import NEXT_TOKEN, load_results
from tempering.study.audit import AUDIT
from tempering.study.between import BETWEEN
from tempering.study.manifest import RunManifest
from tempering.study.plan import StudyPlan, make_plan
from tempering.study.presets.turning import STEP_CURVES
from tempering.study.run import Progress, _generate_missing, forecast, requests_of, run_study
from tempering.study.steps import Steps, real_steps
from tempering.study.store import RUN, SAMPLES, open_store, read_completions
from tempering.study.thermodynamics import THERMODYNAMICS


@pytest.fixture(scope="module")
def finished(model: OnnxModel, plan: StudyPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "small"
    run_study(plan, model, folder)
    return folder


def _copy(source: Path, target: Path, *, keep: int, torn: bytes = b"") -> Path:
    """Return a folder as a kill would leave it: the first samples, and perhaps a torn line."""
    target.mkdir()
    (target / RUN).write_bytes((source / RUN).read_bytes())
    lines = (source / SAMPLES).read_bytes().splitlines(keepends=True)
    (target / SAMPLES).write_bytes(b"".join(lines[:keep]) + torn)
    return target


def test_a_finished_run_holds_what_the_plan_asks_for(finished: Path, plan: StudyPlan) -> None:
    results = load_results(finished)
    assert len(results.completions) == plan.size == 12
    assert results.values.height == 12 * results.trends.height
    assert results.estimates.height == 3 * results.trends.height
    assert results.next_token
    assert set(results.next_token.probabilities) == set(plan.temperatures)
    tables = json.loads((finished / "estimates.json").read_text())
    assert tables["estimates"] == results.estimates.to_dicts()
    frame = pl.read_parquet(finished / "samples.parquet")
    assert frame.height == 12
    assert frame["text"].to_list() == [c.text for c in results.completions]
    assert pl.read_parquet(finished / "measures.parquet").equals(results.values)


def test_samples_are_paired_across_temperatures(finished: Path) -> None:
    """At T=0 both samples are the greedy text; the seeds of all are the plan's."""
    done = read_completions(finished)
    greedy = {c.text for c in done if c.params.temperature == 0 and c.prompt == "The dragon"}
    assert len(greedy) == 1
    assert {c.params.seed for c in done} == {0}


@pytest.mark.parametrize("keep", [0, 1, 7, 11, 12])
@pytest.mark.parametrize("torn", [b"", b'{"prompt": "Once', b'{"prompt": "x"}'])
def test_a_killed_run_ends_as_an_undisturbed_one(
    finished: Path, model: OnnxModel, plan: StudyPlan, tmp_path: Path, *, keep: int, torn: bytes
) -> None:
    folder = _copy(finished, tmp_path / "killed", keep=keep, torn=torn)
    results = run_study(plan, model, folder)
    undisturbed = load_results(finished)
    assert results.completions == undisturbed.completions
    assert results.estimates.equals(undisturbed.estimates)
    assert len((folder / SAMPLES).read_bytes().splitlines()) == 12, "nothing is generated twice"


def test_a_real_kill_loses_nothing(tmp_path: Path, model: OnnxModel) -> None:
    """SIGKILL in mid-run, three times at moments that differ; then the run ends as if nothing had happened."""
    folder, whole = tmp_path / "killed", tmp_path / "whole"
    arguments = ["study", "--prompt", "Tom", "--samples", "40", "--max-tokens", "12", "-T", "0.5,1.5", "--quiet"]
    command = [sys.executable, "-m", "tempering", *arguments, "--out", str(folder)]
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = len(read_completions(folder))
        while process.poll() is None and len(read_completions(folder)) < before + 5:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    plan = make_plan({"prompts": ["Tom"], "samples": 40, "max_tokens": 12, "temperatures": "0.5,1.5"})
    undisturbed = run_study(plan, model, whole)
    assert load_results(folder).completions == undisturbed.completions


def test_a_complete_run_generates_nothing(finished: Path, model: OnnxModel, plan: StudyPlan) -> None:
    before, seen = (finished / SAMPLES).read_bytes(), list[Progress]()
    run_study(plan, model, finished, on_progress=seen.append)
    assert (finished / SAMPLES).read_bytes() == before
    assert [(p.samples, p.total, p.work) for p in seen] == [(12, 12, 1.0)]


def test_what_a_run_has_found_of_the_model_is_found_once(
    finished: Path, model: OnnxModel, plan: StudyPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    found, asked = (folder / AUDIT).read_bytes(), list[StudyPlan]()

    def counted(model: LogitsModel, plan: StudyPlan) -> Steps:
        asked.append(plan)
        return real_steps(model, plan)

    monkeypatch.setattr(run, "real_steps", counted)
    run_study(plan, model, folder)
    assert not asked
    for damage in (b"{", None):
        (folder / AUDIT).unlink() if damage is None else (folder / AUDIT).write_bytes(damage)
        run_study(plan, model, folder)
        assert (folder / AUDIT).read_bytes() == found
    assert len(asked) == 2
    record = json.loads((folder / RUN).read_text())
    record["manifest"]["tempering"] = "0.0.0"
    (folder / RUN).write_text(json.dumps(record))
    run_study(plan, model, folder)
    assert len(asked) == 3, "another version of the library may find something else"


def test_other_weights_of_a_server_are_refused(plan: StudyPlan, tmp_path: Path) -> None:
    def manifest(**fingerprint: str) -> RunManifest:
        return RunManifest(model="http://m/v1#m", fingerprint=fingerprint)

    with open_store(tmp_path / "run", plan, manifest(listed="{}", greedy="a", build="1")):
        pass
    for same in (manifest(listed="{}", greedy="a", build="2"), manifest(greedy="a"), manifest()):
        with open_store(tmp_path / "run", plan, same) as store:
            assert store.manifest.fingerprint["greedy"] == "a"
    for other, said in ((manifest(greedy="b"), "writes another text at T = 0"), (manifest(listed="[]"), "other facts")):
        with (
            pytest.raises(PlanError, match=rf"begun with other weights: http://m/v1#m.*{said}"),
            open_store(tmp_path / "run", plan, other),
        ):
            pass


def test_progress_rises_to_one(model: OnnxModel, plan: StudyPlan, tmp_path: Path) -> None:
    seen = list[Progress]()
    run_study(plan, model, tmp_path / "run", on_progress=seen.append)
    work = [p.work for p in seen]
    assert work == sorted(work)
    assert work[0] == 0
    assert work[-1] == 1
    assert seen[-1].samples == 12


@pytest.mark.parametrize(
    ("key", "value"),
    [("samples", 3), ("seed", 1), ("temperatures", (0.0, 1.0)), ("max_tokens", 17), ("params", {"top_p": 0.9})],
)
def test_a_changed_plan_is_refused(finished: Path, model: OnnxModel, plan: StudyPlan, key: str, value: object) -> None:
    changed = make_plan(plan.model_dump() | {key: value})
    before = (finished / SAMPLES).read_bytes()
    with pytest.raises(PlanError, match=rf"another plan \({key}\)"):
        run_study(changed, model, finished)
    assert (finished / SAMPLES).read_bytes() == before


def test_another_model_is_refused(finished: Path, model: OnnxModel, plan: StudyPlan, tmp_path: Path) -> None:
    folder = _copy(finished, tmp_path / "other", keep=2)
    run = json.loads((folder / RUN).read_text())
    run["manifest"]["model"] = "tempering-stories@000000000000"
    (folder / RUN).write_text(json.dumps(run))
    with pytest.raises(PlanError, match="begun with the model tempering-stories@000000000000"):
        run_study(plan, model, folder)


def test_another_format_is_refused(finished: Path, model: OnnxModel, plan: StudyPlan, tmp_path: Path) -> None:
    folder = _copy(finished, tmp_path / "future", keep=2)
    run = json.loads((folder / RUN).read_text())
    run["manifest"] |= {"format": 99, "tempering": "9.0"}
    (folder / RUN).write_text(json.dumps(run))
    message = r"run format 99, this version of tempering reads 1; .* tempering 9\.0"
    with pytest.raises(RunFormatError, match=message):
        run_study(plan, model, folder)
    with pytest.raises(RunFormatError, match=message):
        load_results(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"manifest": {"format": 1}}', b"\xff"])
def test_a_damaged_plan_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RUN).write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        load_results(tmp_path)


@pytest.mark.parametrize("name", [NEXT_TOKEN, AUDIT, STEP_CURVES, THERMODYNAMICS, BETWEEN])
@pytest.mark.parametrize(("content", "what"), [(b"[{}]", "made by another version"), (b"{", "damaged")])
def test_what_was_made_and_cannot_be_read_is_said_and_made_again(  # noqa: PLR0917 - fixtures
    finished: Path, model: OnnxModel, plan: StudyPlan, tmp_path: Path, name: str, content: bytes, what: str
) -> None:
    folder = tmp_path / "small"
    shutil.copytree(finished, folder)
    (folder / name).write_bytes(content)
    with pytest.raises(StoreError, match=rf"{name} (is|was) {what}.*; repeat the study to make it again"):
        load_results(folder)
    run_study(plan, model, folder)
    assert load_results(folder) is not None
    made = {path.name: path.read_bytes() for path in finished.glob("*.json") if path.name != RUN}
    assert {path.name: path.read_bytes() for path in folder.glob("*.json") if path.name != RUN} == made


def test_a_report_knows_the_margins_and_the_reference_of_the_study(
    finished: Path, model: OnnxModel, plan: StudyPlan, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    shutil.copytree(finished, folder)
    told = run_study(plan, model, folder, against=0.0, margins={"unique_word_share": 0.05})
    again = load_results(folder)
    assert again.against == 0
    assert again.comparisons.equals(told.comparisons)
    assert set(again.comparisons["margin"]) == {0.05, None}
    other = load_results(folder, margins={})
    assert other.against == 0
    assert set(other.comparisons["margin"]) == {None}
    assert load_results(finished).against == run_study(plan, model, folder).against != 0
    assert set(load_results(folder).comparisons["margin"]) == {None}


def test_a_damaged_line_is_named(finished: Path, tmp_path: Path) -> None:
    folder = _copy(finished, tmp_path / "damaged", keep=3)
    lines = (folder / SAMPLES).read_bytes().splitlines(keepends=True)
    (folder / SAMPLES).write_bytes(lines[0] + b"{oops}\n" + lines[2])
    with pytest.raises(StoreError, match="line 2: damaged"):
        load_results(folder)


def test_folders_that_cannot_be_used(finished: Path, model: OnnxModel, plan: StudyPlan, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot write"):
        run_study(plan, model, tmp_path / "file" / "run")
    with pytest.raises(StoreError, match="not a run folder and holds other files"):
        run_study(plan, model, tmp_path)
    with pytest.raises(StoreError, match=f"it has no {RUN}"):
        load_results(tmp_path)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / RUN).write_bytes((finished / RUN).read_bytes())
    with pytest.raises(StoreError, match="holds no sample yet"):
        load_results(tmp_path / "begun")


def test_a_run_in_use_is_not_entered(finished: Path, model: OnnxModel, plan: StudyPlan) -> None:
    code = (
        "import sys; from pathlib import Path; from tempering.study.store import *;"
        f"folder = Path({str(finished)!r}); run = read_run(folder)\n"
        "with open_store(folder, run.plan, run.manifest): print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(StoreError, match="in use by another"):
        run_study(plan, model, finished)
    process.communicate()


def test_a_full_disk_keeps_what_is_stored(
    model: OnnxModel, plan: StudyPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, sync = 0, os.fsync

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device; what is there is kept"):
        run_study(plan, model, tmp_path / "run")
    monkeypatch.undo()
    assert 4 <= len(read_completions(tmp_path / "run")) < 12
    assert len(run_study(plan, model, tmp_path / "run").completions) == 12


def test_a_plan_without_zero_gets_its_exemplars(model: OnnxModel, plan: StudyPlan, tmp_path: Path) -> None:
    hot = make_plan(plan.model_dump() | {"temperatures": (0.9, float("inf"))})
    results = run_study(hot, model, tmp_path / "hot")
    assert len(results.completions) == 8
    assert sum(c.params.temperature == 0 for c in read_completions(tmp_path / "hot")) == 2
    similarity = results.values.filter(pl.col("measure") == "exemplar_similarity")
    assert similarity["value"].null_count() == 0
    assert 0 not in results.estimates["temperature"].to_list()


def test_a_prompt_must_leave_room(model: OnnxModel, tmp_path: Path) -> None:
    plan = make_plan({"prompts": ["word " * 490], "max_tokens": 160})
    with pytest.raises(PromptError, match="leaves room for"):
        run_study(plan, model, tmp_path / "run")
    longer = make_plan({"prompts": [{"id": "long", "text": "word " * 600}]})
    with pytest.raises(PromptError, match=r"prompt 'long' cannot be read, shorten or change it: .* holds 512"):
        run_study(longer, model, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_forecast_counts_what_is_left(finished: Path, model: OnnxModel, plan: StudyPlan, tmp_path: Path) -> None:
    fresh = forecast(plan, model, tmp_path / "none")
    assert (fresh.cells, fresh.samples, fresh.stored, fresh.tokens) == (6, 12, 0, 192)
    assert fresh.seconds > 0
    assert not (tmp_path / "none").exists()
    folder = _copy(finished, tmp_path / "part", keep=5)
    assert forecast(plan, model, folder).stored == 5
    assert len(list(requests_of(plan))) == 12


class Scribe:
    """A server in process whose texts are long and which keeps none of them."""

    def __init__(self) -> None:
        self.info = TextInfo("http://scribe/v1#s", "http://scribe/v1#s", {})

    def write(
        self, requests: Iterable[TextRequest], *, on_text: Callable[[int, str], None] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        for index, _ in enumerate(requests):
            yield index, Answer(f"{index} " + "word " * 1000, "length", Served(completion_tokens=9))


def _generation_peak(folder: Path, samples: int) -> int:
    """Return the most bytes that Python held while the samples of a plan were generated and stored."""
    plan = make_plan({"prompts": ["Tom"], "temperatures": [0, 1], "samples": samples, "max_tokens": 9})
    with open_store(folder, plan, RunManifest(model="s")) as store:
        tracemalloc.start()
        try:
            _generate_missing(store, Scribe(), None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_memory_is_bounded_by_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 texts of 5 kB: a key of each is held (some 300 bytes), and no text."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    small, large = _generation_peak(tmp_path / "small", 50), _generation_peak(tmp_path / "large", 500)
    assert (tmp_path / "large" / SAMPLES).stat().st_size > 5_000_000
    assert large - small < 900 * 400


def test_a_sample_is_appended_without_reading_the_others(
    finished: Path, plan: StudyPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _copy(finished, tmp_path / "part", keep=11)
    extra = read_completions(finished)[11]
    with open_store(folder, plan, load_results(finished).manifest) as store:
        for name in ("read_bytes", "read_text"):
            monkeypatch.setattr(Path, name, lambda path: pytest.fail("the file is read as a whole"))
        store.append(extra)
        monkeypatch.undo()
    assert read_completions(folder)[11] == extra
