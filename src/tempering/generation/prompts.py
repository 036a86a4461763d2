"""Prompts read by a model, each once. Knows texts and conversations; knows nothing of what is drawn after them."""

from __future__ import annotations

from tempering.errors import ChatTemplateError, ModelError, PromptError
from tempering.models.base import ChatModel, LogitsModel, Model, Prefix, PromptText, require_logits


class Prefixes:
    """Reads each prompt once; keeps the last used, as requests come prompt by prompt or temperature by temperature.

    Args:
        model: reads them.
        room: bytes that the prefixes may hold together; the newest is kept whatever its size.
    """

    def __init__(self, model: LogitsModel, room: int = 2**28) -> None:
        self.model, self.room, self.held = model, room, 0
        self.known: dict[PromptText, Prefix] = {}

    def of(self, prompt: PromptText) -> Prefix:
        """Return the prefix of a prompt; errors as in ``read_prompt``."""
        prefix = self.known.pop(prompt, None)
        if prefix is None:
            prefix = read_prompt(self.model, prompt)
            self.held += prefix.nbytes
        self.known[prompt] = prefix  # the last of the dict is the last used
        while self.held > self.room and len(self.known) > 1:
            self.held -= self.known.pop(next(iter(self.known))).nbytes
        return prefix


def read_prompt(model: Model, prompt: PromptText) -> Prefix:
    """Return the prefix of a prompt, with room for at least one token after it.

    Raises:
        PromptError: the prompt is empty or fills the model's context.
        ChatTemplateError: the prompt is a conversation, and the model has no template or its template refuses it.
        NoLogitsError: the model gives text only.
        ModelError: it gives not one logit for each token of its vocabulary.
    """
    model = require_logits(model)
    prefix = model.prefill(encoded_prompt(model, prompt))
    if len(prefix.logits) != model.info.vocabulary:
        raise ModelError(
            f"{model.info.name}: says that it has {model.info.vocabulary} tokens, but gives {len(prefix.logits)} "
            "logits; its tokenizer and its weights do not belong together"
        )
    return prefix


def encoded_prompt(model: LogitsModel, prompt: PromptText) -> list[int]:
    """Return the ids of a prompt, with room for at least one token after it; errors as in ``read_prompt``."""
    if not prompt:
        raise PromptError("the prompt is empty")
    tokens, context = _encoded(model, prompt), model.info.context
    if len(tokens) >= context:
        raise PromptError(f"the prompt has {len(tokens)} tokens; the context of {model.info.name} holds {context}")
    return tokens


def _encoded(model: LogitsModel, prompt: PromptText) -> list[int]:
    if isinstance(prompt, str):
        return model.encode(prompt)
    if not isinstance(model, ChatModel):
        raise ChatTemplateError(f"{model.info.name} has no chat template: it continues texts, it answers no messages")
    return model.encode_chat(prompt)
