"""A logits processor for llama-cpp-python. Needs nothing but NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tempering.params import SamplingParams
from tempering.sampling.draw import draw
from tempering.sampling.mirostat import refuse_state
from tempering.sampling.penalties import Context

Ids = NDArray[np.intc]
Scores = NDArray[np.float32]


def logits_processor(params: SamplingParams, *, sequence: int = 0) -> Callable[[Ids, Scores], Scores]:
    """Return a processor for ``Llama.create_completion(logits_processor=LogitsProcessorList([...]))``.

    The token is drawn here, with the noise of this library: llama.cpp's own chain sees one token that is left, so that
    its defaults (top-k 40, top-p 0.95, min-p 0.05) cannot act. Use a new one for each text.

    Args:
        params: the settings, with their order and the seed.
        sequence: which text, in [0, 2**64).

    Raises:
        ParameterError: mirostat, whose state a logits processor cannot carry.

    Example:
        >>> process = logits_processor(SamplingParams(temperature=0))
        >>> process(np.array([5, 6]), np.array([0.0, 2.0, 1.0], dtype=np.float32))
        array([-inf,   0., -inf], dtype=float32)
    """
    refuse_state(params)
    begun: list[int] = []

    def process(ids: Ids, scores: Scores) -> Scores:
        begun.append(len(ids))
        prompt, whole = begun[0], tuple(int(token) for token in ids)
        context = Context(whole[:prompt], whole[prompt:])
        token = int(draw(scores, params, sequence=sequence, step=len(whole) - prompt, context=context))
        out = np.full_like(scores, -np.inf)
        out[token] = 0.0
        return out

    return process
