"""Values that the caller gives for each timestep."""

import numpy as np
import pytest

from sklstm.preprocessing._values import concatenate_values


def test_values_of_all_timesteps_are_one_array():
    assert concatenate_values([[1, 2], np.array([3])], [2, 1], "sequence").tolist() == [1, 2, 3]
    several = concatenate_values(iter([[[1, 2]], [[3, 4], [5, 6]]]), np.array([1, 2]), "sequence")
    assert several.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 2]], r"values must be 2 arrays, one for each recording\. Got 1\."),
        (
            [[1, 2], [1, 2]],
            r"values\[1\] must have 1 values, one for each timestep of X\[1\]\. Got shape \(2,\) ",
        ),
        ([[1, 2], 3], r"values\[1\] must have 1 values, .* Got shape \(\) instead"),
    ],
)
def test_the_array_that_does_not_fit_is_named(values, message):
    with pytest.raises(ValueError, match=message):
        concatenate_values(values, [2, 1], "recording")
