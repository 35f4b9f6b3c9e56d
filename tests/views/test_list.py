import pickle

import numpy as np
import pytest

from sklstm._sequences import ArrayRows, in_memory
from sklstm._views import _list
from sklstm._views._list import ListRows, view_of_list
from tests.helpers import make_ragged, quick

# float32 that is not contiguous, in the memory order of columns, and of integers.
ARRAYS = [
    np.arange(20, dtype=np.float32).reshape(2, 10)[:, ::-1].T,
    np.empty((0, 2)),
    np.asfortranarray(np.random.default_rng(0).normal(size=(7, 2))),
    np.arange(6).reshape(3, 2),
]
WHOLE = np.concatenate(ARRAYS)


@pytest.fixture
def _all_are_large(monkeypatch):
    monkeypatch.setattr(_list, "LARGE_LIST", 0)
    monkeypatch.setattr(_list, "LONG_RUN", 1)


@pytest.fixture
def rows():
    return ListRows(ARRAYS, np.dtype(np.float64))


def test_timesteps_from_any_place(rows):
    assert rows.shape == WHOLE.shape
    np.testing.assert_array_equal(rows.read(0, 20), WHOLE)
    np.testing.assert_array_equal(rows.read(8, 12), WHOLE[8:12])
    taken = rows.gather(np.array([17, 2, 2, 9]), np.array([3, 4, 4, 0]))
    np.testing.assert_array_equal(taken, WHOLE[[17, 18, 19, 2, 3, 4, 5, 2, 3, 4, 5]])
    assert (taken.dtype, taken.flags.c_contiguous) == (np.float64, True)
    assert rows.gather(np.array([], dtype=int), np.array([], dtype=int)).shape == (0, 2)


def test_a_pickle_is_one_array(rows):
    copy = pickle.loads(pickle.dumps(rows))
    assert isinstance(copy, ArrayRows)
    np.testing.assert_array_equal(copy.values, WHOLE)


@pytest.mark.usefixtures("_all_are_large")
@pytest.mark.parametrize("dtypes", ["f", "d", "e", "i", "?", "fd", "fi", "fh", "el", "g"])
def test_values_are_those_of_one_array(dtypes):
    rng = np.random.default_rng(0)
    arrays = [
        (rng.normal(size=n) * 100).astype(d) for n, d in zip((5, 3), 2 * dtypes, strict=False)
    ]
    values = np.concatenate(arrays)
    values = values if values.dtype == np.float32 else values.astype(np.float64)
    sequences = in_memory(view_of_list(arrays))
    assert sequences.values.dtype == values.dtype
    np.testing.assert_array_equal(sequences.values[:, 0], values)
    assert sequences.offsets.tolist() == [0, 5, 8]


def test_what_is_small_or_short_is_copied(monkeypatch):
    many = [np.zeros(100, dtype=np.float32)] * 10
    monkeypatch.setattr(_list, "LARGE_LIST", 4000)
    assert view_of_list(many) is None
    assert view_of_list([*many, np.zeros(63, dtype=np.float32)]) is not None
    assert view_of_list([np.zeros(63)] * 100) is None


@pytest.mark.parametrize("parameters", [{}, {"mask_value": -1.0}, {"early_stopping": True}])
def test_a_fit_of_a_view_has_the_bits_of_one_of_an_array(parameters, request):
    X, y = make_ragged(30)
    X = [np.concatenate([x, np.full((i % 3, 2), -1.0)]) for i, x in enumerate(X)]
    expected = quick(**parameters).fit(X, y).predict_proba(X)
    request.getfixturevalue("_all_are_large")
    assert view_of_list(X) is not None
    fitted = quick(**parameters).fit(X, y)
    np.testing.assert_array_equal(fitted.predict_proba(X), expected)


@pytest.mark.usefixtures("_all_are_large")
def test_errors_are_raised_before_anything_is_computed():
    X, y = make_ragged(6)
    fitted = quick().fit(X, y)
    X[4][1, 1] = np.nan
    for call in (lambda: quick().fit(X, y), lambda: fitted.predict(X)):
        with pytest.raises(ValueError, match=r"NaN at X\[4\]\[1, 1\]"):
            call()
    X[4] = X[4][:0]
    with pytest.raises(ValueError, match=r"X\[4\] has no timesteps"):
        fitted.predict(X)
