"""Any data and any parameters: a fit that keeps what is promised, or an error that says why not.

Networks are tiny and trained for an epoch or two: what is tested is the way in and the way out.
"""

import copy
import pickle
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import UndefinedMetricWarning

import sklstm
from sklstm import LSTMSequenceClassifier
from sklstm.exceptions import TrainingDivergedError

HOMES = tuple(str(Path(package.__file__).parent) for package in (sklstm, sklearn))

# Data

DTYPES = ["float64", "float32", "float16", "int64", "int8", "uint8", "bool", "object"]
MAGNITUDES = [0.0, 1e-30, 1.0, 1.0, 1.0, 1e4, 1e30, 1e160, 1e300]
DIRT = [np.nan, np.inf, -np.inf]
LABELS = [
    [0, 1, 2], [-1, 1, 3], ["a", "b", "c"], [False, True], [0.0, 2.0, 5.0], ["1", "10", "2"],
    [2**40, 0, 1], [b"a", b"b", b"c"], [0.5, 1.5, 2.5], ["only"], [None, "a"], [1, "a"],
]  # fmt: skip


@st.composite
def usually(draw, common, rare):
    """Mostly ``common``: a case with several flaws tells no more than a case with one."""
    return draw(rare if draw(st.integers(0, 19)) == 19 else common)


