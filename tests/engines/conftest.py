"""The shipped weights in the layouts of other engines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tempering.models.embedded import WEIGHTS


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    out = tmp_path_factory.mktemp("transformers")
    script = repository / "training" / "to_transformers.py"
    subprocess.run([sys.executable, str(script), "--model", str(WEIGHTS), "--out", str(out)], check=True)
    return out


CHAT_TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system messages') }}{% endif %}"
    "{{ bos_token }}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)
"""A chat template for a model that was never taught to chat: enough to see that it is applied."""


@pytest.fixture(scope="session")
def gguf(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    out = tmp_path_factory.mktemp("gguf")
    (out / "chat.jinja").write_text(CHAT_TEMPLATE)
    script = repository / "training" / "to_gguf.py"
    arguments = [
        "--model",
        str(WEIGHTS),
        "--out",
        str(out / "stories.gguf"),
        "--chat-template",
        str(out / "chat.jinja"),
    ]
    subprocess.run([sys.executable, str(script), *arguments], check=True)
    return out / "stories.gguf"


@pytest.fixture
def chat_template() -> str:
    return CHAT_TEMPLATE
