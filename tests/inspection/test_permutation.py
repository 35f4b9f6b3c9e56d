import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.inspection import permutation_importance as importance_of_columns
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklstm import LSTMSequenceClassifier
from sklstm._compat._sklearn import InvalidParameterError
from sklstm.inspection import permutation_importance
from sklstm.preprocessing import SequenceImputer, TokenEncoder
from tests.helpers import quick

RNG = np.random.default_rng(0)
NAN = float("nan")


class Rule(ClassifierMixin, BaseEstimator):
    """Predicts whether the mean of the second feature in the last half is positive."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.array([int(np.nanmean(np.asarray(x)[len(x) // 2 :, 1]) > 0) for x in X])


def make_ruled(n=40, lengths=None, n_features=3):
    lengths = np.full(n, 8) if lengths is None else lengths
    X = [RNG.normal(size=(length, n_features)) for length in lengths]
    return X, Rule().predict(X)


def flat(X):
    """The one timestep of each sequence as a table."""
    return np.asarray(X)[:, 0]


# scikit-learn's numbers ---------------------------------------------------------------------------

TABLE = RNG.normal(size=(50, 4))
LABELS = (TABLE[:, 0] + 0.3 * TABLE[:, 1] + 0.1 * RNG.normal(size=50) > 0).astype(int)
WEIGHTS = RNG.uniform(0.5, 2.0, 50)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"max_samples": 0.5},
        {"max_samples": 5},
        {"sample_weight": WEIGHTS, "max_samples": 0.7},
        {"scoring": "neg_log_loss", "n_repeats": 3},
    ],
    ids=lambda parameters: ", ".join(parameters),
)
@pytest.mark.parametrize("form", [np.array, list])
def test_of_one_timestep_the_numbers_are_those_of_scikit_learn(form, parameters):
    of_table = LogisticRegression().fit(TABLE, LABELS)
    of_sequences = make_pipeline(FunctionTransformer(flat), LogisticRegression())
    X = form(TABLE[:, None])
    of_sequences.fit(X, LABELS)
    expected = importance_of_columns(of_table, TABLE, LABELS, random_state=3, **parameters)
    found = permutation_importance(of_sequences, X, LABELS, random_state=3, **parameters)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    assert expected.importances_mean[0] > 0.1


def test_several_scorers_give_a_dict_as_in_scikit_learn():
    of_sequences = make_pipeline(FunctionTransformer(flat), LogisticRegression())
    X = TABLE[:, None]
    of_sequences.fit(X, LABELS)
    scoring, parameters = ["accuracy", "roc_auc"], {"random_state": 0, "n_repeats": 2}
    found = permutation_importance(of_sequences, X, LABELS, scoring=scoring, **parameters)
    assert list(found) == scoring
    for name in scoring:
        alone = permutation_importance(of_sequences, X, LABELS, scoring=name, **parameters)
        np.testing.assert_array_equal(found[name].importances, alone.importances)
        assert found[name].baseline_score == alone.baseline_score


def test_of_equal_lengths_a_group_of_columns_is_permuted():
    X, y = make_ruled()
    X = np.array(X)
    found = permutation_importance(Rule(), X, y, n_repeats=1, random_state=5)
    rng = np.random.RandomState(np.random.RandomState(5).randint(2**31))
    order = np.arange(len(X))
    rng.shuffle(order)
    permuted = X.copy()
    permuted[:, :, 1] = X[order][:, :, 1]
    assert found.importances[1, 0] == 1 - (Rule().predict(permuted) == y).mean()
    assert found.importances[1, 0] > 0.2


# What matters -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ragged", [False, True])
def test_what_the_estimator_reads_is_found(ragged):
    X, y = make_ruled(lengths=RNG.integers(8, 20, 40) if ragged else None)
    of_features = permutation_importance(Rule(), X, y, random_state=0)
    assert of_features.importances.shape == (3, 5)
    assert of_features.importances_mean.argmax() == 1
    assert (of_features.importances[[0, 2]] == 0).all()
    of_segments = permutation_importance(Rule(), X, y, "segment", n_segments=2, random_state=0)
    assert of_segments.importances.shape == (2, 5)
    assert of_segments.importances_mean[1] > 0.2
    assert of_segments.importances_mean[0] < 0.1
    np.testing.assert_array_equal(of_segments.segment_bounds, [0, 0.5, 1])
    both = permutation_importance(Rule(), X, y, "both", n_segments=2, random_state=0)
    assert both.importances.shape == (3, 2, 5)
    assert both.importances_mean.shape == both.importances_std.shape == (3, 2)
    np.testing.assert_array_equal(both.importances[1], of_segments.importances)
    assert (both.importances[[0, 2]] == 0).all()


def test_one_segment_of_all_features_is_the_whole_sequence():
    X, y = make_ruled()
    whole = permutation_importance(Rule(), X, y, "segment", n_segments=1, random_state=0)
    second = permutation_importance(Rule(), X, y, random_state=0)
    np.testing.assert_array_equal(whole.importances[0], second.importances[1])


def test_an_estimator_of_this_package():
    X, y = make_ruled(lengths=RNG.integers(3, 9, 40))
    classifier = quick(max_epochs=2).fit(X, y)
    found = permutation_importance(
        classifier, X, y, "both", scoring="roc_auc", n_segments=2, n_repeats=2, random_state=0
    )
    assert found.importances.shape == (3, 2, 2)
    assert found.feature_names == ["x0", "x1", "x2"]
    assert found.by == "both"
    assert (found.importances != 0).any()


def test_static_columns_are_features_too_and_keep_their_place_by_segment():
    X = pd.DataFrame(
        {
            "pulse": [RNG.normal(size=length) for length in RNG.integers(3, 9, 30)],
            "age": RNG.normal(size=30),
            "ward": RNG.choice(["north", "south"], 30),
        }
    )

    class ByAge(Rule):
        def predict(self, X):
            return (X["age"].to_numpy() > 0).astype(int)

    y = ByAge().predict(X)
    found = permutation_importance(ByAge(), X, y, random_state=0)
    assert found.feature_names == ["pulse", "age", "ward"]
    assert found.importances_mean[1] > 0.2
    assert (found.importances[[0, 2]] == 0).all()
    by_segment = permutation_importance(ByAge(), X, y, "both", n_segments=2, random_state=0)
    assert by_segment.feature_names == ["pulse"]
    assert (by_segment.importances == 0).all()
    fitted = quick(max_epochs=1).fit(X, y)
    ours = permutation_importance(fitted, X, y, random_state=0, max_samples=0.5)
    assert ours.importances.shape == (3, 5)


# Padding, missing values, tokens ------------------------------------------------------------------


def test_padding_stays_padding_so_that_a_padded_array_is_the_list():
    X, y = make_ruled(lengths=RNG.integers(3, 9, 40))
    padded = np.full((40, 8, 3), -1.0)
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x
    fitted = quick(mask_value=-1, max_epochs=1, random_state=0).fit(padded, y)
    parameters = {"scoring": "neg_log_loss", "random_state": 0, "n_repeats": 2}
    of_array = permutation_importance(make_pipeline(fitted), padded, y, **parameters)
    of_list = permutation_importance(fitted, X, y, **parameters)
    np.testing.assert_array_equal(of_array.importances, of_list.importances)
    alone = permutation_importance(fitted, padded, y, mask_value=-1.0, **parameters)
    np.testing.assert_array_equal(alone.importances, of_list.importances)
    wrong = permutation_importance(fitted, padded, y, mask_value=None, **parameters)
    assert (wrong.importances != of_list.importances).any()


def test_missing_values_reach_the_step_that_fills_them():
    X, y = make_ruled(lengths=RNG.integers(3, 9, 40))
    X = [np.where(RNG.random(x.shape) < 0.1, NAN, x) for x in X]
    pipeline = make_pipeline(SequenceImputer(), quick(max_epochs=1)).fit(X, y)
    found = permutation_importance(pipeline, X, y, random_state=0, n_repeats=1)
    assert np.isfinite(found.importances).all()


def test_token_ids_and_encoded_texts_by_segment():
    texts = [" ".join(RNG.choice(["a", "b", "c"], length)) for length in RNG.integers(4, 9, 30)]
    y = np.array([int(text.endswith("a")) for text in texts])
    encoder, classifier = TokenEncoder(), quick(embedding_dim=4, max_epochs=1)
    pipeline = make_pipeline(encoder, classifier).fit(texts, y)
    ids = pipeline[:-1].transform(texts)
    parameters = {"by": "segment", "n_segments": 2, "random_state": 0, "n_repeats": 2}
    found = permutation_importance(pipeline[-1], ids, y, scoring="roc_auc", **parameters)
    assert found.importances.shape == (2, 2)
    padded = np.zeros((30, 10), dtype=int)
    for row, x in zip(padded, ids, strict=True):
        row[: len(x)] = x
    of_array = permutation_importance(pipeline[-1], padded, y, scoring="roc_auc", **parameters)
    np.testing.assert_array_equal(of_array.importances, found.importances)
    with pytest.raises(ValueError, match=r"X\[0\] is text"):
        permutation_importance(pipeline, texts, y, **parameters)


# Randomness and errors ----------------------------------------------------------------------------


# New processes take ten seconds to start.
@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_the_same_seed_gives_the_same_numbers_whatever_n_jobs_is(backend):
    of_sequences = make_pipeline(FunctionTransformer(flat), LogisticRegression())
    X = list(TABLE[:, None])
    of_sequences.fit(X, LABELS)
    alone = permutation_importance(of_sequences, X, LABELS, random_state=0).importances
    with parallel_config(backend=backend):
        found = permutation_importance(of_sequences, X, LABELS, random_state=0, n_jobs=2)
    np.testing.assert_array_equal(found.importances, alone)
    other = permutation_importance(of_sequences, X, LABELS, random_state=1).importances
    assert (alone != other).any()


def test_fewer_segments_than_asked_for_in_short_sequences():
    X, y = make_ruled()
    with pytest.warns(UserWarning, match="n_segments=10 is more than the 8 timesteps"):
        found = permutation_importance(Rule(), X, y, "segment", random_state=0)
    assert found.importances.shape == (8, 5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"by": "features"}, "'by' parameter"),
        ({"n_repeats": 0}, "'n_repeats' parameter"),
        ({"n_segments": 0}, "'n_segments' parameter"),
        ({"max_samples": 1.5}, "'max_samples' parameter"),
        ({"mask_value": "nan"}, "'mask_value' parameter"),
        ({"scoring": "acuracy"}, "'scoring' parameter"),
    ],
)
def test_parameters_are_checked(parameters, message):
    X, y = make_ruled(4)
    with pytest.raises(InvalidParameterError, match=message):
        permutation_importance(Rule(), X, y, **parameters)


@pytest.mark.parametrize("max_samples", [41, 0.01])
def test_max_samples_must_draw_sequences_that_there_are(max_samples):
    X, y = make_ruled()
    with pytest.raises(ValueError, match=f"from 1 to 40 sequences.*Got {max_samples}"):
        permutation_importance(Rule(), X, y, max_samples=max_samples)


def test_an_X_that_the_estimator_refuses_gets_its_own_error():
    X, y = make_ruled()
    fitted = quick(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="X has 2 features, but LSTMSequenceClassifier"):
        permutation_importance(fitted, [x[:, :2] for x in X], y)


def test_the_estimator_must_be_fitted():
    X, y = make_ruled()
    with pytest.raises(ValueError, match="not fitted"):
        permutation_importance(LSTMSequenceClassifier(), X, y)
