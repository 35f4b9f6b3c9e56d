"""Evidence that is known, because it was planted, is found."""

import pytest

from tests.inspection.planted import NETWORKS, explain_one

METHODS = ("integrated_gradients", "occlusion")


@pytest.mark.parametrize("name", ["fixed convolutions", "both directions", "words"])
def test_the_most_important_value_is_the_planted_one(name):
    found = explain_one(name, 0, METHODS, n=80)
    assert all(is_found and error < 1e-3 for is_found, error in found.values()), found


@pytest.mark.slow
def test_in_95_of_100_tasks_the_most_important_value_is_the_planted_one():
    names = list(NETWORKS)
    found = [(names[seed % len(names)], explain_one(names[seed % len(names)], seed, METHODS))
             for seed in range(100)]  # fmt: skip
    for method in METHODS:
        missed = [name for name, results in found if not results[method][0]]
        assert len(missed) <= 5, (method, missed)
        assert max(results[method][1] for _, results in found) < 1e-3
