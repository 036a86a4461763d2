"""A logits processor for ``generate`` of transformers. Needs the extra ``transformers``."""

from __future__ import annotations

import math
from typing import Any

from tempering.adapters.torch import Tensor, distribution, draw
from tempering.errors import MissingExtraError
from tempering.params import SamplingParams
from tempering.sampling.mirostat import refuse_state
from tempering.sampling.penalties import Context

try:
    import torch
    from transformers import LogitsProcessor
except ImportError:
    raise MissingExtraError(
        "transformers is not installed; install it with: pip install 'tempering[transformers]'"
    ) from None


class TemperingLogitsProcessor(LogitsProcessor):  # type: ignore[misc]
    """Puts the settings, in their order, into ``model.generate(logits_processor=[...])``.

    By default the token is drawn here, with the noise of this library: ``generate`` sees one token that is left,
    whatever its own sampling settings are, and the text is a pure function of seed, row and logits. With
    ``draws=False`` it sees log-probabilities and draws itself; its own temperature and truncation must then be off
    (``do_sample=True, temperature=1.0, top_k=0, top_p=1.0``), as a model's ``generation_config`` may have set them.

    Use a new one for each call of ``generate``: the first call tells it how long the prompt is.

    Args:
        params: the settings, with the seed.
        draws: whether the token is drawn here.
        sequences: which text each row is, one number a row; the row's index unless given.

    Raises:
        ParameterError: mirostat, whose state a logits processor cannot carry.
        LogitsError: the model gave logits that must not be sampled; the row is named.

    Example:
        model.generate(**inputs, logits_processor=[TemperingLogitsProcessor(SamplingParams(min_p=0.1))])
    """

    def __init__(self, params: SamplingParams, *, draws: bool = True, sequences: list[int] | None = None) -> None:
        refuse_state(params)
        self.params, self.draws, self.sequences = params, draws, sequences
        self._prompt = -1

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores [rows, vocab] in which only what may be drawn is above -inf."""
        rows, length = input_ids.shape
        if self._prompt < 0:
            self._prompt = length
        context = self._contexts(input_ids)
        if not self.draws:
            return distribution(scores, self.params, context).log().to(scores.dtype)
        sequences: Any = torch.arange(rows, device=scores.device)
        if self.sequences is not None:
            sequences = torch.tensor(self.sequences, device=scores.device)
        tokens = draw(scores, self.params, sequence=sequences, step=length - self._prompt, context=context)
        return torch.full_like(scores, -math.inf).scatter(1, tokens[:, None], 0.0)

    def _contexts(self, input_ids: Tensor) -> list[Context] | None:
        if {"penalties", "dry"}.isdisjoint(self.params.active_steps()):
            return None
        rows = input_ids.tolist()
        return [Context(tuple(row[: self._prompt]), tuple(row[self._prompt :])) for row in rows]
