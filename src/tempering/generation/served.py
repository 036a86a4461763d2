"""Completions from a model that gives text only. Knows the protocol of such models; knows nothing of HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from tempering.generation.completion import Completion
from tempering.generation.request import Request
from tempering.models.base import Answer, TextModel, TextRequest
from tempering.sampling.noise import sequence_of


def server_seed(seed: int, prompt_id: str, sample: int) -> int:
    """Return the seed to send for a sample: below 2**31, as every server takes it, and the same at every temperature.

    Example:
        >>> server_seed(7, "a prompt", 0) == server_seed(7, "a prompt", 0) != server_seed(7, "a prompt", 1)
        True
    """
    key = f"{seed}:{sequence_of(prompt_id, sample)}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:4]) >> 1


def generate_served(
    model: TextModel, requests: Iterable[Request], *, on_text: Callable[[Request, str], None] | None = None
) -> Iterator[Completion]:
    """Yield a completion for each request, in the order in which they finish.

    Tokens, logprobs and entropies of a completion are what the server tells, or None; a cut list of logprobs stays in
    ``served`` and is never made a distribution.

    Args:
        model: writes the texts.
        requests: what to write; read as the server becomes free, so it may be a generator.
        on_text: called with the request and each piece of its text as it comes.

    Raises:
        ParameterError: the settings are nothing that the server can express.
        PromptError: a prompt does not fit the server's context.
        ServerError: the server cannot be reached, refuses, or answers what cannot be read.
    """
    asked: dict[int, Request] = {}

    def sent() -> Iterator[TextRequest]:
        for index, request in enumerate(requests):
            asked[index] = request
            seed = server_seed(request.params.seed, request.prompt_id, request.sample)
            yield TextRequest(request.prompt, request.params, seed, request.max_tokens)

    def show(index: int, text: str) -> None:
        if on_text:
            on_text(asked[index], text)

    for index, answer in model.write(sent(), on_text=show if on_text else None):
        yield _completion(model, asked.pop(index), answer)


def _completion(model: TextModel, request: Request, answer: Answer) -> Completion:
    served = answer.served
    return Completion(
        prompt=request.prompt,
        text=answer.text,
        tokens=(),
        raw_logprobs=served.logprobs if served.kind == "raw" else None,
        processed_logprobs=served.logprobs if served.kind == "processed" else None,
        entropies=None,
        finish_reason=answer.finish_reason,
        params=request.params,
        prompt_id=request.prompt_id,
        sample=request.sample,
        model=model.info.identity,
        served=served,
    )
