import enum
import fractions
import json
import math

import numpy as np
import pytest

from sklstm._files._values import NUMBERS, Decoder, UnstorableError, encode


def through_json(value):
    arrays = {}
    text = json.dumps(encode(value, arrays, "x"), allow_nan=False)
    return Decoder(arrays).decode(json.loads(text))


def assert_same(actual, expected):
    assert type(actual) is type(expected)
    if isinstance(expected, np.ndarray):
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)
    elif isinstance(expected, dict):
        assert list(actual) == list(expected)
        for key, item in zip(actual, expected, strict=True):
            assert_same(key, item)
        for key in expected:
            assert_same(actual[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected)
        for mine, item in zip(actual, expected, strict=True):
            assert_same(mine, item)
    else:
        assert actual == expected or (math.isnan(actual) and math.isnan(expected))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(10**30),
        0.1,
        5e-324,
        -0.0,
        math.nan,
        math.inf,
        -math.inf,
        "text",
        '\ud800 \0 " $tuple',
        [],
        (),
        [1, (2.0, [None])],
        {},
        {"a": 1, "b": {"c": (True,)}},
        {0: "int", 1.5: "float", "a": None, (1, 2): [3]},
        {"$tuple": [1]},
        {"$array": "x", "$dict": 2},
        np.float32(0.1),
        np.float64(math.nan),
        np.int8(-3),
        np.uint64(2**64 - 1),
        np.bool_(False),
    ],
    ids=repr,
)
def test_plain_values(value):
    assert_same(through_json(value), value)


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (0, 4)])
def test_arrays_of_numbers(dtype, shape):
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    assert_same(through_json({"a": array})["a"], array)


@pytest.mark.parametrize(
    "array",
    [
        np.array([np.nan, -np.inf, -0.0]),
        np.array(["", "bb", "ü\U0001f600"]),
        np.array(["a"], dtype="<U20"),
        np.array(["a", "ü\ud800", ""]),
        np.zeros(0, dtype="U3"),
        np.array(["a", None, 1.5, (1,)], dtype=object),
        np.array([[1, 2], [3]], dtype=object),
        np.array(["2020-01-01", "NaT"], dtype="datetime64[ns]"),
        np.array([1, 2], dtype="timedelta64[D]"),
        np.array([], dtype=object),
    ],
    ids=repr,
)
def test_other_arrays(array):
    assert_same(through_json([array])[0], array)


def test_arrays_keep_their_values_whatever_their_layout():
    array = np.arange(12.0).reshape(3, 4)
    for other in (array[:, ::2], array.T, np.asfortranarray(array)):
        np.testing.assert_array_equal(through_json(other), other)
    # The byte order of the machine is the one part of a dtype that is not kept.
    assert_same(through_json(np.array([1, 256], dtype=">i4")), np.array([1, 256], dtype=np.int32))


def test_subclasses_of_plain_types_become_plain():
    class Three(enum.IntEnum):
        THREE = 3

    assert_same(through_json([np.str_("a"), Three.THREE]), ["a", 3])


def test_no_two_arrays_have_one_name():
    value = {"a/b": np.zeros(1), "a": {"b": np.ones(1)}}
    assert_same(through_json(value), value)


@pytest.mark.parametrize(
    "value",
    [
        print,
        np.random.RandomState(0),
        {1},
        b"bytes",
        1j,
        fractions.Fraction(1, 3),
        np.longdouble(1),
        np.datetime64("2020-01-01"),
        np.zeros(2, dtype=np.longdouble),
        np.zeros(2, dtype=complex),
        np.array([[None]], dtype=object),
        np.zeros((1, 1), dtype="U1"),
        np.array([print]),
        np.zeros((2, 2), dtype="U3"),
    ],
    # Not their own words: some show an address, which differs between parallel workers.
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_held(value):
    with pytest.raises(UnstorableError, match=r"cannot hold 'x/a.*', which is "):
        encode({"a": value}, {}, "x")


@pytest.mark.parametrize(
    "value",
    [
        {"$tuple": 1},
        {"$dict": [1]},
        {"$dict": [[[], 1]]},
        {"$float": "1"},
        {"$number": ["object", 1]},
        {"$number": ["int8", 300]},
        {"$array": "missing"},
        {"$array": []},
        {"$dates": ["datetime64[x]", "a"]},
        {"$dates": ["float64", "a"]},
        {"$dates": ["datetime64[s]", "f"]},
        {"$text": [1, ["a"]]},
        {"$text": ["1", ["a"]]},
        {"$text": "missing"},
        {"$text": "a"},
        {"$text": "f"},
        {"$text": "wide"},
        {"$text": "row"},
        {"$text": "large"},
        {"$number": ["float64", {"$array": "a"}]},
        {"$number": ["float64", [1, 2]]},
        [{"$array": "a"}, {"$array": "a"}],
        {"$objects": None},
    ],
    ids=repr,
)
def test_json_that_was_never_encoded(value):
    points = np.zeros(3, dtype=np.uint32)
    arrays = {
        "a": np.zeros(2, dtype=np.int64), "f": np.zeros((2, 1)), "row": points,
        "wide": points.reshape(3, 1)[:, :0], "large": points.reshape(3, 1) + 0x110000,
    }  # fmt: skip
    with pytest.raises((ArithmeticError, LookupError, TypeError, ValueError)):
        Decoder(arrays).decode(value)


def test_an_array_in_a_list_of_objects_stays_one():
    items = Decoder({"a": np.zeros(10**6, dtype=np.uint8)}).decode({"$objects": [{"$array": "a"}]})
    assert items.shape == (1,)
    assert items[0].shape == (10**6,)


def test_the_names_of_arrays_are_in_ascii():
    value = {"ä\ud800": np.zeros(1), "\\xe4\\ud800": np.ones(1)}
    arrays = {}
    encode(value, arrays)
    assert all(name.isascii() for name in arrays)
    assert_same(through_json(value), value)
