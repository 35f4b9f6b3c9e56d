"""Baselines beside the defaults (`benchmarks.baselines`): what they read, and what is shown."""

import json

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from benchmarks import baselines

RECORDED = baselines.RESULTS / "fits.json"


def test_equal_events_in_another_order_have_the_same_summaries():
    x = np.eye(6)[[0, 4, 1, 2, 5, 3, 0]]
    other = np.eye(6)[[0, 5, 1, 2, 4, 3, 0]]
    first, second = baselines.summarise([x, other])
    assert first.tolist() == second.tolist()
    assert first[-1] == 7


def test_a_row_has_the_score_on_the_test_part():
    X, y = [np.zeros((3, 1))] * 4, np.array(["a", "a", "a", "b"])
    models = {"most frequent": lambda X, y: ("chosen", DummyClassifier(), lambda X: X)}
    (row,) = baselines.measure("set", (X, y, X[:2], y[2:]), models, [], baselines.accuracy)
    assert row["score"] == 0.5
    assert (row["set"], row["model"], row["chosen"]) == ("set", "most frequent", "chosen")
    assert row["n_train"] == 4


@pytest.mark.parametrize("name", ["series", "text", "numbers"])
def test_the_tables_are_those_of_the_recorded_fits(name):
    rows = json.loads(RECORDED.read_text())[name]
    table = baselines.table(rows, ("sklstm", *baselines.COMPARED[name]), "rst")
    assert (baselines.RESULTS / f"{name}.rst").read_text() == table + "\n"
