"""The conformance suite: the embedded model passes, and each broken contract is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tempering.models.base import Batch, ModelInfo, Prefix
from tempering.models.onnx import OnnxModel
from tempering.testing import check_model


class Broken:
    """The embedded model with one thing replaced."""

    def __init__(self, model: OnnxModel, **changes: Any) -> None:
        self.model, self.changes = model, changes

    def _or(self, name: str, value: Any) -> Any:
        return self.changes[name](value) if name in self.changes else value

    @property
    def info(self) -> ModelInfo:
        return self._or("info", self.model.info)  # type: ignore[no-any-return]

    def encode(self, text: str) -> list[int]:
        return self._or("encode", self.model.encode(text))  # type: ignore[no-any-return]

    def decode(self, tokens: Sequence[int]) -> str:
        return self._or("decode", self.model.decode(tokens))  # type: ignore[no-any-return]

    def prefill(self, tokens: Sequence[int]) -> Prefix:
        return self._or("prefill", self.model.prefill(tokens))  # type: ignore[no-any-return]

    def score(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        return self._or("score", self.model.score(tokens))  # type: ignore[no-any-return]

    def batch(self, size: int) -> Batch:
        return self._or("batch", self.model.batch(size))  # type: ignore[no-any-return]


class Leaky:
    """A batch in which a row feels its neighbours."""

    def __init__(self, batch: Any) -> None:
        self.place, self.copy, self._step = batch.place, batch.copy, batch.step

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = self._step(tokens)
        return logits + 0.01 * (len(tokens) - 1)


class Deaf(Leaky):
    """A batch that does not copy."""

    def __init__(self, batch: Any) -> None:
        super().__init__(batch)
        self.copy = lambda source, target: None

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = self._step(tokens)
        return logits


def test_the_embedded_model_passes_exactly(model: OnnxModel) -> None:
    check_model(model, tolerance=3e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"info": lambda info: replace(info, identity="")}, "identity is empty"),
        ({"info": lambda info: replace(info, end_tokens=(9999,))}, "end token"),
        ({"info": lambda info: replace(info, vocabulary=5000)}, r"score must be \[tokens, vocab\]"),
        ({"decode": str.upper}, "decode"),
        ({"score": lambda logits: logits.astype(np.float64)}, "float32"),
        ({"score": lambda logits: logits * np.nan}, "NaN"),
        ({"score": lambda logits: logits + 0.1}, "prefill against score"),
        ({"prefill": lambda prefix: replace(prefix, tokens=())}, "must hold the tokens"),
        ({"batch": Leaky}, "beside others"),
        ({"batch": Deaf}, "a row moved to the front"),
    ],
)
def test_a_broken_contract_is_named(model: OnnxModel, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_model(Broken(model, **changes))
