import numpy as np
import pytest

from sklstm.inspection._baselines import pair_with_baseline
from sklstm.inspection._explained import read_model
from sklstm.inspection._mixtures import Mixtures
from tests.inspection.fitted import fitted


def mixtures(name, n=3):
    model, given = fitted(name)
    explained = read_model(model, "test")
    sequences = explained.read(explained.transform(given[:n]))
    pair = pair_with_baseline(explained, sequences, None)
    return model, given[:n], explained, Mixtures(explained, *pair.batch(np.arange(n)))


@pytest.mark.parametrize("name", ["fixed", "windows", "categories", "static", "ids", "static ids"])
def test_all_cells_give_what_the_model_predicts(name):
    model, given, explained, own = mixtures(name)
    masks = np.ones((3, own.n_timesteps, explained.n_features), dtype=bool)
    outputs = own.outputs(np.arange(3), masks)
    np.testing.assert_allclose(outputs, model.decision_function(given), atol=1e-5)


@pytest.mark.parametrize("name", ["both scales", "fixed"])
def test_a_cell_that_is_left_out_is_that_of_the_baseline(name):
    model, given, explained, own = mixtures(name)
    masks = np.ones((2, own.n_timesteps, explained.n_features), dtype=bool)
    masks[1, 2, 0] = False
    whole, changed = own.outputs(np.array([1, 1]), masks)
    assert not np.allclose(whole, changed)
    if name == "fixed":
        x = given[1].copy()
        x[2, 0] = model.net_.reader.scaling.mean[0]
        np.testing.assert_allclose(changed, model.decision_function([x])[0], atol=1e-5)


def test_a_static_column_that_is_left_out():
    model, given, explained, own = mixtures("static")
    masks = np.ones((1, own.n_timesteps, explained.n_features), dtype=bool)
    (outputs,) = own.outputs(np.array([0]), masks, np.array([[True, False]]))
    other = given[:1].copy()
    other["ward"] = "unknown"
    np.testing.assert_allclose(outputs, model.decision_function(other)[0], atol=1e-5)
