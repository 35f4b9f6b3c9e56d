import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklstm._validation._missing import reject_missing

LABELS = ["a", "b", "a", "b"]


def with_holes(hole, *rows):
    return [hole if row in rows else label for row, label in enumerate(LABELS)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (with_holes(None, 2), "None"),
        (with_holes(float("nan"), 2), "NaN"),
        (tuple(with_holes(np.float32("nan"), 2)), "NaN"),
        (with_holes(pd.NA, 2), "<NA>"),
        (with_holes(pd.NaT, 2), "NaT"),
        (with_holes(np.ma.masked, 2), "masked entries"),
        (np.array(with_holes(None, 2), dtype=object), "None"),
        (np.array([0.0, 1.0, np.nan, 1.0]), "NaN"),
        (np.array([[0.0], [1.0], [np.nan], [1.0]]), "NaN"),
        (np.array(["2001", "2002", "NaT", "2003"], dtype="datetime64[Y]"), "NaT"),
        (np.ma.array([0, 1, 0, 1], mask=[0, 0, 1, 0]), "masked entries"),
        (np.ma.array([0.0, 1.0, np.nan, 1.0], mask=[0, 0, 1, 0]), "masked entries"),
        (list(np.ma.array([0, 1, 0, 1], mask=[0, 0, 1, 0])), "masked entries"),
        (pd.Series(with_holes(None, 2)), "(None|NaN)"),  # None before pandas 3
        (pd.Series(with_holes(None, 2), dtype="string"), "<NA>"),
        (pd.Series(with_holes(None, 2), dtype="category"), "NaN"),
        (pd.Series([0, 1, None, 1], dtype="Int64"), "(NaN|<NA>)"),
        (pd.Series([True, False, None, True], dtype="boolean"), "(NaN|<NA>)"),
        (pd.DataFrame({"y": with_holes(None, 2)}), "(None|NaN)"),
        (pl.Series(with_holes(None, 2)), "None"),
        (pl.Series([0, 1, None, 1]), "NaN"),
    ],
)
def test_what_is_missing_is_named_by_its_index(values, kind):
    with pytest.raises(
        ValueError, match=rf"Input y contains {kind} at y\[2\]; every sequence needs"
    ):
        reject_missing(values, "y", "label")


def test_entries_of_several_columns_have_two_indices():
    for table in ([[0.0, 1.0], [1.0, np.nan]], pd.DataFrame({"a": [0, 1], "b": [1, None]})):
        with pytest.raises(ValueError, match=r"NaN at y\[1, 1\]; every sequence needs a label"):
            reject_missing(np.asarray(table), "y", "label")


def test_a_missing_number_is_named():
    with pytest.raises(ValueError, match=r"NaN at sample_weight\[0\]; every sequence needs a w"):
        reject_missing(float("nan"), "sample_weight", "weight")


def test_at_most_three_are_named():
    expected = r"None and NaN at y\[0\], y\[1\], y\[3\] and 12 more; every sequence needs a label"
    with pytest.raises(ValueError, match=expected):
        reject_missing([None, float("nan"), "a"] + [None] * 13, "y", "label")


@pytest.mark.parametrize(
    "values",
    [
        LABELS, [0, 1, 0, 1], [0.0, np.inf], np.array(LABELS), np.array(LABELS, dtype=object),
        pd.Series(LABELS), pd.Series(LABELS, dtype="category"), pl.Series(LABELS), 3.0,
        np.array([0, 1]), np.array([True, False]), np.ma.array([0, 1]), [b"a", b"b"],
        np.ma.array([0, 1], mask=[0, 0]), ["nan", "None"],
    ],
)  # fmt: skip
def test_what_is_there_passes(values):
    reject_missing(values, "y", "label")
