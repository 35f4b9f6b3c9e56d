"""The promises hold for static columns beside sequences, and for categories among the features."""

from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm.preprocessing import sequences_from_frame
from tests.crashing import Crash, CrashAfter
from tests.helpers import (
    assert_same_in_company,
    make_documents,
    make_ragged,
    predictions_through_copies,
    quick,
)

N = 60
SEQUENCES, LEVEL = make_ragged(N)
IDS, WORD = make_documents(N)
RNG = np.random.default_rng(1)
AGE, WARD = RNG.normal(50, 10, N), RNG.choice(["east", "north", "west"], N)
STATIC = {"age": np.where(RNG.random(N) < 0.1, np.nan, AGE), "ward": WARD}
GEAR = [RNG.choice(["d", "n", "r"], len(x)) for x in SEQUENCES]
MIXED = [
    pd.DataFrame({"gear": gear, "speed": x[:, 0]}) for gear, x in zip(GEAR, SEQUENCES, strict=True)
]
FRAMES = {
    "measurements": pd.DataFrame({"vitals": SEQUENCES, **STATIC}),
    "tokens": pd.DataFrame({"words": IDS, **STATIC}),
    "categories": MIXED,
    "categories alone": [frame[["gear"]] for frame in MIXED],
    "both": pd.DataFrame({"ward": WARD, "trip": MIXED}),
}
NETWORKS = {
    "LSTM": {},
    "convolutions": {"conv_filters": (4, 3), "patch_size": 2},
    "windows": {"n_kernels": 300},
    "fixed convolutions": {"n_kernels": 300, "conv_filters": (4, 3)},
}
CASES = {
    f"{name}, {network}": (name, options)
    for name in FRAMES
    for network, options in NETWORKS.items()
    if name != "tokens" or network == "LSTM"
}
every_case = pytest.mark.parametrize(("name", "network"), CASES.values(), ids=CASES)
every_frame = pytest.mark.parametrize("name", FRAMES)


def build(name, **options):
    return quick(**{"embedding_dim": 4 if name == "tokens" else None, **options})


def rows(X, indices):
    """Some sequences of a list or a data frame."""
    return X.iloc[indices] if hasattr(X, "iloc") else [X[i] for i in indices]


def with_category(X, category):
    """X with this category everywhere: as a static column or as a feature."""
    if hasattr(X, "columns"):
        return X.assign(ward=category)
    return [frame.assign(gear=category) for frame in X]


def joined(*parts):
    return pd.concat(parts) if hasattr(parts[0], "columns") else [x for part in parts for x in part]


@every_case
def test_alone_or_in_company_a_prediction_is_the_same(name, network):
    X = FRAMES[name]
    fitted = build(name, max_epochs=1, **network).fit(X, LEVEL)
    together = fitted.predict_proba(X)
    order = RNG.permutation(N)
    assert_same_in_company(fitted.predict_proba(rows(X, order)), together[order])
    alone = np.vstack([fitted.predict_proba(rows(X, [i])) for i in range(N)])
    assert_same_in_company(alone, together)


@every_case
def test_two_fits_and_their_copies_are_the_same_to_the_bit(name, network, tmp_path):
    X, classifier = FRAMES[name], build(name, mixup_alpha=0.3, max_epochs=2, **network)
    expected = classifier.fit(X, LEVEL).predict_proba(X)
    torch.set_num_threads(2)
    np.testing.assert_array_equal(clone(classifier).fit(X, LEVEL).predict_proba(X), expected)
    predictions_through_copies(classifier, lambda each: each.predict_proba(X), tmp_path / "model")


@every_case
def test_a_weight_of_zero_is_removal_to_the_bit(name, network):
    """Also of a category that no other sequence has."""
    X = FRAMES[name]
    kept = np.arange(10, N)
    X = joined(with_category(rows(X, np.arange(10)), "a new one"), rows(X, kept))
    classifier = build(name, max_epochs=2, **network)
    weighted = clone(classifier).fit(X, LEVEL, sample_weight=np.r_[np.zeros(10), np.ones(N - 10)])
    without = clone(classifier).fit(rows(X, kept), LEVEL[kept])
    np.testing.assert_array_equal(weighted.predict_proba(X), without.predict_proba(X))


