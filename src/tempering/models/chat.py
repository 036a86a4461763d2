"""Conversations into the text that a model was trained on, by its own template. Knows nothing of engines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from tempering.errors import ChatTemplateError
from tempering.models.base import Message


def render_chat(template: str | None, messages: Sequence[Message], *, name: str, begin: str = "", end: str = "") -> str:
    """Return a conversation as text, up to where the answer begins.

    Where the last message is the assistant's, the answer goes on from its words.

    Args:
        template: the model's template in Jinja, or None if it has none. It comes with the model and is not trusted:
            it runs in Jinja's sandbox, without access to files or attributes of Python.
        messages: the conversation.
        name: the model's name, for errors.
        begin: the text of the token that begins a text.
        end: the text of the token that ends one.

    Raises:
        ChatTemplateError: there is no template, or it is not valid, or it refuses the messages.

    Example:
        >>> template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
        >>> render_chat(template, [Message("user", "Hello")], name="x")
        '<user>Hello<assistant>'
        >>> render_chat(template, [Message("user", "Hello"), Message("assistant", "I")], name="x")
        '<user>Hello<assistant>I'
    """
    begun = messages[-1].content if messages and messages[-1].role == "assistant" else ""
    if begun:
        messages = messages[:-1]
    if not template:
        raise ChatTemplateError(f"{name} has no chat template: it continues texts, it answers no messages")
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415 - loaded when used, for a light start

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols"],
        autoescape=False,
    )
    values: dict[str, Any] = {
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "add_generation_prompt": True,
        "bos_token": begin,
        "eos_token": end,
        "raise_exception": _refuse,
        "strftime_now": lambda form: datetime.now().astimezone().strftime(form),
    }
    try:
        return environment.from_string(template).render(values) + begun
    except Exception as problem:  # a template is a program: it can raise anything
        what = " ".join(str(problem).split())[:200]
        raise ChatTemplateError(f"{name}: its chat template refuses the messages: {what}") from None


def _refuse(message: str) -> NoReturn:
    raise ValueError(message)
