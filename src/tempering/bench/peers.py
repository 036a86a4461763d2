"""Who is timed: each peer draws a token a row its own way. Knows jobs; knows nothing of clocks."""

from __future__ import annotations

import ctypes
import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tempering.bench.jobs import GRID, Job

OURS = "tempering"

Work = Callable[[], object]
Prepare = Callable[[Job, NDArray[np.float32]], Work | None]
"""From a job and its rows to the work that is timed; None where the peer has no such rule."""


def _ours(job: Job, rows: NDArray[np.float32]) -> Work | None:
    from tempering.sampling.draw import draw  # noqa: PLC0415 - each peer loads its own
    from tempering.sampling.plan import available  # noqa: PLC0415
    from tempering.sampling.temperatures import draw_at, envelope_of, log_z  # noqa: PLC0415

    sequences = np.arange(len(rows))
    if job.rule == "read":
        if not available():
            return rows.sum
        from tempering.sampling.kernels.scan import total  # noqa: PLC0415

        return lambda: [total(row) for row in rows]
    if job.rule == "32-temperatures":
        return lambda: draw_at(rows, GRID, seed=1, sequence=sequences)
    if job.rule == "32-log-z":
        return lambda: log_z(rows, GRID)
    if job.rule == "envelope":
        return lambda: [envelope_of(row, 2.0, seed=1, sequence=place) for place, row in enumerate(rows)]
    params, method = job.params, "inverse" if job.rule == "plain-inverse" else "gumbel"
    return lambda: draw(rows, params, seed=1, sequence=sequences, method=method)


def _transformers(job: Job, rows: NDArray[np.float32]) -> Work | None:
    import torch  # noqa: PLC0415
    from transformers.generation import logits_process as engine  # noqa: PLC0415

    make: dict[str, Any] = {
        "plain-gumbel": [],
        "plain-inverse": [],
        "top-k": [engine.TopKLogitsWarper(40)],
        "top-p": [engine.TopPLogitsWarper(0.9)],
        "min-p": [engine.MinPLogitsWarper(0.05)],
        "typical": [engine.TypicalLogitsWarper(mass=0.9)],
        "eta": [engine.EtaLogitsWarper(epsilon=0.001)],
        "chain": [engine.TopKLogitsWarper(40), engine.TopPLogitsWarper(0.95), engine.MinPLogitsWarper(0.05)],
    }
    if job.rule not in make:
        return None
    scores = torch.from_numpy(rows)
    warpers = [engine.TemperatureLogitsWarper(job.params.temperature), *make[job.rule]]

    def work() -> object:
        left = scores
        for warper in warpers:
            left = warper(None, left)
        return torch.multinomial(torch.softmax(left, dim=-1), 1)

    return work


def _torch(job: Job, rows: NDArray[np.float32]) -> Work | None:
    import torch  # noqa: PLC0415

    from tempering.adapters.torch import draw  # noqa: PLC0415

    tensor, sequences, params = torch.from_numpy(rows), torch.arange(len(rows)), job.params
    if job.rule == "read":
        return lambda: [tensor.sum()]
    if job.rule.startswith("32-") or job.rule == "envelope":
        return None
    method = "inverse" if job.rule == "plain-inverse" else "gumbel"
    return lambda: draw(tensor, params, seed=1, sequence=sequences, method=method)


def _llama_cpp(job: Job, rows: NDArray[np.float32]) -> Work | None:
    import llama_cpp  # noqa: PLC0415

    last = llama_cpp.llama_sampler_init_temp(job.params.temperature)
    make: dict[str, Any] = {
        "plain-gumbel": lambda: [last],
        "plain-inverse": lambda: [last],
        "top-k": lambda: [llama_cpp.llama_sampler_init_top_k(40), last],
        "top-p": lambda: [llama_cpp.llama_sampler_init_top_p(0.9, 1), last],
        "min-p": lambda: [llama_cpp.llama_sampler_init_min_p(0.05, 1), last],
        "typical": lambda: [llama_cpp.llama_sampler_init_typical(0.9, 1), last],
        "top-n-sigma": lambda: [llama_cpp.llama_sampler_init_top_n_sigma(1.0), last],
        "chain": lambda: [
            llama_cpp.llama_sampler_init_top_k(40),
            llama_cpp.llama_sampler_init_top_p(0.95, 1),
            llama_cpp.llama_sampler_init_min_p(0.05, 1),
            last,
        ],
    }
    if job.rule not in make:
        return None
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    for sampler in [*make[job.rule](), llama_cpp.llama_sampler_init_dist(1)]:
        llama_cpp.llama_sampler_chain_add(chain, sampler)
    # Its own layout of candidates, 12 bytes a token, filled anew for each row as its sampling loop does.
    layout = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
    candidates, ids = np.zeros(job.vocabulary, dtype=layout), np.arange(job.vocabulary, dtype=np.int32)
    address = ctypes.cast(candidates.ctypes.data, llama_cpp.llama_token_data_p)

    def work() -> object:
        for row in rows:
            candidates["id"], candidates["logit"], candidates["p"] = ids, row, 0.0
            array = llama_cpp.llama_token_data_array(address, job.vocabulary, -1, False)
            llama_cpp.llama_sampler_apply(chain, ctypes.byref(array))
        return array.selected

    return work


def _version(*names: str) -> str:
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


PEERS: Mapping[str, tuple[Prepare, tuple[str, ...], Mapping[str, str]]] = {
    "tempering": (_ours, ("numba", "numpy"), {}),
    "numpy": (_ours, ("numpy",), {"TEMPERING_KERNELS": "off"}),
    "torch": (_torch, ("torch",), {}),
    "transformers": (_transformers, ("transformers", "torch"), {}),
    "llama.cpp": (_llama_cpp, ("llama-cpp-python",), {}),
}
"""Peers by name: how work is prepared, the packages it needs, and what is set in its process.

``numpy`` is this library without its compiled loops; ``torch`` is its torch path.
"""


def versions(peer: str) -> str:
    """Return the versions of a peer's packages.

    Raises:
        PackageNotFoundError: one is not installed.
    """
    return _version(*PEERS[peer][1])