@every_frame
def test_a_training_goes_on_after_an_interruption(name, tmp_path):
    X, options = FRAMES[name], {"mixup_alpha": 0.3, "n_kernels": 300 * (name != "tokens")}
    expected = build(name, **options).fit(X, LEVEL).predict_proba(X)
    resumable = partial(build, name, **options, checkpoint=tmp_path / "of")
    with pytest.raises(Crash):
        resumable(callbacks=[CrashAfter(2)]).fit(X, LEVEL)
    np.testing.assert_array_equal(resumable().fit(X, LEVEL).predict_proba(X), expected)
    with pytest.raises(ValueError, match="belongs to a different fit: X is not the same"):
        resumable().fit(with_category(X, "d"), LEVEL)


@every_frame
def test_it_learns_numbers_too(name):
    X = FRAMES[name]
    options = {"hidden_sizes": 8, "max_epochs": 3, "random_state": 0, "n_kernels": 0}
    regressor = LSTMSequenceRegressor(**options, embedding_dim=4 if name == "tokens" else None)
    assert regressor.fit(X, AGE).predict(X).shape == (N,)
    regressor.set_params(loss="quantile").fit(X, AGE)
    assert regressor.predict_quantiles(X).shape == (N, 3)


@every_frame
def test_further_training_goes_on(name):
    X = FRAMES[name]
    unknown = with_category(X, "unknown")
    classifier = build(name, warm_start=True).fit(X, LEVEL)
    classifier.fit(unknown, LEVEL).partial_fit(X, LEVEL)
    assert classifier.n_iter_ == 11
    assert np.isfinite(classifier.predict_proba(unknown)).all()
    fresh = build(name)
    for _ in range(2):
        fresh.partial_fit(X, LEVEL, classes=[0, 1])
    assert fresh.n_iter_ == 2


@every_frame
def test_validation_parts_searches_and_cross_validation(name):
    X = FRAMES[name]
    train, valid = rows(X, np.arange(40)), rows(X, np.arange(40, N))
    build(name, early_stopping=True).fit(X, LEVEL, groups=np.arange(N) // 4)
    given = build(name).fit(train, LEVEL[:40], X_val=valid, y_val=LEVEL[40:])
    assert np.isfinite(given.history_["valid_loss"]).all()
    assert cross_val_predict(build(name, max_epochs=1), X, LEVEL, cv=3).shape == (N,)
    search = GridSearchCV(build(name, max_epochs=2), {"hidden_sizes": [2, 3]}, cv=2, n_jobs=2)
    assert np.isfinite(search.fit(X, LEVEL).cv_results_["mean_test_score"]).all()


# What can be learnt ------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"n_kernels": 0}, {"n_kernels": 500}, {"embedding_dim": 8}])
@pytest.mark.parametrize("by", ["age", "missing age", "ward", "sequence"])
def test_it_finds_what_says_the_class(options, by):
    rng = np.random.default_rng(0)
    sequences, level = make_ragged(160)
    if "embedding_dim" in options:
        sequences, level = make_documents(160)
    age, ward = rng.normal(50, 10, 160), rng.choice(["east", "north", "west"], 160)
    is_missing = rng.random(160) < 0.3
    y = {"age": age > 50, "missing age": is_missing, "ward": ward == "north", "sequence": level}[by]
    age[is_missing & (by == "missing age")] = np.nan
    X = pd.DataFrame({"age": age, "x": sequences, "ward": ward})
    classifier = LSTMSequenceClassifier(16, conv_filters=(), random_state=0, **options)
    assert classifier.fit(X[:100], y[:100]).score(X[100:], y[100:]) > 0.85


@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)
def test_a_category_among_the_features_says_the_class(options):
    y = np.arange(N) % 2
    X = [
        frame.assign(gear=np.where(RNG.random(len(frame)) < 0.5, frame["gear"], "dr"[label]))
        for frame, label in zip(MIXED, y, strict=True)
    ]
    classifier = LSTMSequenceClassifier(16, random_state=0, max_epochs=60, **options)
    assert classifier.fit(X[:40], y[:40]).score(X[40:], y[40:]) > 0.8


