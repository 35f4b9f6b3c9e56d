from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import (
    GroupKFold,
    StratifiedGroupKFold,
    TimeSeriesSplit,
    cross_val_predict,
)

from sklstm._compat._sklearn import InvalidParameterError
from sklstm.preprocessing import make_windows
from tests.helpers import quick

RULES = ("last", "majority", "unanimous")


def make_recordings(lengths, *, n_features=2, shortest_run=3, seed=0):
    """Recordings of random values, with activities that last for a while."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(length, n_features)) for length in lengths]
    y = []
    for length in lengths:
        runs = rng.integers(shortest_run, 3 * shortest_run, size=length)
        labels = np.repeat(rng.choice(["run", "sit", "walk"], size=length), runs)
        # Cut where a run has ended, so that no run is shorter than shortest_run.
        labels[length - shortest_run : length] = labels[length - shortest_run]
        y.append(labels[:length])
    return X, y


def naive_windows(X, y, *, size, step, label):
    """The same by loops: (window, label, recording, start)."""
    found = []
    for recording, (values, labels) in enumerate(zip(X, y, strict=True)):
        for start in range(0, len(values) - size + 1, step):
            own = labels[start : start + size].tolist()
            counts = Counter(own)
            if label == "unanimous" and len(counts) > 1:
                continue
            most_frequent = min(counts, key=lambda name: (-counts[name], name))
            name = own[-1] if label == "last" else most_frequent
            found.append((values[start : start + size], name, recording, start))
    return found


@pytest.mark.parametrize("label", RULES)
@pytest.mark.parametrize(("size", "step"), [(1, 1), (4, 1), (4, 3), (4, 4), (5, 7)])
def test_windows_are_those_of_a_loop(size, step, label):
    X, y = make_recordings([30, 5, 17], n_features=3)
    windows = make_windows(X, y, size=size, step=step, label=label)
    expected = naive_windows(X, y, size=size, step=step, label=label)
    np.testing.assert_array_equal(windows.X, np.array([w for w, *_ in expected]))
    assert windows.y.tolist() == [name for _, name, *_ in expected]
    assert windows.recordings.tolist() == [recording for *_, recording, _ in expected]
    assert windows.starts.tolist() == [start for *_, start in expected]
    assert windows.groups.tolist() == windows.recordings.tolist()
    assert windows.lengths.tolist() == [30, 5, 17]


@pytest.mark.parametrize(
    "container",
    [list, tuple, lambda X: np.array(X, dtype=object), lambda X: pd.Series(X, index=[7, 8])],
    ids=["list", "tuple", "object array", "series"],
)
def test_recordings_and_labels_may_come_in_any_container(container):
    X, y = make_recordings([10, 7])
    windows = make_windows(container(X), container(y), size=3)
    assert windows.X.tolist() == make_windows(X, y, size=3).X.tolist()
    assert windows.y.tolist() == make_windows(X, y, size=3).y.tolist()


def test_rectangular_and_univariate_recordings():
    cube = np.arange(24.0).reshape(2, 6, 2)
    np.testing.assert_array_equal(make_windows(cube, size=3).X, make_windows(list(cube), size=3).X)
    assert make_windows([np.arange(4), np.arange(2)], size=2).X.tolist() == [
        [[0], [1]], [[2], [3]], [[0], [1]],
    ]  # fmt: skip


def test_windows_follow_one_another_unless_a_step_is_given():
    assert make_windows([np.arange(10.0)], size=3).starts.tolist() == [0, 3, 6]


def test_one_label_per_recording_is_that_of_each_of_its_windows():
    X, _ = make_recordings([6, 4])
    for label in RULES:
        windows = make_windows(X, pd.Series([1, 0], index=[5, 0]), size=2, label=label)
        assert windows.y.tolist() == [1, 1, 1, 0, 0]
    assert make_windows(X, size=2).y is None


def test_the_callers_groups_are_kept():
    X, _ = make_recordings([6, 4, 4])
    windows = make_windows(X, groups=["ann", "bob", "ann"], size=2)
    assert windows.groups.tolist() == ["ann"] * 3 + ["bob"] * 2 + ["ann"] * 2


def test_values_keep_their_dtype_and_the_callers_arrays_are_not_shared():
    X = [np.zeros((6, 2), dtype=np.float32)]
    windows = make_windows(X, size=3, step=1)
    assert windows.X.dtype == np.float32
    windows.X[:] = 1
    assert X[0].max() == 0


def test_nan_passes_through():
    windows = make_windows([np.array([0.0, np.nan, 2.0, 3.0])], size=2)
    assert np.isnan(windows.X).ravel().tolist() == [False, True, False, False]


def test_short_recordings_are_dropped_if_wanted():
    X, y = make_recordings([2, 6, 1], shortest_run=1)
    windows = make_windows(X, y, size=3, short="drop")
    assert windows.recordings.tolist() == [1, 1]
    assert windows.lengths.tolist() == [2, 6, 1]


# Back onto the recordings


def naive_merge(windows, values, size):
    """Sums over windows by loops: for each recording a list of the values of each timestep."""
    covering = [[[] for _ in range(length)] for length in windows.lengths]
    for value, recording, start in zip(values, windows.recordings, windows.starts, strict=True):
        for timestep in range(start, start + size):
            covering[recording][timestep].append(value)
    return covering


@pytest.mark.parametrize(("size", "step"), [(1, 1), (4, 1), (4, 3), (4, 4)])
def test_merged_values_are_those_of_a_loop(size, step):
    X, y = make_recordings([31, 5, 17])
    windows = make_windows(X, y, size=size, step=step)
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(len(windows.X), 3)), rng.choice(list("abc"), len(windows.X))
    merged = windows.to_recordings(values, fill=np.nan)
    voted = windows.to_recordings(labels, fill="none")
    for recording, timesteps in enumerate(naive_merge(windows, values, size)):
        for timestep, seen in enumerate(timesteps):
            expected = np.mean(seen, axis=0) if seen else np.full(3, np.nan)
            np.testing.assert_allclose(merged[recording][timestep], expected, rtol=1e-12)
    for recording, timesteps in enumerate(naive_merge(windows, labels, size)):
        for timestep, seen in enumerate(timesteps):
            counts = Counter(seen)
            winner = min(counts, key=lambda c: (-counts[c], c)) if counts else "none"
            assert voted[recording][timestep] == winner


@pytest.mark.parametrize("step", [1, 2, 3, 4])
@pytest.mark.parametrize("label", ["majority", "unanimous"])
def test_labels_of_whole_recordings_come_back(label, step):
    X, _ = make_recordings([30, 5, 17])
    windows = make_windows(X, ["run", "sit", "run"], size=4, step=step, label=label)
    merged = windows.to_recordings(windows.y)
    assert [labels.tolist() for labels in merged] == [["run"] * 30, ["sit"] * 5, ["run"] * 17]


def test_labels_of_whole_recordings_come_back_but_for_the_beginning_if_the_label_is_the_last():
    X, _ = make_recordings([30, 5, 17])
    windows = make_windows(X, ["run", "sit", "run"], size=4, step=1, label="last")
    merged = windows.to_recordings(windows.y, fill="?")
    expected = [["?"] * 3 + [kind] * (n - 3) for kind, n in (("run", 30), ("sit", 5), ("run", 17))]
    assert [labels.tolist() for labels in merged] == expected


@pytest.mark.parametrize("seed", range(5))
def test_labels_that_change_come_back_where_each_lasts_for_a_window(seed):
    X, y = make_recordings([40, 12, 25], shortest_run=4, seed=seed)
    windows = make_windows(X, y, size=4, step=1, label="unanimous")
    for merged, own in zip(windows.to_recordings(windows.y), y, strict=True):
        assert merged.tolist() == own.tolist()


def test_labels_of_last_timesteps_come_back_there():
    X, y = make_recordings([40, 12])
    windows = make_windows(X, y, size=4, step=1, label="last")
    for merged, own in zip(windows.to_recordings(windows.y, fill="?"), y, strict=True):
        assert merged.tolist() == ["?"] * 3 + own[3:].tolist()


def test_a_timestep_without_a_window_takes_the_nearest_value_of_its_own_recording():
    windows = make_windows([np.zeros(9), np.zeros(4)], size=2, step=5)
    assert windows.starts.tolist() == [0, 5, 0]
    merged = windows.to_recordings(["a", "b", "c"])
    # Timestep 3 is two from either side's window: the earlier wins.
    assert [labels.tolist() for labels in merged] == [list("aaaabbbbb"), list("cccc")]


@pytest.mark.parametrize(
    ("values", "fill", "expected"),
    [
        ([1, 2], -1, [1, 1, 2, 2, -1]),
        ([1, 2], "none", [1, 1, 2, 2, "none"]),
        (["a", "b"], "none", ["a", "a", "b", "b", "none"]),
        ([True, False], None, [True, True, False, False, None]),
    ],
)
def test_a_fill_value_stands_as_it_is(values, fill, expected):
    windows = make_windows([np.zeros(5)], size=2)
    assert windows.to_recordings(values, fill=fill)[0].tolist() == expected


def test_a_fill_of_nan_leaves_numbers_numbers():
    windows = make_windows([np.zeros(3), np.zeros(1)], size=2, short="drop")
    merged = windows.to_recordings([[0.25, 0.75]], fill=np.nan)
    np.testing.assert_array_equal(merged[0], [[0.25, 0.75]] * 2 + [[np.nan] * 2])
    np.testing.assert_array_equal(merged[1], [[np.nan] * 2])


@pytest.mark.parametrize(
    ("label", "parameters", "first"),
    [
        ("majority", {}, "aaaaa"),
        ("majority", {"fill": "-"}, "aaaa-"),
        ("last", {"fill": "-"}, "-a-a-"),
    ],
)
def test_recordings_without_a_window_have_a_value_of_their_own(label, parameters, first):
    X = [np.zeros(5), np.zeros(1)]
    windows = make_windows(X, ["a", "b"], size=2, short="drop", label=label)
    merged = windows.to_recordings(["a", "a"], missing="none", **parameters)
    assert [own.tolist() for own in merged] == [list(first), ["none"]]


def test_numbers_of_recordings_without_a_window():
    windows = make_windows([np.zeros(1), np.zeros(3)], size=2, short="drop")
    merged = windows.to_recordings([[0.25, 0.75]], missing=np.nan)
    np.testing.assert_array_equal(merged[0], [[np.nan] * 2])
    np.testing.assert_array_equal(merged[1], [[0.25, 0.75]] * 3)


def test_the_representation_is_one_line_however_long_the_recordings():
    X, y = make_recordings([50, 3, 41], n_features=1)
    short = make_windows(X, y, ["a", "b", "a"], size=10, step=2, short="drop", label="last")
    assert repr(short) == (
        "Windows(37 windows of 10 timesteps, 1 feature, labels by 'last', from 2 of 3 recordings,"
        " 1 group)"
    )
    assert repr(make_windows(X[:1], size=50)) == (
        "Windows(1 window of 50 timesteps, 1 feature, from 1 recording, 1 group)"
    )


# Cross-validation


@pytest.mark.parametrize("splitter", [GroupKFold(3), StratifiedGroupKFold(3)], ids=type)
def test_no_recording_is_in_both_training_and_test(splitter):
    rng = np.random.default_rng(0)
    labels = ["moving", "still"] * 3
    X = [rng.normal(2.0 * (name == "moving"), 1.0, size=(12, 2)) for name in labels]
    windows = make_windows(X, labels, size=4, step=2)
    splits = list(splitter.split(windows.X, windows.y, windows.groups))
    for train, test in splits:
        assert not set(windows.recordings[train]) & set(windows.recordings[test])
    predicted = cross_val_predict(
        quick(max_epochs=30), windows.X, windows.y, groups=windows.groups, cv=splitter
    )
    merged = windows.to_recordings(predicted)
    # Two standard deviations between the classes, over eight values a window: hard to miss.
    assert np.mean(np.array(merged) == np.array(labels)[:, None]) > 0.95


# Errors

GOOD, LABELS = make_recordings([6, 4])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"size": 0}, InvalidParameterError, "'size' parameter of make_windows must be .* Got 0"),
        ({"size": 2.0}, InvalidParameterError, r"'size' parameter .* must be an int.* Got 2\.0"),
        ({"step": 0}, InvalidParameterError, "'step' parameter of make_windows must be .* Got 0"),
        ({"label": "first"}, InvalidParameterError, "'label' parameter .* Got 'first' instead"),
        ({"short": "pad"}, InvalidParameterError, "'short' parameter .* Got 'pad' instead"),
        ({"size": 5}, ValueError, r"^X\[1\] has 4 timesteps; a recording needs at least .* has 5"),
        ({"size": 5}, ValueError, r"\n\nChoose a smaller size, or pass short='drop'"),
        (
            {"X": [np.zeros(2)] * 5, "y": None, "size": 3},
            ValueError,
            r"^X\[0\] has 2 timesteps, .*, X\[2\] has 2 timesteps and 2 more are too short; a rec",
        ),
        ({"size": 9, "short": "drop"}, ValueError, "as long as a window of 9 .* longest has 6"),
        (
            {"y": [list("abcdef"), list("abcd")], "size": 2, "label": "unanimous"},
            ValueError,
            "No window of 2 timesteps has one label throughout",
        ),
        ({"y": ["a"]}, ValueError, "X has 2 recordings, y has labels for 1"),
        (
            {"y": pd.DataFrame({"posture": ["a", "b"], "place": ["c", "d"]})},
            ValueError,
            r"y is a DataFrame, whose columns .*\n\nGive the column with the labels: y\['name'\]",
        ),
        (
            {"y": [LABELS[0], LABELS[1][:3]]},
            ValueError,
            r"y\[1\] must be of shape \(4,\).*\(3,\)",
        ),
        ({"y": ["a", LABELS[1]]}, ValueError, r"y\[1\] is an array, but y\[0\] is a single label"),
        ({"y": [LABELS[0], "a"]}, ValueError, r"y\[1\] must be of shape \(4,\), .* shape \(\)"),
        ({"groups": [1]}, ValueError, r"groups must be of shape \(2,\), .* Got shape \(1,\)"),
        ({"X": [GOOD[0], GOOD[1][:, :1]]}, ValueError, r"X\[1\] has 1 features but X\[0\] has 2"),
        ({"X": [GOOD[0], GOOD[1] * np.inf]}, ValueError, r"contains infinity at X\[1\]\[0, 0\]"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        make_windows(**{"X": GOOD, "y": LABELS, "size": 2, **arguments})


@pytest.mark.parametrize("values", [np.zeros(4), np.zeros((5, 1, 1)), 3.0])
def test_values_that_are_not_one_per_window_are_rejected(values):
    shape = str(np.shape(values)).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=rf"of shape \(5,\) or \(5, n_values\), .* {shape} inst"):
        make_windows(GOOD, size=2).to_recordings(values)


def test_numbers_have_no_majority():
    y = [np.linspace(0, 1, 6)]
    with pytest.raises(ValueError, match=r"(?s)y holds numbers.*label='last'"):
        make_windows([np.arange(6.0)], y, size=3)
    windows = make_windows([np.arange(6.0)], y, size=3, label="last")
    np.testing.assert_allclose(windows.y, [0.4, 1.0])


def test_numbers_that_do_not_change_within_a_window_are_its_label():
    X = [np.arange(4.0), np.arange(5.0)]
    assert make_windows(X, [0.5, 1.5], size=4).y.tolist() == [0.5, 1.5]
    assert make_windows(X[:1], [[0.5, 0.5, 2.5, 2.5]], size=2).y.tolist() == [0.5, 2.5]


def test_labels_in_two_dimensions_are_an_error():
    with pytest.raises(
        ValueError, match=r"must be numbers, .* Got dtype <U1 .*\n\n.*values\[:, 0\]"
    ):
        make_windows(GOOD, size=2).to_recordings([["a", "b"]] * 5)


def test_a_recording_without_a_window_has_no_nearest_value():
    windows = make_windows([np.zeros(1), np.zeros(3)], size=2, short="drop")
    with pytest.raises(ValueError, match=r"No window comes from X\[0\], .*\n\n.*missing='unknown'"):
        windows.to_recordings(["a"])


def test_windows_that_speak_for_their_last_timestep_know_nothing_of_earlier_ones():
    windows = make_windows([np.arange(6.0)], [list("aaabbb")], size=3, step=3, label="last")
    with pytest.raises(ValueError, match=r"Timestep 0 of X\[0\] comes before the end of any win"):
        windows.to_recordings(["A", "B"])
    assert windows.to_recordings(["A", "B"], fill="?")[0].tolist() == list("??A??B")


def test_gaps_are_filled_from_the_past_alone_if_windows_speak_for_their_last_timestep():
    windows = make_windows([np.arange(7.0)], size=1, step=3, label="last")
    assert windows.to_recordings(["A", "B", "C"])[0].tolist() == list("AAABBBC")


def test_fractions_are_averaged_in_one_dimension_as_in_two():
    windows = make_windows([np.arange(6.0)], size=3, step=1)
    values = np.array([0.9, 0.8, 0.7, 0.1])
    (flat,) = windows.to_recordings(values)
    (column,) = windows.to_recordings(values[:, None])
    np.testing.assert_array_equal(flat, column[:, 0])
    assert windows.to_recordings([1.0, 0.0, 0.0, 1.0])[0].tolist() == [1, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("short", ["drop", "error"])
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
def test_one_recording_out_of_its_list_is_told_to_go_into_one(container, short):
    X, y = container(np.arange(150.0).reshape(50, 3)), [0] * 25 + [1] * 25
    message = r"(?s)^X of shape \(50, 3\) is read as 50 univariate .*make_windows\(\[X\], \[y\], "
    with pytest.raises(ValueError, match=message):
        make_windows(X, y, size=10, short=short)
    assert make_windows([X], [y], size=10).X.shape == (5, 10, 3)
    with pytest.raises(ValueError, match=r"X has one dimension (?s:.)* \[X\] if it is one univ"):
        make_windows(np.arange(50.0), size=10)


# Values of windows ------------------------------------------------------------------------------


@pytest.mark.parametrize("timestep", [0, 1, -1, -3])
def test_a_window_has_the_value_of_its_timestep(timestep):
    X = [np.arange(5.0), np.arange(100.0, 102.0), np.arange(10.0, 17.0)]
    windows = make_windows(X, size=3, step=2, short="drop")
    # The values themselves as values of timesteps: those at that place in each window.
    found = windows.from_recordings(X, timestep=timestep)
    assert found.tolist() == windows.X[:, timestep, 0].tolist()


def test_values_of_windows_may_be_dates_columns_or_several_numbers():
    days = pd.date_range("2026-01-01", periods=5)
    windows = make_windows([np.zeros((5, 2)), np.zeros((3, 2))], size=3, step=2)
    ends = windows.from_recordings([days, pd.Series(days[:3], index=[7, 8, 9])])
    assert ends.dtype.kind == "M"
    assert ends.astype("datetime64[D]").astype(str).tolist() == [
        "2026-01-03", "2026-01-05", "2026-01-03",
    ]  # fmt: skip
    several = windows.from_recordings([np.arange(10).reshape(5, 2), np.zeros((3, 2))])
    assert several.tolist() == [[4, 5], [8, 9], [0, 0]]


def test_windows_without_one_label_have_no_value():
    X, y = make_recordings([30, 17])
    windows = make_windows(X, y, size=4, step=1, label="unanimous")
    rows = windows.from_recordings([np.arange(30), np.arange(17)], timestep=0)
    assert rows.tolist() == windows.starts.tolist()


@pytest.mark.parametrize(
    ("values", "timestep", "message"),
    [
        ([[1, 2, 3, 4]], -1, "values must be 2 arrays, one for each recording. Got 1."),
        ([[1, 2, 3, 4], [1, 2, 3]], 3, "timestep must be from -3 to 2, .* Got 3 instead"),
        ([[1, 2, 3, 4], [1, 2, 3]], -4, "timestep must be from -3 to 2, .* Got -4 instead"),
    ],
)
def test_values_that_do_not_fit_the_recordings_are_named(values, timestep, message):
    windows = make_windows([np.zeros(4), np.zeros(3)], size=3)
    with pytest.raises(ValueError, match=message):
        windows.from_recordings(values, timestep=timestep)


@pytest.mark.parametrize(("size", "step"), [(5, 1), (5, 2), (5, 5), (6, 4), (4, 7)])
def test_the_gap_of_the_docstring_is_the_smallest_that_keeps_windows_apart(size, step):
    windows = make_windows([np.zeros(200)], size=size, step=step)
    ends = windows.starts + size - 1
    gap = -(-size // step) - 1

    def share_timesteps(gap):
        return any(
            ends[train].max() >= windows.starts[test].min()
            for train, test in TimeSeriesSplit(3, gap=gap).split(windows.X)
        )

    assert not share_timesteps(gap)
    assert gap == 0 or share_timesteps(gap - 1)
