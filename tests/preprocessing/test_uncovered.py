import numpy as np
import pytest

from sklstm.preprocessing._uncovered import filled, nearest

OFFSETS = np.array([0, 5, 7])


def known(*rows):
    return np.isin(np.arange(7), rows)


def test_the_nearest_known_row_is_of_the_same_recording():
    assert nearest(known(0, 3, 6), OFFSETS, causal=False).tolist() == [0, 0, 3, 3, 3, 6, 6]


def test_of_two_as_near_the_earlier_is_taken():
    assert nearest(known(0, 4, 5), OFFSETS, causal=False).tolist() == [0, 0, 0, 4, 4, 5, 5]


def test_a_causal_value_is_never_later():
    assert nearest(known(0, 3, 5), OFFSETS, causal=True).tolist() == [0, 0, 0, 3, 3, 5, 5]
    with pytest.raises(ValueError, match=r"Timestep 0 of X\[1\] .*\n\n.*fill='unknown'"):
        nearest(known(0, 6), OFFSETS, causal=True)


def test_a_recording_with_nothing_known_is_named():
    with pytest.raises(ValueError, match=r"No window comes from X\[0\], .*\n\n.*missing='unknown'"):
        nearest(known(6), OFFSETS, causal=False)


@pytest.mark.parametrize(
    ("values", "fill", "expected", "kind"),
    [
        ([1, 2], np.nan, [1, np.nan], "f"),
        (["a", "b"], "none", ["a", "none"], "U"),
        ([1, 2], "none", [1, "none"], "O"),
    ],
)
def test_a_fill_value_stands_as_it_is(values, fill, expected, kind):
    both = filled(np.array(values), np.array([True, False]), fill)
    np.testing.assert_array_equal(both, np.array(expected, dtype=kind))
    assert both.dtype.kind == kind
