import copy
import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback

from sklstm import LSTMSequenceClassifier
from sklstm.datasets import make_temporal_order, make_trends
from sklstm.exceptions import TrainingDivergedError
from tests.helpers import make_cube, make_ragged, quick

X, Y = make_ragged(24)
TABLE = np.random.default_rng(0).normal(size=(20, 6)) + 3 * (np.arange(20) % 2)[:, None]
TABLE_Y = np.arange(20) % 2


def same(a, b):
    """Whether two fitted estimators have the same weights to the bit."""
    pairs = zip(a.net_.module_.parameters(), b.net_.module_.parameters(), strict=True)
    return all(torch.equal(p, q) for p, q in pairs)


# Learning


def test_learns_an_order_far_apart():
    X, y = make_temporal_order(400, n_timesteps=30, random_state=0)
    classifier = LSTMSequenceClassifier(32, pooling="last", max_epochs=25, random_state=0)
    # Without memory of order the best possible is 0.75.
    assert classifier.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.95


def test_learns_trends_of_unequal_length():
    X, y = make_trends(200, slope=1.0, random_state=0)
    classifier = LSTMSequenceClassifier(16, max_epochs=30, random_state=0)
    assert classifier.fit(X[:150], y[:150]).score(X[150:], y[150:]) > 0.9


@pytest.mark.parametrize(
    "optimizer",
    ["adam", "adamw", "rmsprop", "sgd", torch.optim.NAdam, partial(torch.optim.SGD, momentum=0.5)],
)
def test_every_optimizer_learns(optimizer):
    classifier = quick(optimizer=optimizer, max_epochs=40, learning_rate=0.05).fit(X, Y)
    assert classifier.history_["train_loss"][-1] < 0.7 * classifier.history_["train_loss"][0]


@pytest.mark.parametrize("options", [
    {"dropout": 0.3, "hidden_sizes": (8, 4)}, {"l1": 1e-4}, {"l2": 1e-3}, {"mixup_alpha": 1.0},
    {"dense_sizes": (6, 4)},
    {"pooling": "mean"}, {"pooling": "attention"}, {"pooling": "last"}, {"bidirectional": False},
    {"max_grad_norm": None}, {"standardize": False}, {"standardize": "both"},
    {"early_stopping": True}, {"early_stopping": "last"}, {"lr_schedule": "plateau"},
    {"conv_filters": 8}, {"conv_filters": (8, 6), "patch_size": 4}, {"conv_filters": "auto"},
    {"conv_filters": 8, "precision": "bfloat16"},
    {"patch_size": 3}, {"patch_size": "auto", "max_epochs": "auto"},
])  # fmt: skip
def test_every_option_learns(options):
    assert quick(**{"max_epochs": 40, **options}).fit(X, Y).score(X, Y) > 0.9


# Labels


@pytest.mark.parametrize("labels", [["run", "walk"], [1, 3], [0, 2], [False, True], [-1.0, 1.0],
                                    ["1", "0"]])  # fmt: skip
def test_labels_of_any_kind_go_in_and_come_out(labels):
    y = np.array(labels)[Y]
    classifier = quick(max_epochs=20).fit(X, y)
    assert classifier.classes_.tolist() == sorted(labels)
    assert classifier.predict(X).dtype == y.dtype
    assert classifier.score(X, y) > 0.9
    best = classifier.classes_[classifier.predict_proba(X).argmax(axis=1)]
    assert best.tolist() == classifier.predict(X).tolist()


