"""What many tests share: the embedded model, loaded once."""

from __future__ import annotations

import pytest

from tempering.models.embedded import load
from tempering.models.onnx import OnnxModel


@pytest.fixture(scope="session")
def model() -> OnnxModel:
    return load()
