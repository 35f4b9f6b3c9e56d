import numpy as np
import pytest

from sklstm._sequences import Sequences
from sklstm.datasets._leakage import (
    Target,
    duplicates,
    first_of_same,
    identifies,
    reveals,
    telling_names,
)

RNG = np.random.default_rng(0)
NAN = np.nan
CLASSES = np.arange(40) % 4
NUMBERS = RNG.normal(size=40)


def of(values, are_classes=True):
    return Target(np.asarray(values), are_classes, "the target")


def sequences_of(*rows, **others):
    values = np.concatenate([np.asarray(row, dtype=float) for row in rows])[:, None]
    whole = Sequences.from_lengths(values, [len(row) for row in rows])
    return Sequences(whole.values, whole.offsets, **others)


def test_equal_sequences_are_found_whatever_their_place():
    same = sequences_of([1, 2], [1, 2, 3], [1, 2], [NAN, 1], [NAN, 1], [1], [2])
    assert first_of_same(same).tolist() == [0, 1, 0, 3, 3, 5, 6]


def test_other_static_columns_make_another_sequence():
    static = np.array([[1.0], [1.0], [2.0]])
    assert first_of_same(sequences_of([1], [1], [1], static=static)).tolist() == [0, 0, 2]


def test_other_categories_make_another_sequence():
    codes = np.array([[1], [1], [2]])
    assert first_of_same(sequences_of([1], [1], [1], codes=codes)).tolist() == [0, 0, 2]


def test_hints_at_duplicates_name_the_sequences():
    sequences = sequences_of([1, 2], [3], [1, 2], [3])
    hints = {
        hint.kind: hint.text
        for hint in duplicates(sequences, np.array([0, 1, 1, 1]), np.array(["a", "b", "a", "c"]))
    }
    assert [*hints] == ["duplicates", "conflicting_targets", "duplicates_across_groups"]
    assert "2 sequences are copies of earlier ones (50.0% of all)" in hints["duplicates"]
    assert "X[2] = X[0], X[3] = X[1]" in hints["duplicates"]
    assert "X[2] = X[0]." in hints["conflicting_targets"]
    assert "X[3] = X[1]." in hints["duplicates_across_groups"]


def test_of_several_labels_any_may_conflict():
    targets = np.array([[0, 1], [0, 0]])
    kinds = [hint.kind for hint in duplicates(sequences_of([1], [1]), targets, None)]
    assert kinds == ["duplicates", "conflicting_targets"]


def test_no_hint_where_nothing_is_equal():
    assert [*duplicates(sequences_of([1], [2]), np.array([0, 1]), None)] == []


def test_columns_that_are_called_an_id_or_a_target():
    found = {hint.column: hint.kind for hint in telling_names(["ID", "patient_id", "label", "age"])}
    assert found == {"ID": "identifier", "patient_id": "identifier", "label": "name_of_target"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (RNG.permutation(40), True),
        (np.arange(9), False),  # too few to tell
        (np.repeat(np.arange(20), 2), False),
        (RNG.normal(size=40), False),  # measurements always differ
        (np.where(np.arange(40) == 3, NAN, np.arange(40)), False),
    ],
)
def test_an_id_is_whole_and_unique(values, expected):
    assert identifies(np.asarray(values, dtype=float)) is expected


@pytest.mark.parametrize(
    ("values", "target", "expected"),
    [
        (CLASSES * 10, of(CLASSES), True),
        (CLASSES % 2, of(CLASSES % 2), True),
        # Two values a class, and ranges of different values.
        (CLASSES + 10 * (np.arange(40) // 4 % 2), of(CLASSES), True),
        (CLASSES + RNG.uniform(0, 0.5, 40), of(CLASSES), True),
        (np.where(np.arange(40) < 8, NAN, CLASSES), of(CLASSES), True),
        (RNG.permutation(CLASSES), of(CLASSES), False),
        (RNG.normal(size=40), of(CLASSES), False),
        (np.arange(40), of(CLASSES), False),
        (np.zeros(40), of(CLASSES), False),
        (np.full(40, NAN), of(CLASSES), False),
        # One value in another class.
        (np.where(np.arange(40) == 0, 1, CLASSES), of(CLASSES), False),
        # Five pairs are of one class each by chance.
        (np.repeat(np.arange(5), 2), of(np.repeat([0, 1, 0, 1, 1], 2)), False),
        # Four sequences of two classes are in order by chance.
        (np.arange(4), of([0, 0, 1, 1]), False),
        (CLASSES, of(np.zeros(40)), False),
        (3 - 2 * NUMBERS, of(NUMBERS, False), True),
        (NUMBERS + RNG.normal(0, 0.1, 40), of(NUMBERS, False), False),
        (np.zeros(40), of(NUMBERS, False), False),
    ],
)
def test_one_value_of_each_sequence_may_tell_the_target(values, target, expected):
    assert reveals(np.asarray(values, dtype=float), target) is expected


def test_codes_of_categories_have_no_order():
    sorted_classes = np.repeat([0, 1], 20)
    codes = np.arange(40.0)
    assert reveals(codes, of(sorted_classes))
    assert not reveals(codes, of(sorted_classes), are_codes=True)


def test_ranges_may_not_count():
    apart = CLASSES + RNG.uniform(0, 0.5, 40)
    assert reveals(apart, of(CLASSES))
    assert not reveals(apart, of(CLASSES), by_range=False)
    assert reveals(CLASSES.astype(float), of(CLASSES), by_range=False)


def test_chance_hardly_ever_tells_the_target():
    rng = np.random.default_rng(1)
    for _ in range(300):
        n = int(rng.integers(4, 60))
        target = of(rng.integers(0, 2, n))
        assert not reveals(rng.integers(0, rng.integers(2, 40), n).astype(float), target)
