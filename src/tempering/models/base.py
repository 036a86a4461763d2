"""What a model offers to the rest of the library. Knows nothing of any engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tempering.errors import NoLogitsError, PromptError
from tempering.params import SamplingParams

Role = Literal["system", "user", "assistant"]

FinishReason = Literal["stop", "length"]
"""Why a text ends: the model ended it, or the token limit did."""

LogprobKind = Literal["raw", "processed", "unknown"]
"""What a server's logprobs are of: the untouched logits at T=1, the settings of the draw, or nobody has said."""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: who speaks: system, user or assistant.
        content: what is said.

    Raises:
        PromptError: the role is none of these, or the content is empty.
    """

    role: Role
    content: str

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise PromptError(f"the role of a message must be one of {', '.join(get_args(Role))}, got {self.role!r}")
        if not self.content.strip():
            raise PromptError(f"the content of a message ({self.role}) is empty")


PromptText = str | tuple[Message, ...]
"""What is asked of a model: a text to continue, or a conversation to answer."""


def conversation(text: str, system: str = "") -> tuple[Message, ...]:
    """Return a text as the user's message, after the system's if there is one.

    Example:
        >>> len(conversation("Why is the sky blue?", "Be brief."))
        2
    """
    return (*((Message("system", system),) if system else ()), Message("user", text))


def shown_prompt(prompt: PromptText) -> str:
    """Return a prompt as a reader sees it: the text, or the turns of the conversation, one a line.

    Example:
        >>> shown_prompt((Message("system", "Be brief."), Message("user", "Why is the sky blue?")))
        'system: Be brief.\\nuser: Why is the sky blue?'
    """
    if isinstance(prompt, str):
        return prompt
    return "\n".join(f"{message.role}: {message.content}" for message in prompt)


@dataclass(frozen=True)
class ModelInfo:
    """What a model says of itself.

    Attributes:
        name: the name that it was loaded by.
        identity: name and a hash of the weights; what results and stores are keyed by.
        vocabulary: how many tokens there are.
        context: the most tokens that a text may have, prompt included.
        end_tokens: ids that end a text.
        details: further facts for the reader of a report (parameters, engine, ...).
    """

    name: str
    identity: str
    vocabulary: int
    context: int
    end_tokens: tuple[int, ...]
    details: Mapping[str, str | int | float]


@dataclass(frozen=True)
class Prefix:
    """A prompt that a model has read: computed once, shared by every text that continues it.

    Attributes:
        tokens: the ids that were read.
        logits: scores of the next token, shape [vocab].
        cache: the model's own memory of the prompt; only the model that made it can use it. Its ``nbytes``, if it has
            any, count when prompts are kept.
    """

    tokens: tuple[int, ...]
    logits: NDArray[np.float32]
    cache: Any

    @property
    def nbytes(self) -> int:
        """How much memory it holds."""
        return self.logits.nbytes + int(getattr(self.cache, "nbytes", 0))


class Batch(Protocol):
    """Texts that are continued together, in rows 0 to size - 1; live rows stand first."""

    def place(self, row: int, prefix: Prefix) -> None:
        """Begin a text in a row, after a prompt; what the row held is forgotten."""

    def copy(self, source: int, target: int) -> None:
        """Make the target row the same text as the source row: a fork, or a move."""

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Append one token to each of the first ``len(tokens)`` rows; return scores of the next, [rows, vocab].

        A row's scores do not depend on the other rows or on how many there are.
        """


@runtime_checkable
class LogitsModel(Protocol):
    """A model that gives the full logits at every step."""

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a prompt, with whatever mark the model expects before a text."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of ids; bytes that are no character yet become U+FFFD."""

    def prefill(self, tokens: Sequence[int]) -> Prefix:
        """Read a prompt of at least one token and fewer than ``info.context``.

        Raises:
            PromptError: the prompt is empty or too long.
        """

    def score(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Return the logits after every token, shape [tokens, vocab]; row i scores token i + 1."""

    def batch(self, size: int) -> Batch:
        """Return room for ``size`` texts."""


@runtime_checkable
class ChatModel(Protocol):
    """What a ``LogitsModel`` has besides, if it was trained on conversations."""

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids of a conversation in the model's own template, up to where the answer begins.

        Raises:
            ChatTemplateError: the model has no template, or it refuses the messages.
        """


@dataclass(frozen=True)
class TextInfo:
    """What is known of a model that gives text only.

    Attributes:
        name: the name that it was loaded by.
        identity: the server and the name that it gives the model; its weights are not seen.
        details: further facts for the reader of a report (kind of server, what cannot be set, ...).
    """

    name: str
    identity: str
    details: Mapping[str, str | int | float]


@dataclass(frozen=True)
class TextRequest:
    """One text that is asked of a ``TextModel``.

    Attributes:
        prompt: the text to continue, or the messages to answer.
        params: the settings of the draw; their seed is not used.
        seed: the seed to send, 0 <= seed < 2**31.
        max_tokens: the longest it may become, >= 1.
    """

    prompt: PromptText
    params: SamplingParams
    seed: int
    max_tokens: int


@dataclass(frozen=True)
class Served:
    """What a server says of a text besides the text; None where it does not say.

    Attributes:
        tokens: the texts of the tokens that have a logprob.
        logprobs: of these tokens, nats; what they are of, ``kind`` says.
        top: for each of these tokens the likeliest ones with their logprobs, likeliest first: a cut list.
        kind: what the logprobs are of.
        prompt_tokens: how many tokens the server counts in the prompt.
        completion_tokens: how many it counts in the text.
        seconds: from the request to the end of its answer, retries left out.
        attempts: requests sent until it answered.
    """

    tokens: tuple[str, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    top: tuple[tuple[tuple[str, float], ...], ...] | None = None
    kind: LogprobKind = "unknown"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    attempts: int = 1


@dataclass(frozen=True)
class Answer:
    """What a ``TextModel`` answers: the text without the prompt, why it ends, what else was said."""

    text: str
    finish_reason: FinishReason
    served: Served


@runtime_checkable
class TextModel(Protocol):
    """A model that gives text and at most a cut list of logprobs: a server."""

    @property
    def info(self) -> TextInfo:
        """What is known of the model."""

    def write(
        self, requests: Iterable[TextRequest], *, on_text: Callable[[int, str], None] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        """Yield (index, answer) for each request, in the order in which they finish; requests are read as slots free.

        Args:
            requests: what to write; may be a generator.
            on_text: called with the index of a request and each piece of its text as it comes.

        Raises:
            ParameterError: the settings are nothing that the server can express.
            PromptError: the prompt does not fit the server's context.
            ServerError: the server cannot be reached, refuses, or answers what cannot be read.
        """


Model = LogitsModel | TextModel
"""Any model; what needs logits asks ``require_logits`` for them."""


def require_logits(model: Model) -> LogitsModel:
    """Return the model if it gives logits.

    Raises:
        NoLogitsError: it gives text only.

    Example:
        >>> from tempering import load_model
        >>> require_logits(load_model("embedded")).info.name
        'embedded'
    """
    if isinstance(model, TextModel):
        raise NoLogitsError(
            f"{model.info.name}: a server gives text, and this needs the full logits; "
            "use a model that runs here: embedded, hf:, gguf: or onnx:"
        )
    return model
