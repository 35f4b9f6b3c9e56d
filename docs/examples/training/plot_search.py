"""
Hyperparameter search
=====================

Each of 67 days is a sequence of 24 hourly readings of Italy's electricity demand, and the class is
winter or summer; 1029 further days are the test set. The defaults are compared with three searches
of the space from :func:`sklstm.model_selection.param_distributions`: random search, successive
halving and Optuna.

The data set is ItalyPowerDemand of the UCR archive. It is part of the ``aeon`` package.
"""

import time
import warnings

import matplotlib.pyplot as plt
import optuna
import pandas as pd
from aeon.datasets import load_classification
from optuna_integration import OptunaSearchCV
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    cross_val_score,
)

from sklstm import LSTMSequenceClassifier
from sklstm.model_selection import param_distributions

X_train, y_train = load_classification("ItalyPowerDemand", split="train")
X_test, y_test = load_classification("ItalyPowerDemand", split="test")
X_train, X_test = (
    X_train[:, 0],
    X_test[:, 0],
)  # one channel: a row for each day

# %%
# Search space
# ------------
#
# The space depends on the number of sequences. It is a plain dict: parameters can be removed or
# added. For the classifier in a pipeline, ``step="lstmsequenceclassifier"`` adds the prefix to the
# names.

space = param_distributions(len(X_train))
for name, values in space.items():
    shown = values
    if not isinstance(values, list):
        low, high = values.support()
        shown = f"{values.dist.name}, {low:g} to {high:g}"
    print(f"{name:>16}: {shown}")

results = []


def record(name, search):
    """Run a search, train its best candidate for all epochs, and record it."""
    start = time.perf_counter()
    search.fit(X_train, y_train)
    best = clone(search.estimator).set_params(**search.best_params_)
    best.set_params(max_epochs="auto").fit(X_train, y_train)
    seconds = time.perf_counter() - start
    results.append(
        {
            "search": name,
            "seconds": seconds,
            "cross-validated": search.best_score_,
            "test": best.score(X_test, y_test),
        }
    )
    print(
        f"{name}: {seconds:.0f} s,"
        f" cross-validated accuracy {search.best_score_:.3f}"
    )
    for parameter, value in sorted(search.best_params_.items()):
        print(
            f"{parameter:>16}:"
            f" {round(value, 4) if isinstance(value, float) else value}"
        )


# %%
# Baseline: the defaults
# ----------------------

start = time.perf_counter()
scores = cross_val_score(
    LSTMSequenceClassifier(random_state=0), X_train, y_train, cv=3
)
default = LSTMSequenceClassifier(random_state=0).fit(X_train, y_train)
results.append(
    {
        "search": "defaults",
        "seconds": time.perf_counter() - start,
        "cross-validated": scores.mean(),
        "test": default.score(X_test, y_test),
    }
)
print(default.resolved_params_)

# %%
# Random search
# -------------
#
# Eight candidates, each in three folds. Fewer epochs than by default are enough to rank the
# candidates. The searches have ``refit=False``, because their refit would train the best one for
# as few: ``record`` trains it with ``max_epochs="auto"``.

candidate = LSTMSequenceClassifier(max_epochs=40, random_state=0)
record(
    "random",
    RandomizedSearchCV(
        candidate,
        space,
        n_iter=8,
        cv=3,
        n_jobs=2,
        refit=False,
        random_state=0,
    ),
)

# %%
# Successive halving
# ------------------
#
# Eighteen candidates are trained for 5 epochs, the best third of them for 15, and so on. The
# resource is ``max_epochs``; the one-cycle schedule is completed for any number of epochs.

halving = HalvingRandomSearchCV(
    candidate,
    space,
    n_candidates=18,
    resource="max_epochs",
    min_resources=5,
    max_resources=45,
    factor=3,
    cv=3,
    n_jobs=2,
    refit=False,
    random_state=0,
)
record("halving", halving)
print("epochs:", halving.n_resources_, "candidates:", halving.n_candidates_)

# %%
# Optuna
# ------
#
# The first ten candidates are random; each later one is sampled near the best ones so far, so take
# more than the eight of this example. Optuna requires its own distributions. ``n_jobs`` of
# ``OptunaSearchCV`` is a number of threads, in which fits take turns: for two fits at a time see
# :ref:`beyond-optuna`.

optuna.logging.set_verbosity(optuna.logging.WARNING)
with warnings.catch_warnings():
    # OptunaSearchCV is experimental and uses a deprecated class.
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    warnings.simplefilter("ignore", FutureWarning)
    record(
        "Optuna",
        OptunaSearchCV(
            candidate,
            param_distributions(len(X_train), library="optuna"),
            n_trials=8,
            cv=3,
            refit=False,
            random_state=0,
        ),
    )

# %%
# Results
# -------
#
# The best of many cross-validated accuracies is optimistically biased (selection bias), strongly so
# with 67 days. The test accuracies show the actual improvement.

table = pd.DataFrame(results).set_index("search").round(3)
print(table)

figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
table[["cross-validated", "test"]].plot.barh(
    ax=axes, color=["#c7d5e0", "#1b6ca8"]
)
axes.invert_yaxis()
axes.set(xlim=(0.85, 1.0), xlabel="accuracy", ylabel="")
axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
axes.spines[["top", "right"]].set_visible(False)
plt.show()