def test_labels_of_pandas():
    classifier = quick(max_epochs=20).fit(X, pd.Series(["run", "walk"], dtype="category")[Y])
    assert set(classifier.predict(X)) == {"run", "walk"}


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_outputs_fit_together(n_classes):
    X, y = make_ragged(42, n_classes=n_classes)
    classifier = quick().fit(X, y)
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == (42, n_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(classifier.predict_log_proba(X), np.log(probabilities), rtol=1e-9)
    decision = classifier.decision_function(X)
    if n_classes == 2:
        assert decision.shape == (42,)
        assert (classifier.predict(X) == (decision > 0)).all()
    else:
        assert decision.shape == (42, n_classes)
        assert (classifier.predict(X) == decision.argmax(axis=1)).all()


# Fitted attributes


def test_features_in_after_each_form():
    frame = pd.DataFrame(TABLE, columns=list("abcdef"))
    fitted = quick().fit(frame, TABLE_Y)
    assert fitted.n_features_in_ == 6
    assert fitted.feature_names_in_.tolist() == list("abcdef")
    fitted.fit(TABLE, TABLE_Y)
    assert fitted.n_features_in_ == 6
    assert not hasattr(fitted, "feature_names_in_")
    assert fitted.fit(X, Y).n_features_in_ == 2
    assert fitted.fit(*make_cube(n_features=3)).n_features_in_ == 3


def test_a_table_must_keep_its_columns_but_univariate_lists_may_have_any_length():
    fitted = quick().fit(TABLE, TABLE_Y)
    with pytest.raises(
        ValueError, match="X has 5 features, but LSTMSequenceClassifier is expecting 6"
    ):
        fitted.predict(TABLE[:, :5])
    np.testing.assert_array_equal(fitted.predict_proba(list(TABLE)), fitted.predict_proba(TABLE))
    assert fitted.predict([np.ones(3), np.ones(9)]).shape == (2,)


def test_renamed_columns_are_an_error():
    frame = pd.DataFrame(TABLE, columns=list("abcdef"))
    fitted = quick().fit(frame, TABLE_Y)
    with pytest.raises(ValueError, match="feature names should match those that were passed"):
        fitted.predict(frame.rename(columns={"a": "z"}))


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "transform", "partial_fit", "score"]
)
def test_another_number_of_features_is_an_error(method):
    fitted = quick().fit(X, Y)
    other, y = make_ragged(4, n_features=3)
    arguments = (other, y) if method in ("partial_fit", "score") else (other,)
    with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 2 features"):
        getattr(fitted, method)(*arguments)


def test_unfitted():
    for method in (
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
        "transform",
    ):
        with pytest.raises(
            NotFittedError, match="This LSTMSequenceClassifier instance is not fitted"
        ):
            getattr(quick(), method)(X)


def test_the_history_is_a_table():
    table = pd.DataFrame(quick(early_stopping=True).fit(X, Y).history_)
    losses = {"train_loss", "valid_loss", "valid_score"}
    assert set(table.columns) == {"epoch", "dur", "learning_rate", *losses}
    assert len(table) == 5


def test_transform_is_the_pooled_vector_with_names():
    fitted = quick(hidden_sizes=(8, 3), bidirectional=True).fit(X, Y)
    assert fitted.transform(X).shape == (24, 6)
    names = fitted.get_feature_names_out()
    assert names.tolist() == [f"lstmsequenceclassifier{i}" for i in range(6)]
    frame = fitted.set_output(transform="pandas").transform(X)
    assert frame.columns.tolist() == names.tolist()
    assert fitted.predict(X).shape == (24,)


# Going on


def test_partial_fit_trains_one_epoch_a_call():
    classifier = quick().partial_fit(X, Y, classes=[0, 1])
    first = copy.deepcopy(classifier)
    classifier.partial_fit(X, Y)
    assert classifier.n_iter_ == 2
    assert not same(classifier, first)
    for _ in range(30):
        classifier.partial_fit(X, Y)
    assert classifier.score(X, Y) > 0.9
    assert classifier.history_["learning_rate"].tolist() == [0.02] * 32


def test_partial_fit_takes_parts_that_lack_a_class():
    classifier = quick().partial_fit(X[:1], ["a"], classes=["a", "b", "c"])
    classifier.partial_fit(X[1:3], ["c", "b"])
    assert classifier.classes_.tolist() == ["a", "b", "c"]
    assert classifier.predict_proba(X).shape == (24, 3)


def test_partial_fit_keeps_the_standardisation_of_the_first_call():
    classifier = quick().partial_fit(X, Y, classes=[0, 1])
    mean = classifier._scaling.mean.copy()
    classifier.partial_fit([x + 100 for x in X], Y)
    np.testing.assert_array_equal(classifier._scaling.mean, mean)