def test_the_order_of_a_category_matters():
    """Which is first, and not how often it comes."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    X = [
        pd.DataFrame({"event": np.array(["a", "b"])[[label, *rng.integers(0, 2, size=6)]]})
        for label in y
    ]
    classifier = quick(max_epochs=60, n_kernels=0, pooling="last").fit(X[:80], y[:80])
    assert classifier.score(X[80:], y[80:]) > 0.9


# Forms --------------------------------------------------------------------------------------------


def test_frames_of_polars_and_pandas_are_the_same():
    table = FRAMES["measurements"]
    cells = {"vitals": [x.tolist() for x in SEQUENCES], "ward": WARD.tolist()}
    in_polars = pl.DataFrame({**cells, "age": pl.Series(STATIC["age"])}).select(*table.columns)
    fitted = quick().fit(table, LEVEL)
    expected = fitted.predict_proba(table)
    np.testing.assert_array_equal(fitted.predict_proba(in_polars), expected)
    np.testing.assert_array_equal(quick().fit(in_polars, LEVEL).predict_proba(table), expected)
    mixed = [pl.from_pandas(frame) for frame in MIXED]
    fitted = quick().fit(MIXED, LEVEL)
    np.testing.assert_array_equal(fitted.predict_proba(mixed), fitted.predict_proba(MIXED))


def test_a_frame_with_a_column_of_sequences_alone_is_that_column():
    alone = quick().fit(SEQUENCES, LEVEL)
    framed = quick().fit(FRAMES["measurements"][["vitals"]], LEVEL)
    expected = alone.predict_proba(SEQUENCES)
    found = framed.predict_proba(FRAMES["measurements"][["vitals"]])
    np.testing.assert_array_equal(found, expected)


def test_static_columns_go_through_a_column_transformer():
    table = FRAMES["measurements"]
    scaled = make_column_transformer(
        (StandardScaler(), ["age"]), remainder="passthrough", verbose_feature_names_out=False
    )
    pipeline = make_pipeline(scaled.set_output(transform="pandas"), quick(max_epochs=60))
    pipeline.fit(table, WARD)
    assert pipeline[-1].feature_names_in_.tolist() == ["age", "vitals", "ward"]
    assert pipeline.score(table, WARD) > 0.9


def test_categories_come_out_of_a_long_table():
    lengths = [len(frame) for frame in MIXED]
    table = pd.concat(MIXED, ignore_index=True).assign(
        trip=np.repeat(np.arange(N), lengths), second=np.concatenate([*map(np.arange, lengths)])
    )
    shuffled = table.sample(frac=1, random_state=0)
    trips = sequences_from_frame(
        shuffled, sequence="trip", time="second", features=["gear", "speed"]
    )
    order = np.argsort(trips.ids)
    fitted = quick().fit(MIXED, LEVEL)
    found = fitted.predict_proba([trips.X[i] for i in order])
    np.testing.assert_array_equal(found, fitted.predict_proba(MIXED))


def test_the_vector_of_static_columns_follows_the_pooled_states():
    fitted = quick(bidirectional=False).fit(FRAMES["measurements"], LEVEL)
    vectors = fitted.transform(FRAMES["measurements"])
    # Age, whether it is missing, and four numbers for one of three wards.
    assert vectors.shape == (N, 8 + 2 + 3)
    assert len(fitted.get_feature_names_out()) == 13
    assert fitted.n_features_in_ == 3
    is_missing = np.isnan(STATIC["age"])
    assert (vectors[is_missing, 9] > 0).all()
    assert (vectors[~is_missing, 9] == 0).all()
    _, first = np.unique(WARD, return_index=True)
    assert len(np.unique(vectors[:, 10:], axis=0)) == len(first) == 3


def test_missing_and_unknown_values_never_seen_in_training_are_the_average():
    table = FRAMES["measurements"].assign(age=AGE)
    fitted = quick().fit(table, LEVEL)
    missing = fitted.predict_proba(table.assign(age=np.nan))
    np.testing.assert_allclose(missing, fitted.predict_proba(table.assign(age=AGE.mean())), 1e-4)
    unknown = fitted.predict_proba(table.assign(ward="unknown"))
    np.testing.assert_array_equal(unknown, fitted.predict_proba(table.assign(ward=None)))
