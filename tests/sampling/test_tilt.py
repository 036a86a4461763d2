"""Sums under exp(b gap): plain and compiled loops against float64, every width and type, masks and large rows."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempering.sampling import tilt
from tempering.sampling.plan import available


@settings(deadline=None, max_examples=80)  # the first call may compile
@given(
    st.integers(0, 10_000),
    st.sampled_from([1, 2, 90, 511, 513, 5000]),
    st.floats(-4, 4),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
)
def test_the_sums_are_those_of_float64(seed: int, width: int, exponent: float, kind: type, compiled: bool) -> None:
    generator, scale = np.random.default_rng(seed), 10.0**exponent
    z = generator.normal(size=(9, width)) * 3 / scale
    z[:, 1:][generator.random((9, width - 1)) < 0.2] = -np.inf
    z = z.astype(kind)
    best = z.max(axis=1)
    with mock.patch.object(tilt, "compiled_pays", return_value=compiled and available()):
        sums = tilt.tilted_sums(z, best, 0.7 * scale, 0.2 * scale)
        mass = tilt.tilted_mass(z, best, 0.9 * scale)
    gaps = np.maximum(z.astype(np.float64) - best[:, None], -1e100)
    for place, inverse in enumerate((0.7 * scale, 0.9 * scale, 1.1 * scale)):
        weights = np.exp(inverse * gaps)
        for power in range(3):
            exact = (weights * gaps**power).sum(axis=1)
            assert np.allclose(sums[place, power], exact, rtol=2e-5, atol=1e-6 * scale**-power)
    assert np.allclose(mass, sums[1, 0], rtol=5e-6)


@pytest.mark.skipif(not available(), reason="kernels are switched off")
def test_large_rows_on_all_cores_are_as_one_by_one() -> None:
    z = np.random.default_rng(0).normal(size=(40, 30_000)).astype(np.float32) * 3
    assert z.size >= tilt.WORTH_CORES
    best = z.max(axis=1)
    for there in (False, True):
        with mock.patch.object(tilt, "compiled_pays", return_value=there):
            whole = tilt.tilted_sums(z, best, 0.5, 0.25)
            rows = [tilt.tilted_sums(z[[r]], best[[r]], 0.5, 0.25)[..., 0] for r in (0, 19, 20, 39)]
        assert np.array_equal(whole[:, :, [0, 19, 20, 39]], np.stack(rows, axis=-1))