def test_partial_fit_keeps_what_auto_became_at_first():
    classifier = quick().partial_fit(X, Y, classes=[0, 1])
    classifier.partial_fit([x * 1000.0 ** (i < 3) for i, x in enumerate(X)], Y)
    assert classifier.resolved_params_["standardize"] is True
    with pytest.raises(ValueError, match=r"'standardize' was True, got 'both'"):
        classifier.set_params(standardize="both").partial_fit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "arguments", "message"),
    [
        ({}, {}, "classes must be passed on the first call to partial_fit"),
        ({}, {"classes": [0]}, r"list all labels, at least 2. Got \[0\]"),
        ({}, {"classes": 3}, "list all labels, at least 2. Got 3"),
        ({}, {"classes": [1, 2]}, r"not in classes: \[0\]. Known classes: \[1, 2\]"),
        ({"class_weight": "balanced"}, {"classes": [0, 1]}, "compute_class_weight"),
    ],
)
def test_partial_fit_errors(parameters, arguments, message):
    with pytest.raises(ValueError, match=message):
        quick(**parameters).partial_fit(X, Y, **arguments)


def test_partial_fit_refuses_other_classes_later():
    classifier = quick().partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="is not the same as on the last call to partial_fit"):
        classifier.partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"not in classes: \[5, 6\]"):
        classifier.partial_fit(X, Y + 5)


def test_partial_fit_after_fit_goes_on():
    classifier = quick().fit(X, Y).partial_fit(X, Y)
    assert classifier.n_iter_ == 6


def test_warm_start_goes_on_where_fit_alone_begins_anew():
    warm, cold = quick(warm_start=True).fit(X, Y), quick().fit(X, Y)
    assert same(warm, cold)
    first_loss = warm.history_["train_loss"][0]
    warm.fit(X, Y)
    assert warm.n_iter_ == 10
    assert warm.history_["train_loss"][5] < first_loss
    assert same(cold.fit(X, Y), quick().fit(X, Y))
    assert cold.n_iter_ == 5


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"hidden_sizes": (8, 8)}, r"'hidden_sizes' was \(8,\), got \(8, 8\)\.\n\nSet it back"),
        ({"conv_filters": ()}, r"'conv_filters' was \(2,\), got \(\)\."),
    ],
)
def test_warm_start_needs_the_same_network(parameters, error):
    classifier = quick(conv_filters=2, warm_start=True).fit(X, Y)
    classifier.set_params(**parameters)
    with pytest.raises(ValueError, match=error):
        classifier.fit(X, Y)


def test_partial_fit_does_not_mix():
    """It cannot know which epochs are the last ones, and those are not mixed."""
    mixing, plain = (
        quick(mixup_alpha=a).partial_fit(X, Y, classes=[0, 1]).partial_fit(X, Y) for a in (1, 0)
    )
    assert same(mixing, plain)
    assert not same(quick(mixup_alpha=1.0).fit(X, Y), quick().fit(X, Y))


def test_warm_start_needs_the_same_classes():
    classifier = quick(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match=r"not in classes: \[7\]"):
        classifier.fit(X, np.where(Y == 1, 7, 0))


# Parameters


def test_set_params_works_on_a_fitted_estimator_for_every_parameter():
    classifier = quick().fit(X, Y)
    before = classifier.predict_proba(X)
    other = LSTMSequenceClassifier(
        (4, 4), bidirectional=False, pooling="mean", patch_size=2, conv_filters=(3, 4),
        n_kernels=100, dense_sizes=(3,), dropout=0.1, freeze_embedding=True, tfidf=False,
        standardize=False, mask_value=-99.0,
        class_weight="balanced", mixup_alpha=0.1, l1=1e-5, l2=1e-5, optimizer="rmsprop",
        learning_rate=0.01, lr_schedule="cosine", max_grad_norm=5.0, batch_size=7, max_epochs=3,
        max_time=1e6, early_stopping="last", validation_fraction=0.3, validation_interval=2,
        n_iter_no_change=2, tol=0.0, scoring=["accuracy"], return_train_score=True, device="auto",
        precision="bfloat16", warm_start=False, callbacks=[],
        random_state=3, verbose=0,
    )  # fmt: skip
    defaults = LSTMSequenceClassifier().get_params()
    # The others of the embedding say that X is token ids; these are idle without it.
    only_one_value = {"warm_start", "checkpoint", "checkpoint_interval", "verbose"}
    only_one_value |= {"embedding_dim", "vocabulary_size", "embedding_weights"}
    parameters = other.get_params()
    for name, value in parameters.items():
        assert name in only_one_value or value != defaults[name], name
        classifier.set_params(**{name: value})
    np.testing.assert_array_equal(classifier.predict_proba(X), before)
    with pytest.warns(UserWarning, match="freeze_embedding=True, tfidf=False have no effect"):
        assert same(classifier.fit(X, Y), other.fit(X, Y))


