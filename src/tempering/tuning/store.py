"""The folder of a tuning run: texts kept as they come, one run folder a truncation. Knows nothing of search.

    tune.json             the task and what ran it
    recommendation.json   the answer
    tuning.html           the answer as a page
    texts/LEVEL/          run folders (see study.store): every text at every T, for one truncation each

A search asks the same questions again after a kill, and texts that are there are not generated again: so the same
command goes on where it stopped and ends with the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tempering.generation.completion import Completion
from tempering.generation.decode import generate
from tempering.generation.request import Request
from tempering.models.base import Model
from tempering.params import SamplingParams
from tempering.study.manifest import RunManifest
from tempering.study.plan import make_plan
from tempering.study.store import RunStore, open_store, read_completions
from tempering.tuning.measured import key_of_request
from tempering.tuning.task import TuneTask

RECOMMENDATION, TEXTS = "recommendation.json", "texts"

Key = tuple[str, SamplingParams, int]


class TuneStore:
    """Texts of a tuning run; make one with ``open_tuning``."""

    def __init__(self, folder: Path, task: TuneTask, model: Model, seed: int, on_text: Callable[[], None]) -> None:
        self.folder, self.task, self.model, self.seed = folder, task, model, seed
        self.texts: dict[Key, Completion] = {}
        self.generated = 0
        self._on_text = on_text
        self._stack = ExitStack()
        self._runs: dict[tuple[float, float], RunStore] = {}

    def write(self, requests: Sequence[Request]) -> dict[Key, Completion]:
        """Return the texts asked for; those that are not there are generated and on the disk before they are used."""
        for request in requests:
            self._run(request.params)
        missing = {key_of_request(r): r for r in requests if key_of_request(r) not in self.texts}
        for completion in generate(self.model, list(missing.values())):
            self._run(completion.params).append(completion)
            self.texts[_key(completion)] = completion
            self.generated += 1
            self._on_text()
        return {key_of_request(r): self.texts[key_of_request(r)] for r in requests}

    def _run(self, params: SamplingParams) -> RunStore:
        level = (params.top_p, params.min_p)
        if level not in self._runs:
            folder = self.folder / TEXTS / f"top_p-{level[0]:g}_min_p-{level[1]:g}"
            own = {"top_p": level[0], "min_p": level[1]}
            values = self.task.model_dump(mode="json", include={"name", "max_tokens", "grader"})
            first, held = self.task.split(self.seed)
            plan = make_plan(
                values
                | {
                    "model": self.model.info.name,
                    "prompts": (*first, *held),
                    "temperatures": sorted({0.0, *self.task.temperatures}),
                    "seed": self.seed,
                    "params": self.task.params | own,
                }
            )
            manifest = RunManifest(model=self.model.info.identity)
            self._runs[level] = self._stack.enter_context(open_store(folder, plan, manifest))
            for completion in read_completions(folder):
                self.texts[_key(completion)] = completion
        return self._runs[level]

    def close(self) -> None:
        """Let other processes use the folder."""
        self._stack.close()


def _key(completion: Completion) -> Key:
    return completion.prompt_id, completion.params, completion.sample


@contextmanager
def open_tuning(
    folder: Path, task: TuneTask, model: Model, seed: int, on_text: Callable[[], None] = lambda: None
) -> Iterator[TuneStore]:
    """Open the folder of a tuning run: begin it, or go on with it if task and model are the same.

    Raises:
        PlanError: it was begun with another task or model.
        StoreError: it cannot be written, or is in use.
    """
    store = TuneStore(folder, task, model, seed, on_text)
    try:
        yield store
    finally:
        store.close()
