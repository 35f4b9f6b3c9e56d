"""Each hint fires where its reason is planted, and nowhere else."""

import numpy as np
import pandas as pd
import pytest

from sklstm.datasets import describe

N = 40
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(5, 12, N)
CLASSES = RNG.permutation(np.arange(N) % 2)


def clean():
    rng = np.random.default_rng(1)
    return [rng.normal(size=(length, 2)) for length in LENGTHS]


def with_feature(of_sequence):
    """The clean sequences with one more feature."""
    return [
        np.column_stack([x, np.broadcast_to(of_sequence(i, len(x)), len(x))])
        for i, x in enumerate(clean())
    ]


def with_column(**columns):
    return pd.DataFrame({"pulse": [x[:, 0] for x in clean()], **columns})


def found(X, y=CLASSES, **parameters):
    return [(hint.kind, hint.column) for hint in describe(X, y, **parameters).hints]


def test_clean_data_have_none():
    assert found(clean()) == []
    assert found(clean(), RNG.normal(size=N)) == []
    assert found(with_column(age=RNG.normal(size=N), ward=RNG.choice([*"abc"], N))) == []
    assert found(clean(), groups=np.arange(N) % 5) == []


def gap(value, i, n):
    """A feature with this value at its third timestep."""
    return np.where(np.arange(n) == 2, value, np.sin(i + np.arange(n)))


def starts():
    return np.cumsum(LENGTHS) - LENGTHS


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (lambda i, n: 3.0, [("constant", "x2")]),
        (lambda i, n: gap(np.nan, i, n), [("missing", "x2")]),
        (lambda i, n: gap(np.inf, i, n), [("infinite", "x2")]),
        (lambda i, n: 0.5 * np.arange(n), [("clock", "x2")]),
        (lambda i, n: starts()[i] + np.arange(n), [("identifier", "x2")]),
        (lambda i, n: (i * 7) % N, [("identifier", "x2")]),
        (lambda i, n: CLASSES[i], [("reveals_target", "x2")]),
        (lambda i, n: 5 - 2 * CLASSES[i], [("reveals_target", "x2")]),
        (lambda i, n: (np.arange(n) == n - 1) * CLASSES[i], [("reveals_target", "x2")]),
        (lambda i, n: np.linspace(0, CLASSES[i] + 0.01 * i, n), []),
        (lambda i, n: i % 3, []),
    ],
)  # fmt: skip
def test_a_feature(feature, expected):
    assert found(with_feature(feature)) == expected


def test_a_feature_of_numbers_that_is_the_target():
    y = RNG.normal(size=N)
    assert found(with_feature(lambda i, n: 3 * y[i] + 1), y) == [("reveals_target", "x2")]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"patient_id": np.arange(N)}, [("identifier", "patient_id")] * 2),
        ({"number": RNG.permutation(N)}, [("identifier", "number")]),
        ({"code": [f"a{i}" for i in range(N)]}, [("identifier", "code")]),
        ({"label": RNG.normal(size=N)}, [("name_of_target", "label")]),
        ({"dose": 10.0 * CLASSES}, [("reveals_target", "dose")]),
        ({"drug": np.where(CLASSES, "a", "b")}, [("reveals_target", "drug")]),
        ({"dose": CLASSES + RNG.uniform(0, 0.5, N)}, [("reveals_target", "dose")]),
    ],
)
def test_a_static_column(columns, expected):
    assert found(with_column(**columns)) == expected


def test_names_of_features():
    X = [pd.DataFrame(x, columns=["timestamp", "target"]) for x in clean()]
    assert found(X) == [("identifier", "timestamp"), ("name_of_target", "target")]


def test_equal_sequences():
    X, y = clean(), CLASSES.copy()
    X[7], y[7] = X[3], y[3]
    assert found(X, y) == [("duplicates", None)]
    y[7] = 1 - y[3]
    assert found(X, y) == [("duplicates", None), ("conflicting_targets", None)]
    groups = np.arange(N)
    assert found(X, y, groups=groups)[-1] == ("duplicates_across_groups", None)


def test_sequences_without_a_measurement():
    X = clean()
    for unmeasured, text in (
        ([5], "1 sequence has no measurement: X[5]. Leave it out: "),
        ([1, 9, 30], "4 sequences have no measurement: X[1], X[5], X[9] and 1 more. Leave them"),
    ):
        for index in unmeasured:
            X[index][:] = np.nan
        texts = {hint.kind: hint.text for hint in describe(X, CLASSES).hints}
        assert texts["nothing_measured"].startswith(text)


def test_features_that_some_sequences_lack():
    X = with_feature(lambda i, n: np.nan)
    for index in set(range(N)) - {4, 6}:
        X[index][:, 2] = np.sin(index + np.arange(len(X[index])))
    X[5][:] = np.nan
    hints = describe(X, CLASSES).hints
    assert [(hint.kind, hint.column) for hint in hints] == [
        ("missing", None),
        ("nothing_measured", None),
        ("nothing_measured", "x2"),
    ]
    assert hints[-1].text == (
        "Features without any value in some sequences: 'x2' (X[4], X[6]). An imputer would make up"
        " all of them."
    )
    # Nowhere measured is another matter.
    assert found(with_feature(lambda i, n: np.nan)) == [("missing", "x2")]


def test_texts_that_are_numbers():
    rng = np.random.default_rng(2)

    def frames(draw):
        return [pd.DataFrame({"x": x[:, 0], "acc": draw(len(x))}) for x in clean()]

    hints = describe(frames(lambda n: rng.choice(["0.13", "-2", "1e3", "--"], n)), CLASSES).hints
    assert [(hint.kind, hint.column) for hint in hints] == [("misread", "acc")]
    assert hints[0].text == (
        "'acc' is a category although most of its texts are numbers, such as '0.13'. If it is a"
        " measurement: pandas.to_numeric(..., errors='coerce')."
    )
    # Whole numbers may be codes.
    assert found(frames(lambda n: rng.choice(["01", "-1", "11"], n))) == []
    assert found(frames(lambda n: rng.choice(["1.8 TDI", "a", "2.0"], n))) == []


def test_infinite_values_and_categories_are_something():
    X = clean()
    X[5][:] = np.inf
    assert found(X) == [("infinite", None)]
    frames = [pd.DataFrame({"x": x[:, 0], "gear": RNG.choice([*"abc"], len(x))}) for x in clean()]
    frames[5]["x"] = np.nan
    assert found(frames) == [("missing", "x")]
    assert found([frame[["gear"]] for frame in frames]) == []


def test_lengths():
    X = [RNG.normal(size=(5 + 3 * label, 2)) for label in CLASSES]
    assert found(X) == [("lengths_reveal_target", None)]


def test_a_class_of_one_sequence():
    y = CLASSES.copy()
    y[0] = 2
    assert found(clean(), y) == [("rare_class", None)]


def test_each_of_several_labels_is_looked_at():
    y = np.column_stack([CLASSES, RNG.permutation(CLASSES)])
    hints = describe(with_feature(lambda i, n: CLASSES[i]), y).hints
    assert [hint.text for hint in hints] == [
        "'x2', constant in each sequence, alone tells y[:, 0]."
    ]


def test_the_warnings_of_a_fit():
    assert found(RNG.normal(size=(N, 3, 30)).cumsum(axis=2)) == [("misread", None)]


def test_several_features_share_a_hint():
    X = [np.column_stack([x, np.ones((len(x), 5))]) for x in clean()]
    hints = describe(X, CLASSES).hints
    assert [hint.kind for hint in hints] == ["constant"]
    assert "'x2', 'x3', 'x4' and 2 more" in hints[0].text
