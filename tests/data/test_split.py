import numpy as np
import pytest
from sklearn.model_selection import GroupShuffleSplit

from sklstm._data._split import split_in_runs, split_rows


def split(codes, groups=None, *, last=False, fraction=0.2, seed=0):
    codes = np.asarray(codes)
    groups = None if groups is None else np.asarray(groups)
    classes = np.array(list("abcdefgh"))[: codes.max() + 1]
    return split_rows(
        codes,
        groups,
        describe=lambda rows: f"{np.unique(classes[codes[rows]]).tolist()}",
        last=last,
        fraction=fraction,
        seed=seed,
    )


# Stratified


def test_the_parts_are_a_partition_in_the_classes_proportions():
    codes = np.repeat([0, 1, 2], [60, 30, 10])
    train, valid = split(codes)
    assert sorted([*train, *valid]) == list(range(100))
    assert np.bincount(codes[valid]).tolist() == [12, 6, 2]


def test_a_seed_determines_it():
    codes = np.repeat([0, 1], 20)
    parts = [split(codes, seed=seed)[1].tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


@pytest.mark.parametrize(
    "counts", [[50, 1], [50, 2], [197, 3], [50, 1, 1, 1], [20, 3, 2, 1], [2, 2]]
)
@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_every_class_of_two_is_on_either_side_and_of_one_is_trained_on(counts, fraction):
    codes = np.repeat(np.arange(len(counts)), counts)
    for seed in range(20):
        train, valid = split(codes, fraction=fraction, seed=seed)
        assert set(codes[train]) == set(range(len(counts)))
        assert set(codes[valid]) == {c for c, count in enumerate(counts) if count > 1}


def test_a_seed_beyond_32_bits_is_accepted():
    split(np.repeat([0, 1], 20), seed=2**40)


def test_nothing_to_split_is_an_error_with_the_remedy():
    with pytest.raises(ValueError, match=r"(?s)early_stopping=True needs.*early_stopping=False"):
        split([0, 1, 2])


# By groups


def draw_groups(seed, n_groups=20, n_classes=3):
    """Groups of 1 to 29 sequences, each with a mixture of classes of its own."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), rng.integers(1, 30, n_groups))
    mixtures = rng.dirichlet(np.full(n_classes, 0.7), n_groups)
    codes = np.array([rng.choice(n_classes, p=mixtures[group]) for group in groups])
    order = rng.permutation(len(codes))
    return codes[order], groups[order]


@pytest.mark.parametrize("fraction", [0.02, 0.2, 0.5, 0.98])
def test_no_group_is_on_both_sides_and_every_class_is_trained_on(fraction):
    for seed in range(20):
        codes, groups = draw_groups(seed)
        train, valid = split(codes, groups, fraction=fraction, seed=seed)
        assert sorted([*train, *valid]) == list(range(len(codes)))
        assert len(valid) > 0
        assert not set(groups[train]) & set(groups[valid])
        assert set(codes[train]) == set(codes)


def test_groups_are_held_out_in_the_classes_proportions_as_far_as_that_goes():
    errors, of_scikit_learn = [], []
    for seed in range(20):
        codes, groups = draw_groups(seed)
        shuffled = GroupShuffleSplit(1, test_size=0.2, random_state=seed)
        for found, valid in (
            (errors, split(codes, groups, seed=seed)[1]),
            (of_scikit_learn, next(shuffled.split(codes, codes, groups))[1]),
        ):
            shares = np.bincount(codes[valid], minlength=3) / np.bincount(codes)
            found.append(np.abs(shares - 0.2).max())
    assert np.mean(errors) < 0.04
    assert np.mean(errors) < 0.3 * np.mean(of_scikit_learn)


def test_a_seed_determines_which_groups():
    codes, groups = draw_groups(0)
    parts = [split(codes, groups, seed=seed)[1].tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


def test_a_group_that_holds_a_whole_class_is_trained_on():
    codes, groups = [0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2]
    for seed in range(10):
        train, valid = split(codes, groups, fraction=0.5, seed=seed)
        assert {4, 5} <= set(train)
        assert len(valid) == 2


def test_two_large_groups_are_one_on_either_side_even_for_a_small_fraction():
    codes, groups = [0, 1, 0, 1], [0, 0, 1, 1]
    assert {tuple(split(codes, groups, fraction=0.01, seed=seed)[1]) for seed in range(20)} == {
        (0, 1)
    }


def test_groups_that_cannot_be_held_out_are_an_error_with_the_remedy():
    with pytest.raises(ValueError, match=r"(?s)each of the 2 groups holds all .*Give more groups"):
        split([0, 0, 1, 1], [0, 0, 1, 1])


# The last part


def test_the_last_sequences_are_held_out():
    train, valid = split([0, 1] * 10, last=True, fraction=0.25)
    assert train.tolist() == list(range(15))
    assert valid.tolist() == list(range(15, 20))


@pytest.mark.parametrize(("fraction", "n_held_out"), [(0.01, 1), (0.99, 2), (0.5, 2)])
def test_either_side_keeps_at_least_one(fraction, n_held_out):
    assert len(split([0, 0, 0], last=True, fraction=fraction)[1]) == n_held_out


def test_a_class_that_begins_in_the_last_part_is_an_error_that_names_it():
    message = r"(?s)the last 2 of 8 .* none of the classes \['b', 'c'\] to train on.*smaller"
    with pytest.raises(ValueError, match=message):
        split([0, 0, 0, 0, 0, 0, 1, 2], last=True, fraction=0.25)


@pytest.mark.parametrize(
    ("groups", "n_held_out"),
    [
        ([0, 0, 1, 1, 1, 2, 2, 2], 3),  # cuts before rows 2 and 5; 6 is wanted
        ([0, 1, 0, 1, 2, 2, 2, 2], 4),
        ([0, 1, 1, 1, 1, 1, 1, 1], 7),
        ([0, 1, 2, 3, 4, 5, 6, 7], 2),
    ],
)
def test_the_cut_is_where_no_group_is_on_both_sides(groups, n_held_out):
    _, valid = split([0] * 8, groups, last=True, fraction=0.25)
    assert valid.tolist() == list(range(8 - n_held_out, 8))


def test_groups_that_go_on_from_beginning_to_end_are_an_error_with_the_remedy():
    message = r"(?s)a group has sequences on both sides.*order of time.*dates as groups"
    with pytest.raises(ValueError, match=message):
        split([0, 1, 0, 1], [0, 1, 1, 0], last=True)


# In runs


@pytest.mark.parametrize(
    ("n", "n_held_out", "n_runs"), [(1000, 100, 10), (150, 15, 10), (30, 3, 3)]
)
def test_runs_of_neighbours_are_held_out(n, n_held_out, n_runs):
    train, valid = split_in_runs(n, 0.1, seed=0)
    assert sorted([*train, *valid]) == list(range(n))
    assert abs(len(valid) - n_held_out) <= 5
    n_gaps = np.count_nonzero(np.diff(valid) > 1)
    assert n_runs // 2 <= n_gaps + 1 <= n_runs
    assert split_in_runs(n, 0.1, seed=1)[1].tolist() != valid.tolist()