def test_fit_changes_no_parameter():
    classifier = quick(hidden_sizes=[8], class_weight={0: 2.0}, callbacks=None, dense_sizes=3)
    before = copy.deepcopy(classifier.get_params())
    classifier.fit(X, Y)
    assert classifier.get_params() == before


# Nothing is lost when something goes wrong


class Interrupting(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


class Poisoning(Callback):
    def on_batch_end(self, net, **kwargs):
        with torch.no_grad():
            next(net.module_.parameters()).fill_(torch.nan)


@pytest.mark.parametrize(
    ("error", "parameters", "arguments"),
    [
        (KeyboardInterrupt, {"callbacks": [Interrupting()]}, (X, Y)),
        (TrainingDivergedError, {"callbacks": [Poisoning()]}, (X, Y)),
        (ValueError, {}, ([*X[:-1], np.full((3, 2), np.nan)], Y)),
        (ValueError, {}, (X, Y[:-1])),
        (ValueError, {"hidden_sizes": 0}, (X, Y)),
        (ValueError, {"device": "cuda:99"}, (X, Y)),
    ],
)
@pytest.mark.parametrize("method", ["fit", "warm fit", "partial_fit"])
def test_a_failed_training_leaves_the_estimator_as_it_was(error, parameters, arguments, method):
    classifier = quick(warm_start=method == "warm fit").fit(X, Y)
    before, history = classifier.predict_proba(X), classifier.history_
    state = {name: value for name, value in vars(classifier).items() if name.endswith("_")}
    good = classifier.get_params()
    classifier.set_params(**parameters)
    with pytest.raises(error):  # noqa: PT011, RUF100  (the messages have tests of their own)
        getattr(classifier, method.removeprefix("warm "))(*arguments)
    classifier.set_params(**good)
    assert {n: v for n, v in vars(classifier).items() if n.endswith("_")} == state
    np.testing.assert_array_equal(classifier.predict_proba(X), before)
    assert classifier.history_ is history


def test_a_failed_first_fit_leaves_no_trace():
    classifier = quick(callbacks=[Interrupting()])
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(X, Y)
    assert set(vars(classifier)) == set(classifier.get_params())


# Weights


def test_sample_weight_is_routed_through_pipeline_and_cross_validation():
    seen = []

    class Spy(LSTMSequenceClassifier):
        def fit(self, X, y, sample_weight=None):
            seen.append(sample_weight)
            return super().fit(X, y, sample_weight=sample_weight)

    spy = Spy(4, max_epochs=1, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        spy.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipeline = make_pipeline(FunctionTransformer(), spy)
        cross_validate(pipeline, X, Y, cv=2, params={"sample_weight": np.arange(1.0, 25.0)})
    assert [len(weights) for weights in seen] == [12, 12]
    assert sorted(np.concatenate(seen)) == list(range(1, 25))


def test_balanced_weights_find_the_rare_class():
    X, y = make_trends(300, slope=0.1, imbalance=0.05, random_state=0)
    plain, balanced = (
        quick(max_epochs=15, learning_rate=0.005, class_weight=weight).fit(X, y)
        for weight in (None, "balanced")
    )
    rare = y == "rising"
    recall = [(c.predict(X)[rare] == "rising").mean() for c in (plain, balanced)]
    assert recall[1] > recall[0] + 0.2


def test_cuda_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="Use device='auto'"):
        quick(device="cuda").fit(X, Y)
    assert quick(device="auto").fit(X, Y).net_.device == "cpu"


@pytest.mark.parametrize("parameters", [{}, {"pooling": "attention"}, {"embedding_dim": 3}])
def test_bfloat16_learns_and_predicts_in_bfloat16(parameters):
    X, y = make_ragged(60)
    if "embedding_dim" in parameters:
        X = [np.where(x[:, 0] > 1, 3, 2) for x in X]
    classifier = quick(precision="bfloat16", max_epochs=20, **parameters).fit(X, y)
    assert classifier.score(X, y) > 0.9
    assert all(p.dtype == torch.float32 for p in classifier.net_.module_.parameters())
    copied = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(copied.predict_proba(X), classifier.predict_proba(X))
    assert copied.net_.trained.precision == "bfloat16"
