import numpy as np
import pytest

from sklstm._training._split import stratified_split


def test_the_parts_are_a_partition_in_the_classes_proportions():
    classes = np.repeat([0, 1, 2], [60, 30, 10])
    train, valid = stratified_split(classes, 0.2, seed=0)
    assert sorted([*train, *valid]) == list(range(100))
    assert np.bincount(classes[valid]).tolist() == [12, 6, 2]


def test_a_seed_determines_it():
    classes = np.repeat([0, 1], 20)
    parts = [stratified_split(classes, 0.2, seed=seed)[1].tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


@pytest.mark.parametrize(
    "counts", [[50, 1], [50, 2], [197, 3], [50, 1, 1, 1], [20, 3, 2, 1], [2, 2]]
)
@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_every_class_of_two_is_on_either_side_and_of_one_is_trained_on(counts, fraction):
    classes = np.repeat(np.arange(len(counts)), counts)
    for seed in range(20):
        train, valid = stratified_split(classes, fraction, seed=seed)
        assert set(classes[train]) == set(range(len(counts)))
        assert set(classes[valid]) == {c for c, count in enumerate(counts) if count > 1}


def test_a_seed_beyond_32_bits_is_accepted():
    stratified_split(np.repeat([0, 1], 20), 0.2, seed=2**40)


def test_nothing_to_split_is_an_error_with_the_remedy():
    with pytest.raises(ValueError, match=r"(?s)early_stopping=True needs.*early_stopping=False"):
        stratified_split(np.array([0, 1, 2]), 0.1, seed=0)
