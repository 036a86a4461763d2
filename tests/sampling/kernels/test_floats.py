"""Powers of two to the accuracy that is claimed, and block maxima that are the maxima."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tempering.sampling.kernels import scan
from tempering.sampling.kernels.floats import exp2, rough_exp2


def test_powers_of_two() -> None:
    y = np.concatenate([-np.geomspace(1e-12, 999, 4000), -np.arange(0, 999.0), -np.arange(0, 999.0) - 0.5, [0.0]])
    got = np.array([exp2(value) for value in y])
    assert np.abs(got / np.exp2(y) - 1).max() < 1e-15
    assert exp2(-np.inf) == 2.0**-1000
    near = y[y > -100].astype(np.float32)
    rough = np.array([rough_exp2(value) for value in near])
    assert np.abs(rough / np.exp2(near.astype(np.float64)) - 1).max() < 1e-5


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
