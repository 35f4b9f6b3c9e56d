import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from sklstm.datasets import describe
from sklstm.datasets._report_figure import _ticks

pytestmark = pytest.mark.usefixtures("figures")

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(length, 2)) for length in RNG.integers(3, 9, 30)]
Y = np.arange(30) % 3


def drawn(*arguments):
    return describe(*arguments).plot()


def titles(figure):
    return [ax.get_title() for ax in figure.axes]


def ticks(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_classes():
    figure = drawn(X, Y)
    assert titles(figure) == ["Lengths", "Classes", "Features", "y = 0", "y = 1", "y = 2"]
    lengths, classes, features = figure.axes[:3]
    assert sum(bar.get_height() for bar in lengths.patches) == 30
    assert [bar.get_width() for bar in classes.patches] == [10, 10, 10]
    assert ticks(features) == ["x0", "x1"]


def test_examples_are_sequences_of_their_class():
    ax = drawn(X, Y).axes[4]
    x, all_values = X[1], np.concatenate(X)
    expected = (x - all_values.mean(axis=0)) / all_values.std(axis=0)
    for line, column in zip(ax.lines, expected.T, strict=True):
        np.testing.assert_allclose(line.get_ydata(), column)


def test_numbers_from_small_to_large():
    y = RNG.normal(size=30)
    figure = drawn(X, y)
    assert titles(figure)[:3] == ["Lengths", "Target", "Features"]
    assert titles(figure)[3] == f"y = {round(y.min(), 3)}"
    assert titles(figure)[-1] == f"y = {round(y.max(), 3)}"


TWO = [0, 1, 0, 1]
OF_TWO = ["y = 0", "y = 1"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((X,), ["Lengths", "Features", *["a sequence"] * 4]),
        (
            (X, np.eye(30)[:, :2] + np.eye(30)[:, 1:3]),
            ["Lengths", "Labels", "Features", "labels 0", "labels 0, 1"],
        ),
        ((["a $b", "c"], [0, 1]), ["Lengths", "Classes", "Most frequent tokens", *OF_TWO]),
        ((np.ones((4, 1, 1)), TWO), ["Lengths", "Classes", "Features", *OF_TWO]),
        ((np.full((4, 2, 1), np.nan), TWO), ["Lengths", "Classes", "Features, 0 of 1", *OF_TWO]),
        (([pd.DataFrame({"a": [*"xy"]})] * 4,), ["Lengths", "Features, 0 of 1"]),
    ],
)
def test_all_kinds_of_data_can_be_drawn(given, expected):
    figure = drawn(*given)
    figure.canvas.draw()
    assert titles(figure) == expected


def test_only_so_many_bars_as_are_legible():
    figure = drawn(RNG.normal(size=(60, 5, 30)), [f"c{i:02}" for i in range(30)] * 2)
    assert titles(figure)[1:3] == ["Classes, 20 of 30", "Features, 20 of 30"]
    assert len(figure.axes[1].patches) == 20


def test_a_long_name_is_shortened():
    figure = drawn([pd.DataFrame({"a" * 50: [1.0, 2.0], "b": [3.0, 4.0]})] * 4)
    assert ticks(figure.axes[1]) == [f"{'a' * 23}…", "b"]


def test_a_dollar_sign_begins_no_formula():
    assert ticks(drawn(X, ["$a$", "b"] * 15).axes[1]) == [r"\$a\$", "b"]


def test_features_of_very_different_scales_have_a_logarithmic_axis():
    figure = drawn([x * [1, 1e6] for x in X])
    assert figure.axes[1].get_xscale() == "symlog"
    assert drawn(X).axes[1].get_xscale() == "linear"


def test_ticks_of_a_logarithmic_axis_keep_apart():
    assert _ticks(1.0, 0.0, 1e6) == [0, 1e3, 1e6]
    assert _ticks(1.0, -5e4, 5.0) == [-1e4, -1e2, 0]


def test_a_figure_may_be_given():
    figure = plt.figure()
    assert describe(X, Y).plot(figure=figure) is figure
    assert len(figure.axes) == 6
