"""The name of a model behind a server: address, options, model, and where its API key is. Knows nothing of requests."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from tempering.errors import ModelError, ParameterError

OPTIONS = {"server", "order", "concurrency", "n", "logprobs", "retries", "timeout", "requests", "tokens", "key"}
KEY, OPENAI_KEY = "TEMPERING_API_KEY", "OPENAI_API_KEY"
LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1")
NUMBERS = {
    "concurrency": (1, 1024),
    "n": (1, 128),
    "logprobs": (0, 1000),
    "retries": (0, 20),
    "timeout": (1, 86400),
    "requests": (1, 10**12),
    "tokens": (1, 10**15),
}
"""Options that are whole numbers, and their ranges."""


@dataclass(frozen=True)
class Address:
    """The parts of a model's name.

    Attributes:
        base: the address that paths are added to.
        host: its host.
        model: the server's name of the model; "" where none is given.
        options: what stands after the question mark.
    """

    base: str
    host: str
    model: str
    options: dict[str, str]

    @classmethod
    def of(cls, name: str) -> Address:
        """Read a name.

        Raises:
            ModelError: it is not an address, or holds a user or password.
            ParameterError: an option is not known.

        Example:
            >>> Address.of("http://127.0.0.1:8000/v1?n=4#m").base
            'http://127.0.0.1:8000/v1'
        """
        try:
            parts = urlsplit(name)
            _ = parts.port
        except ValueError:
            raise ModelError("the address of a server cannot be read; write http://host:port/v1#model") from None
        if parts.username or parts.password:
            raise ModelError(f"an address must hold no user or password; put the key into {KEY}")
        if not parts.hostname:
            raise ModelError(
                f"{name.split('?', maxsplit=1)[0]} is not the address of a server; write http://host:port/v1#model"
            )
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if unknown := options.keys() - OPTIONS:
            known = ", ".join(sorted(OPTIONS))
            raise ParameterError(f"a server has no option {min(unknown)!r}; options are {known}", field="model")
        base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        return cls(base, parts.hostname, parts.fragment, options)

    def number(self, option: str) -> int | None:
        """Return an option that is a whole number, or None where it is not given.

        Raises:
            ParameterError: it is no whole number or out of range.
        """
        if option not in self.options:
            return None
        low, high = NUMBERS[option]
        value = self.options[option]
        if not value.isdecimal() or not low <= int(value) <= high:
            raise ParameterError(f"{option} must be a whole number from {low} to {high}, got {value!r}", field="model")
        return int(value)

    def key(self) -> tuple[str | None, str]:
        """Return the API key and what to do where it is refused.

        ``?key=NAME`` names the variable that holds it. Otherwise it is that of ``TEMPERING_API_KEY``, which is sent
        over https or within this machine only, or for OpenAI's own server that of ``OPENAI_API_KEY``.

        Raises:
            ModelError: the named variable is not set.
            ParameterError: ``key`` is not the name of a variable.
        """
        if (name := self.options.get("key")) is not None:
            if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", name):
                raise ParameterError(
                    "key must be the name of an environment variable in capitals, never the key itself", field="model"
                )
            if not os.environ.get(name):
                raise ModelError(f"{self.base}: the environment variable {name} is not set")
            return os.environ[name], f"check the key in {name}"
        default = OPENAI_KEY if self.host == "api.openai.com" and not os.environ.get(KEY) else KEY
        safe = self.base.startswith("https:") or LOOPBACK.fullmatch(self.host)
        found = os.environ.get(default) if safe else None
        if found:
            return found, f"check the key in {default}"
        return None, f"put the key into the environment variable {default}" + (
            "" if safe else ", and name it with ?key=: over plain http it is sent only where you say so"
        )
