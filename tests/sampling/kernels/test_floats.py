"""Powers of two to the accuracy that is claimed, and block maxima that are the maxima."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tempering.sampling.kernels import scan
from tempering.sampling.kernels.floats import ROUND32, exp2, power32


def test_powers_of_two() -> None:
    y = np.concatenate([-np.geomspace(1e-12, 999, 4000), -np.arange(0, 999.0), -np.arange(0, 999.0) - 0.5, [0.0]])
    got = np.array([exp2(value) for value in y])
    assert np.abs(got / np.exp2(y) - 1).max() < 1e-15
    assert exp2(-np.inf) == 2.0**-1000


@pytest.mark.parametrize("scale", [1.4426950408889634 / 0.8, 1442.6950408889634, 0.014426950408889634])
@pytest.mark.parametrize("k", [0, -3, 55, 16_000, -16_000])
def test_powers_in_float32_keep_their_bound(scale: float, k: int) -> None:
    """Whatever the size of the product: what is left of it after the whole number is as exact as float32."""
    z = ((k - np.random.default_rng(0).random(3000) * 100 + 20) / scale).astype(np.float32)
    single = np.float32(scale)
    rest, shift = np.float32(scale - float(single)), ROUND32 - np.float32(k)
    got = np.array([power32(value, single, rest, shift) for value in z], dtype=np.float64)
    assert np.abs(got / np.exp2(z.astype(np.float64) * scale - k) - 1).max() < 1.2e-7


@settings(deadline=None, max_examples=200)
@given(
    hnp.arrays(
        np.float32,
        st.sampled_from([1, 5, 511, 512, 513, 1100]),
        elements=st.floats(width=32),
        fill=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
def test_the_scan_finds_maxima_and_what_is_wrong(row: np.ndarray) -> None:
    for kind in (np.float32, np.float64):
        values = row.astype(kind)
        maxima = np.empty(-(-len(row) // scan.BLOCK))
        verdict = (scan.scan32 if kind == np.float32 else scan.scan64)(values, maxima)
        if np.isnan(row).any():
            assert verdict == scan.NOT_A_NUMBER
        elif row.max() == np.inf:
            assert verdict == scan.INFINITE
        else:
            assert verdict == (scan.EMPTY if row.max() == -np.inf else scan.FINE)
            starts = range(0, len(row), scan.BLOCK)
            assert maxima.tolist() == [float(row[at : at + scan.BLOCK].max()) for at in starts]
