import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tempering.sampling.rows import ranked

EDGES = [0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 3.4e38, -3.4e38, 1e300, -1e300, 0.1, float(np.float32(0.1)), -np.inf]


@given(
    arrays(np.float64, (3, 17), elements=st.sampled_from(EDGES) | st.floats(-50, 50, width=32) | st.floats(-50, 50)),
    arrays(np.bool_, (3, 17)),
)
def test_ranking_is_the_stable_one(scores: np.ndarray, keep: np.ndarray) -> None:
    wanted = np.argsort(np.where(keep, -scores, np.inf), axis=1, kind="stable")
    assert (ranked(scores, keep) == wanted).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_ranking_of_many_ties(dtype: type) -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(4, 5000)).round(2).astype(dtype).astype(np.float64)
    keep = rng.random(scores.shape) < 0.7
    wanted = np.argsort(np.where(keep, -scores, np.inf), axis=1, kind="stable")
    assert (ranked(scores, keep) == wanted).all()
