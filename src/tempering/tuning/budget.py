"""Budgets: texts, tokens or money. Knows nothing of models."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tempering.errors import ParameterError

UNITS = {"": "samples", "samples": "samples", "texts": "samples", "tokens": "tokens", "money": "money"}


@dataclass(frozen=True)
class Budget:
    """What may be spent.

    Attributes:
        amount: how much, > 0.
        unit: ``samples``, ``tokens`` (generated ones) or ``money``.
        price: of a million generated tokens, in the same money; needed where the unit is money.
        worst: the most tokens that a text can have.
    """

    amount: float
    unit: str
    price: float
    worst: int

    @property
    def token_limit(self) -> float:
        """Tokens that the amount buys; infinite if it is counted in texts."""
        if self.unit == "samples":
            return float("inf")
        return self.amount if self.unit == "tokens" else self.amount / self.price * 1e6

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
        return int(self.token_limit / length)


def read_budget(text: str, *, worst: int, price: float | None = None) -> Budget:
    """Read a budget: ``500``, ``100000 tokens``, ``2.50 money``.

    Raises:
        ParameterError: it cannot be read, is not above 0, or is money without a price.

    Example:
        >>> read_budget("2.50 money", worst=100, price=0.5).token_limit
        5000000.0
    """
    match = re.fullmatch(r"\s*([\d_,]*\.?\d+)\s*([a-z]*)\s*", text.lower())
    unit = UNITS.get(match[2]) if match else None
    if not match or unit is None:
        raise ParameterError(
            f"a budget is texts (500), tokens (100000 tokens) or money (2.50 money), got {text!r}", field="budget"
        )
    amount = float(match[1].replace("_", "").replace(",", ""))
    if unit == "money" and not (price and price > 0):
        raise ParameterError("a budget of money needs --price, the price of a million generated tokens", field="price")
    if amount <= 0:
        raise ParameterError(f"a budget must be above 0, got {text!r}", field="budget")
    return Budget(amount, unit, price or 0.0, worst)