@st.composite
def sequences(draw, n):
    """n sequences of measurements, in one of the accepted forms or nearly so."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_features, longest = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    is_rectangular = draw(st.booleans())
    lengths = np.full(n, longest) if is_rectangular else rng.integers(1, longest + 1, n)
    if draw(usually(st.just(False), st.just(True))):
        lengths[rng.integers(n)] = 0
    dtype = draw(usually(st.sampled_from(DTYPES[:2]), st.sampled_from(DTYPES)))
    scale = draw(usually(st.sampled_from(MAGNITUDES[:6]), st.sampled_from(MAGNITUDES)))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        X = [(scale * rng.normal(size=(t, n_features))).astype(dtype) for t in lengths]
    if draw(usually(st.just(False), st.just(True))) and dtype.startswith("float"):
        dirty = X[rng.integers(n)]
        dirty[rng.integers(len(dirty) + 1) :] = draw(st.sampled_from(DIRT))
    if draw(usually(st.just(False), st.just(True))):
        X[-1] = X[-1][:, :-1]
    return _in_form(X, draw(st.sampled_from(FORMS)))


FORMS = ["list", "tuple", "objects", "cube", "table", "frame", "univariate", "tensors", "lists"]


def _in_form(X, form):
    """The sequences in another dress, or as they are if it does not fit them."""
    if form == "tuple":
        return tuple(X)
    if form == "objects":
        objects = np.empty(len(X), dtype=object)
        objects[:] = X
        return objects
    if form == "univariate":
        return [x[:, 0] for x in X] if all(x.shape[1] for x in X) else X
    if form == "tensors":
        is_known = X[0].dtype != object
        return [torch.from_numpy(x) for x in X] if is_known else X
    if form == "lists":
        return [x.tolist() for x in X]
    if len({x.shape for x in X}) > 1 or form == "list":
        return X
    cube = np.stack(X)
    if form == "cube" or not cube.shape[2]:
        return cube
    table = cube[:, :, 0]
    return pd.DataFrame(table).add_prefix("t") if form == "frame" else table


@st.composite
def token_ids(draw, n):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lowest = draw(usually(st.just(1), st.integers(-1, 0)))
    X = [rng.integers(lowest, 7, size=t) for t in rng.integers(1, 6, size=n)]
    form = draw(usually(st.sampled_from(["list", "lists", "table"]), st.just("floats")))
    if form == "table":
        return np.stack([np.resize(x, 5) for x in X])
    if form == "floats":
        return [x.astype(float) for x in X]
    return [x.tolist() for x in X] if form == "lists" else X


@st.composite
def targets(draw, n):
    labels = np.array(draw(usually(st.sampled_from(LABELS[:7]), st.sampled_from(LABELS))))
    n_given = n + draw(usually(st.just(0), st.integers(-1, 1)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return labels[rng.integers(len(labels), size=n_given)]


@st.composite
def sample_weights(draw, n):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.choice([0.0, 1.0, 2.5], size=n)
    flaws = st.sampled_from(["negative", "nan", "zeros", "short"])
    kind = draw(usually(st.sampled_from([None, "plain", "extreme"]), flaws))
    if kind is None:
        return None
    if kind == "extreme":
        return weights * rng.choice([1e-300, 1.0, 1e300], size=n)
    if kind in ("negative", "nan"):
        weights[0] = -1.0 if kind == "negative" else np.nan
    return {"zeros": 0 * weights, "short": weights[1:]}.get(kind, weights)


# Parameters

WIDTHS = st.one_of(st.integers(1, 4), st.tuples(st.integers(1, 4), st.integers(1, 4)))
FRACTION = st.sampled_from([0.0, 0.0, 0.1, 0.9])
PENALTY = st.sampled_from([0.0, 0.0, 1e-3, 10.0, 1e30])
PARAMETERS = {
    "hidden_sizes": usually(WIDTHS, st.sampled_from([0, (), (3, -1), "3", 2.5, None])),
    "bidirectional": st.booleans(),
    "pooling": usually(st.sampled_from(["attention", "last", "max", "mean"]), st.just("avg")),
    "conv_filters": usually(st.one_of(st.just(()), WIDTHS), st.sampled_from(["auto", 0, "6"])),
    "n_kernels": usually(st.sampled_from([0, 0, 100, "auto"]), st.sampled_from([-1, 2.5, "all"])),
    "patch_size": usually(st.sampled_from([1, 1, 2, 5, "auto"]), st.sampled_from([0, "all"])),
    "dense_sizes": st.one_of(st.just(()), WIDTHS),
    "dropout": usually(FRACTION, st.sampled_from([1.0, -0.1, np.nan])),
    "standardize": st.sampled_from([False, True, "auto", "both", "sequence"]),
    "mask_value": st.sampled_from([None, None, None, 0.0, np.nan]),
    "class_weight": usually(
        st.sampled_from([None, "balanced"]),
        st.sampled_from([{0: 2.0}, {"a": 0.0}, {"a": 3.0, "b": 1.0, "c": 2.0}, {0: -1.0}]),
    ),
    "mixup_alpha": usually(st.sampled_from([0, 0.2, 1e3]), st.sampled_from([-1, np.nan, "0"])),
    "l1": PENALTY,
    "l2": PENALTY,
    "optimizer": st.sampled_from(["adam", "adamw", "rmsprop", "sgd", torch.optim.SGD]),
    "learning_rate": usually(st.sampled_from([1e-4, 0.01, 1.0, 1e30]), st.sampled_from([0, -1])),
    "lr_schedule": st.sampled_from([None, "cosine", "exponential", "one_cycle", "plateau"]),
    "max_grad_norm": st.sampled_from([None, 1e-3, 1.0]),
    "batch_size": usually(st.integers(1, 14), st.sampled_from([0, 2.0, 10**9])),
    "max_epochs": st.integers(1, 2),
    "early_stopping": st.sampled_from([False, True, "last"]),
    "validation_fraction": usually(st.floats(0.05, 0.95), st.sampled_from([0.0, 1.0, 1e-9])),
    "n_iter_no_change": st.integers(1, 2),
    "scoring": usually(
        st.sampled_from(["loss", "accuracy", "f1_macro", "balanced_accuracy"]),
        st.sampled_from(["neg_log_loss", "average_precision", "roc_auc_ovr", "f1", "acuracy"]),
    ),
    "warm_start": st.booleans(),
    "random_state": usually(st.integers(0, 2**32 - 1), st.sampled_from([-1, 0.5])),
}


@st.composite
def cases(draw):
    """An estimator, and what is given to its ``fit`` and then to its ``predict``."""
    n = draw(st.integers(2, 12))
    chosen = draw(st.lists(st.sampled_from(sorted(PARAMETERS)), max_size=8, unique=True))
    parameters = {name: draw(PARAMETERS[name]) for name in chosen}
    parameters = {"hidden_sizes": 2, "max_epochs": 1, "random_state": 0} | parameters
    takes_tokens = draw(st.integers(0, 4)) == 0
    if takes_tokens:
        parameters |= {"embedding_dim": draw(usually(st.integers(1, 3), st.just(0)))}
        parameters |= {"vocabulary_size": draw(usually(st.sampled_from([None, 7]), st.just(3)))}
    make_X = token_ids if takes_tokens else sequences
    n_val = draw(st.sampled_from([0, 0, 0, 3]))
    X, y = draw(make_X(n + n_val)), draw(targets(n + n_val))
    arguments = {"X": X[:n], "y": y[: len(y) - n_val]}
    if draw(st.booleans()):
        arguments["sample_weight"] = draw(sample_weights(n))
    if draw(st.booleans()):
        arguments["groups"] = draw(
            usually(st.lists(st.integers(0, 3), min_size=n, max_size=n), st.just(["g"] * (n - 1)))
        )
    if n_val:
        arguments |= {"X_val": X[n:], "y_val": y[len(y) - n_val :]}
    return LSTMSequenceClassifier(**parameters), arguments


# What must hold


def check(case, outcomes):
    classifier, arguments = case
    before, parameters = pickle.dumps(arguments), copy.deepcopy(classifier.get_params())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        # A held-out part may lack a class; a column of zeros has no score; names may differ.
        warnings.simplefilter("ignore", UserWarning)
        try:
            classifier.fit(**arguments)
        except (TypeError, ValueError, TrainingDivergedError) as error:
            outcomes[type(error).__name__] += 1
            assert_says_why(error)
            assert set(vars(classifier)) == set(parameters)
        else:
            outcomes["worked"] += 1
            if magnitude(arguments["X"]) < 1e30:
                assert_keeps_what_is_promised(classifier, arguments["X"])
    assert repr(classifier.get_params()) == repr(parameters)
    assert pickle.dumps(arguments) == before


def magnitude(X):
    """The largest absolute value; beyond 1e30, what the network computes may overflow."""
    arrays = [np.nan_to_num(np.asarray(x, dtype=float)) for x in np.asarray(X, dtype=object)]
    return max(float(np.abs(x).max()) for x in arrays)


def assert_says_why(error):
    """The error is raised, with a message, by this package or by scikit-learn's checks."""
    where = traceback.extract_tb(error.__traceback__)[-1].filename
    assert where.startswith(HOMES), where
    assert len(str(error)) > 20, str(error)


