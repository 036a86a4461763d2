"""Texts that differ only in their settings, decoded together: one model step for all that still have the same tokens.

The draws are those of ``generate``, token by token: under shared noise neighbouring temperatures draw the same tokens
for a while, and the model need not read them once for each. Works under any settings, truncation after T included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tempering.errors import ParameterError
from tempering.generation.completion import Completion
from tempering.generation.decode import BATCH
from tempering.generation.forks import arrange
from tempering.generation.prompts import Prefixes
from tempering.generation.request import Request
from tempering.generation.row import Row, completion_of, draw_tokens
from tempering.models.base import LogitsModel
from tempering.sampling.noise import sequence_of


@dataclass
class Sharing:
    """What was saved so far.

    Attributes:
        steps: model steps computed (rows times steps).
        separate: steps that the same texts take one by one.
    """

    steps: int = 0
    separate: int = 0

    @property
    def ratio(self) -> float:
        """How many times fewer steps; 1 before the first.

        Example:
            >>> Sharing(steps=50, separate=80).ratio
            1.6
        """
        return self.separate / self.steps if self.steps else 1.0


@dataclass
class _Node:
    """Texts with the same tokens so far, in one row of the batch."""

    rows: list[Row] = field(default_factory=list)
    token: int = -1


def bundles(requests: Iterable[Request]) -> list[list[Request]]:
    """Return requests in bundles that share prompt and noise, in order of first appearance.

    Example:
        >>> from tempering import SamplingParams
        >>> asked = [Request("a", SamplingParams(temperature=t), s) for t in (0, 1) for s in (0, 1)]
        >>> [[(r.params.temperature, r.sample) for r in bundle] for bundle in bundles(asked)]
        [[(0.0, 0), (1.0, 0)], [(0.0, 1), (1.0, 1)]]
    """
    found: dict[tuple[object, ...], list[Request]] = {}
    for request in requests:
        key = (request.prompt, request.prompt_id, request.sample, request.params.seed, request.begin)
        found.setdefault(key, []).append(request)
    return list(found.values())


def generate_coupled(
    model: LogitsModel,
    groups: Iterable[list[Request]],
    *,
    batch_size: int = BATCH,
    on_token: Callable[[Request, int], None] | None = None,
    sharing: Sharing | None = None,
) -> Iterator[Completion]:
    """Yield a completion for each request, the same as ``generate`` gives, in the order in which they finish.

    Args:
        model: gives the logits and forks its cache.
        groups: requests in bundles that share prompt and noise, see ``bundles``; read as room becomes free.
        batch_size: how many texts are decoded together, >= 1; a bundle larger than it is cut.
        on_token: called with the request and each token as it is drawn (end tokens excepted).
        sharing: counts what is saved.

    Raises:
        PromptError: a prompt is empty, or fills the model's context.
        ParameterError: batch_size is below 1.
        LogitsError: the model gave logits that must not be sampled.

    Example:
        >>> from tempering import SamplingParams, load_model
        >>> asked = [Request("Once upon a time", SamplingParams(temperature=t), max_tokens=5) for t in (0.5, 0.51)]
        >>> counted = Sharing()
        >>> made = list(generate_coupled(load_model("embedded"), bundles(asked), sharing=counted))
        >>> len(made), counted.ratio > 1
        (2, True)
    """
    if batch_size < 1:
        raise ParameterError(f"batch_size must be at least 1, got {batch_size}", field="batch_size")
    info, batch, prefixes = model.info, model.batch(batch_size), Prefixes(model)
    counted = sharing or Sharing()
    waiting = (g[i : i + batch_size] for g in groups for i in range(0, len(g), batch_size))
    ahead = next(waiting, None)
    nodes: list[_Node] = []
    logits = np.empty((0, info.vocabulary), dtype=np.float32)
    while True:
        while ahead and sum(len(node.rows) for node in nodes) + len(ahead) <= batch_size:
            prefix = prefixes.of(ahead[0].prompt)
            sequence = sequence_of(ahead[0].prompt_id, ahead[0].sample)
            batch.place(len(nodes), prefix)
            nodes.append(_Node([Row(0, request, prefix, sequence, 0) for request in ahead]))
            logits = np.concatenate([logits, prefix.logits[None]])
            ahead = next(waiting, None)
        if not nodes:
            return
        rows = [row for node in nodes for row in node.rows]
        owners = np.repeat(np.arange(len(nodes)), [len(node.rows) for node in nodes])
        tokens = draw_tokens(rows, logits[owners]).tolist()
        children: dict[tuple[int, int], _Node] = {}
        for row, owner, token in zip(rows, owners.tolist(), tokens, strict=True):
            if token not in info.end_tokens:
                row.tokens.append(token)
                if on_token:
                    on_token(row.request, token)
            if reason := row.finish_reason(token, info.end_tokens, info.context):
                yield completion_of(model, row, reason)
            else:
                children.setdefault((owner, token), _Node(token=token)).rows.append(row)
        nodes = [children[key] for key in sorted(children, key=lambda key: key[0])]
        arrange(batch, [owner for owner, _ in sorted(children, key=lambda key: key[0])])
        counted.steps += len(nodes)
        counted.separate += sum(len(node.rows) for node in nodes)
        drawn = np.array([node.token for node in nodes], dtype=np.int64)
        logits = batch.step(drawn) if nodes else logits[:0]
