import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklstm.inspection import attributions
from sklstm.inspection._explained import as_given, read_model
from sklstm.preprocessing import RollingFeatures, SequenceScaler
from tests.inspection.fitted import LABELS, X, classifier, fitted


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="attributions takes an LSTMSequenceClassifier, an"):
        attributions(LogisticRegression(), X)
    with pytest.raises(TypeError, match="a Pipeline that ends in an object of type Logistic"):
        attributions(make_pipeline(SequenceScaler(), LogisticRegression()), X)
    search = GridSearchCV(classifier(), {"hidden_sizes": [4]})
    search.best_estimator_ = None
    with pytest.raises(TypeError, match=r"search\.best_estimator_"):
        attributions(search, X)
    with pytest.raises(NotFittedError):
        attributions(classifier(), X)


def test_a_step_that_mixes_timesteps_is_named():
    model = make_pipeline(SequenceScaler(), RollingFeatures(3), classifier(n_kernels=0))
    with pytest.raises(ValueError, match=r"(?s)Step 'rollingfeatures' is an.*pipeline\[2:\]"):
        attributions(model.fit(X, LABELS), X)


def test_a_scaler_in_front_changes_nothing():
    scaled = make_pipeline(SequenceScaler(), classifier(n_kernels=0, conv_filters=()))
    scaled.fit(X, LABELS)
    plain = attributions(scaled[-1], scaled[0].transform(X[:2]))
    for through, alone in zip(attributions(scaled, X[:2]), plain, strict=True):
        np.testing.assert_array_equal(through, alone)


def test_the_channels_of_an_imputer_belong_to_its_features():
    explained = read_model(fitted("imputed")[0], "test")
    assert explained.owners().tolist() == [0, 1, 0, 1]
    assert explained.n_features == 2


def test_categories_have_their_places_among_the_columns():
    explained = read_model(fitted("categories")[0], "test")
    assert explained.owners().tolist() == [0, 2, 1]
    assert read_model(fitted("both scales")[0], "test").owners().tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("X", "lengths"),
    [
        (np.zeros((2, 5, 1)), [5, 5]),
        ([np.zeros((4, 1)), np.zeros((3, 1))], [4, 3]),
        ([{"a": [1.0] * 4}, {"a": [1.0] * 2}], [3, 2]),
    ],
)
def test_padding_is_appended_where_x_had_it(X, lengths):
    explained = read_model(fitted("lstm")[0], "test")
    found = as_given(explained, [np.ones((3, 1)), np.ones((2, 1))], X)
    assert [len(values) for values in found] == lengths
    assert [values.sum() for values in found] == [3, 2]


def test_a_frozen_model_is_explained_as_the_model_itself():
    model = fitted("lstm")[0]
    frozen = attributions(FrozenEstimator(model), X[:2])
    for own, other in zip(attributions(model, X[:2]), frozen, strict=True):
        np.testing.assert_array_equal(own, other)