def assert_keeps_what_is_promised(classifier, X):
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == (len(X), len(classifier.classes_))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-12)
    assert np.isfinite(classifier.predict_log_proba(X)).all()
    assert np.isfinite(classifier.decision_function(X)).all()
    codes = np.searchsorted(classifier.classes_, classifier.predict(X))
    # Not argmax: logits of 0 and 1e-20 have the same probability.
    np.testing.assert_array_equal(
        probabilities[np.arange(len(X)), codes], probabilities.max(axis=1)
    )
    assert classifier.transform(X).shape == (len(X), classifier._n_features_out)
    for i in {0, len(X) - 1}:
        alone = classifier.predict_proba(X[i : i + 1])
        # The kernel rounds by the size of the batch; exp of a logit of 100 magnifies that.
        np.testing.assert_allclose(alone[0], probabilities[i], rtol=1e-3, atol=1e-6)
    loaded = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(loaded.predict_proba(X), probabilities)
    n_epochs = len(classifier.history_["epoch"])
    assert n_epochs == classifier.n_iter_ >= classifier.best_epoch_ >= 1
    assert classifier.stop_reason_ in ("max_epochs", "no_improvement")
    assert all(len(figures) == n_epochs for figures in classifier.history_.values())


def run(n_cases, say):
    outcomes = Counter()
    found = settings(
        max_examples=n_cases,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(given(cases())(lambda case: check(case, outcomes)))
    found()
    say(f"{outcomes.total()} generated cases: {dict(outcomes)}")
    assert outcomes.total() >= n_cases
    assert outcomes["worked"] > 0.3 * n_cases


def test_any_case_works_or_says_why_not(say):
    run(300, say)


@pytest.mark.slow
def test_any_of_many_cases_works_or_says_why_not(say):
    run(5_000, say)
