"""Conversations: the template is applied in a sandbox, and what it refuses is said."""

from __future__ import annotations

import pytest

from tempering import Request, generate
from tempering.errors import ChatTemplateError, PromptError
from tempering.models.base import Message, conversation, shown_prompt
from tempering.models.chat import render_chat
from tempering.models.onnx import OnnxModel

HELLO = conversation("Hello", "Be kind.")


def test_a_template_sees_what_templates_are_written_for() -> None:
    template = (
        "{%- for message in messages %}\n"
        "  {%- if loop.first and message['role'] == 'system' %}{{ bos_token }}[{{ message.content | trim }}]\n"
        "  {%- continue %}\n"
        "  {%- endif %}<{{ message.role }}>{{ message.content }}{{ eos_token }}\n"
        "{%- endfor %}\n"
        "{%- if add_generation_prompt %}<assistant>{% endif %}"
    )
    assert render_chat(template, HELLO, name="x", begin="<s>", end="</s>") == "<s>[Be kind.]<user>Hello</s><assistant>"
    assert len(render_chat("{{ strftime_now('%Y') }}", HELLO, name="x")) == 4


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('roles must alternate') }}",
        "{% if %}",
        "{{ messages[9].content }}",
        "{{ messages.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__.os.listdir('/') }}",
        "{% set _ = messages.append(1) %}",
        "{% include '/etc/passwd' %}",
        "{{ 1 / 0 }}",
    ],
)
def test_what_a_template_may_not_do_is_one_line(template: str) -> None:
    with pytest.raises(ChatTemplateError, match="its chat template refuses") as caught:
        render_chat(template, HELLO, name="x")
    assert "\n" not in str(caught.value)


def test_without_a_template_messages_are_refused(model: OnnxModel) -> None:
    with pytest.raises(ChatTemplateError, match="x has no chat template"):
        render_chat(None, HELLO, name="x")
    with pytest.raises(ChatTemplateError, match="embedded has no chat template"):
        next(generate(model, [Request(HELLO)]))


def test_messages_are_checked() -> None:
    with pytest.raises(PromptError, match="role of a message must be one of system, user, assistant, got 'robot'"):
        Message("robot", "Hello")  # type: ignore[arg-type]
    with pytest.raises(PromptError, match="is empty"):
        Message("user", "  ")
    assert shown_prompt(HELLO) == "system: Be kind.\nuser: Hello"
    assert Request(HELLO).prompt_id == shown_prompt(HELLO)
