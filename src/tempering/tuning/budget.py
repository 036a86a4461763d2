"""Budgets: texts, tokens or money. Knows nothing of models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tempering.errors import ParameterError

UNITS = {"": "samples", "samples": "samples", "texts": "samples", "tokens": "tokens", "money": "money"}


BYTES_A_TOKEN = 3
"""A prompt has about one token for so many bytes, before any model has read it."""


@dataclass(frozen=True)
class Budget:
    """What may be spent.

    Attributes:
        amount: how much, > 0.
        unit: ``samples``, ``tokens`` (generated ones) or ``money``.
        worst: the most tokens that a text can have.
        price_out: of a million generated tokens, in the same money; needed where the unit is money.
        price_in: of a million prompt tokens, in the same money.
        prompt: about how many tokens a prompt has.
    """

    amount: float
    unit: str
    worst: int
    price_out: float = 0.0
    price_in: float = 0.0
    prompt: float = 0.0

    @property
    def token_limit(self) -> float:
        """Generated tokens that may be spent; infinite if they are not what is counted."""
        return self.amount if self.unit == "tokens" else float("inf")

    def samples(self, spent: int = 0, tokens: int = 0) -> int:
        """Return how many texts it will hold in all: at their mean length so far, at the greatest before any.

        Example:
            >>> budget = read_budget("10000 tokens", worst=100)
            >>> budget.samples(), budget.samples(50, 2500)
            (100, 200)
        """
        if self.unit == "samples":
            return int(self.amount)
        length = tokens / spent if spent and tokens else self.worst
        if self.unit == "tokens":
            return int(self.amount / length)
        return int(self.amount * 1e6 / (self.prompt * self.price_in + length * self.price_out))


def prompt_tokens(texts: Sequence[str]) -> float:
    """Return about how many tokens these prompts have on average.

    Example:
        >>> prompt_tokens(["Why is it so?"])
        4.333333333333333
    """
    return sum(len(text.encode()) for text in texts) / BYTES_A_TOKEN / len(texts)


def read_budget(
    text: str, *, worst: int, price_out: float | None = None, price_in: float = 0.0, prompt: float = 0.0
) -> Budget:
    """Read a budget: ``500``, ``100000 tokens``, ``2.50 money``.

    Raises:
        ParameterError: it cannot be read, is not above 0, or is money without a price.

    Example:
        >>> read_budget("2.50 money", worst=100, price_out=0.5, price_in=0.1, prompt=500).samples()
        25000
    """
    match = re.fullmatch(r"\s*([\d_,]*\.?\d+)\s*([a-z]*)\s*", text.lower())
    unit = UNITS.get(match[2]) if match else None
    if not match or unit is None:
        raise ParameterError(
            f"a budget is texts (500), tokens (100000 tokens) or money (2.50 money), got {text!r}", field="budget"
        )
    amount = float(match[1].replace("_", "").replace(",", ""))
    if unit == "money" and not (price_out and price_out > 0):
        raise ParameterError(
            "a budget of money needs --price-out, the price of a million generated tokens", field="price_out"
        )
    if price_in < 0:
        raise ParameterError(f"--price-in must not be below 0, got {price_in:g}", field="price_in")
    if amount <= 0:
        raise ParameterError(f"a budget must be above 0, got {text!r}", field="budget")
    return Budget(amount, unit, worst, price_out or 0.0, price_in, prompt)
