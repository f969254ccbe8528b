"""Numbers of what is alike."""

import numpy as np
import pytest

from fip.source.index.ranks import ranks


@pytest.mark.parametrize("size", [1, 2, 300])
def test_they_are_those_of_unique_rows(size: int) -> None:
    """Columns may have several types, sorted or not, with infinities and NaN."""
    random = np.random.default_rng(size)
    for kinds in (1, 2, 5):
        whole = np.repeat(random.integers(0, kinds, size), random.integers(1, 4, size))
        part = random.integers(0, kinds, whole.size, np.int32)
        real = random.choice([1.5, np.inf, np.nan, -2.0], whole.size)
        _, ranked = np.unique(real, return_inverse=True)
        for columns, same in (((whole, part, real), (whole, part, ranked)), ((whole,), (whole,))):
            expected = np.unique(np.column_stack(same), axis=0, return_inverse=True)[1].reshape(-1)
            np.testing.assert_array_equal(ranks(*columns), expected)
