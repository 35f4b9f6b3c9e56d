import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from sklstm._inference._prediction import embed
from tests.helpers import make_cube, quick

X, Y = make_cube()


def test_attributes_of_an_earlier_fit_are_replaced_and_its_columns_forgotten():
    frame = pd.DataFrame(X[:, :, 0], columns=list("abcdef"))
    classifier = quick().fit(frame, Y)
    first = classifier.net_
    assert classifier.fit(X, Y).net_ is not first
    assert not hasattr(classifier, "feature_names_in_")


def test_nothing_is_computed_before_a_fit():
    with pytest.raises(NotFittedError):
        quick()._predictor(X)


def test_a_function_of_network_and_sequences_gives_a_row_for_each_sequence():
    classifier = quick().fit(X, Y)
    np.testing.assert_array_equal(classifier._compute(embed, X), classifier.transform(X))


def test_a_pickle_holds_no_torch_object():
    classifier = quick().fit(X, Y)
    assert b"torch" not in pickle.dumps(classifier.__getstate__())
