"""The order of whole numbers is the one that NumPy's stable argsort finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from get3d_models.ordering import stable_order


@given(st.lists(st.integers(0, 20), max_size=200), st.sampled_from([np.int32, np.int64]))
def test_equal_keys_keep_their_order(keys: list[int], kind: type) -> None:
    array = np.array(keys, dtype=kind)
    assert np.array_equal(stable_order(array), np.argsort(array, kind="stable"))


@pytest.mark.parametrize("largest", [1, 2**40, 2**61, 2**63 - 1])
def test_keys_of_any_size_are_ordered(largest: int) -> None:
    array = np.random.default_rng(0).integers(0, largest, size=5000, endpoint=True)
    assert np.array_equal(stable_order(array), np.argsort(array, kind="stable"))
