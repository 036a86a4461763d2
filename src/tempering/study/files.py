"""Files that a user writes: text and YAML, read with one clear error. Knows nothing of what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tempering.errors import PlanError


class _Yaml(yaml.SafeLoader):
    """The safe loader with the numbers of YAML 1.2: 0:2:0.25 is text (in 1.1 a number to the base of 60)."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class declares it
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":int", ":float"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Yaml.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?\d+$"), list("-+0123456789"))
_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.\d+|\d+\.\d*([eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.inf|\.nan)$", re.IGNORECASE),
    list("-+.0123456789"),
)


def read_yaml(path: Path) -> Any:
    """Return what a YAML or JSON file holds.

    Raises:
        PlanError: it cannot be read, or is not YAML.
    """
    try:
        return yaml.load(read_text(path), _Yaml)  # noqa: S506 - a safe loader
    except yaml.YAMLError as problem:
        raise PlanError(f"{path} is not YAML: {' '.join(str(problem).split())}") from None


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        PlanError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise PlanError(f"cannot read {path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise PlanError(f"cannot read {path}: it is not UTF-8 text") from None
