"""
Three searches for parameters
=============================

Is it a day of winter or of summer? Each of 67 days is a sequence of 24 hourly readings of Italy's
demand for electrical power; 1029 further days are for the test. The defaults are a good start, and
a search of :func:`sklstm.model_selection.param_distributions` may do better. There are three ways
to go about it: at random, by successive halving, and with Optuna.

The data are ItalyPowerDemand of the UCR archive. They come with the ``aeon`` package.
"""

import time
import warnings

import matplotlib.pyplot as plt
import optuna
import pandas as pd
from aeon.datasets import load_classification
from optuna_integration import OptunaSearchCV
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, RandomizedSearchCV, cross_val_score

from sklstm import LSTMSequenceClassifier
from sklstm.model_selection import param_distributions

X_train, y_train = load_classification("ItalyPowerDemand", split="train")
X_test, y_test = load_classification("ItalyPowerDemand", split="test")
X_train, X_test = X_train[:, 0], X_test[:, 0]  # one channel: a row for each day

# %%
# What is searched
# ----------------
#
# The space depends on the number of sequences. It is a plain dict, so that a line may be dropped or
# added. For the classifier in a pipeline, ``step="lstmsequenceclassifier"`` puts the prefix before
# the names.

space = param_distributions(len(X_train))
for name, values in space.items():
    shown = values
    if not isinstance(values, list):
        low, high = values.support()
        shown = f"{values.dist.name}, {low:g} to {high:g}"
    print(f"{name:>16}: {shown}")

results = []


def record(name, search):
    """Fit a search, and remember what came of it and how long it took."""
    start = time.perf_counter()
    search.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    results.append(
        {
            "search": name,
            "seconds": seconds,
            "cross-validated": search.best_score_,
            "test": search.score(X_test, y_test),
        }
    )
    print(f"{name}: {seconds:.0f} s, cross-validated accuracy {search.best_score_:.3f}")
    for parameter, value in sorted(search.best_params_.items()):
        print(f"{parameter:>16}: {round(value, 4) if isinstance(value, float) else value}")


# %%
# The defaults, for comparison
# ----------------------------

start = time.perf_counter()
scores = cross_val_score(LSTMSequenceClassifier(random_state=0), X_train, y_train, cv=3)
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
# At random
# ---------
#
# Eight candidates, each in three folds, for fewer epochs than by default: a search need not train
# to the end to see which candidates are good.

candidate = LSTMSequenceClassifier(max_epochs=40, random_state=0)
record(
    "random",
    RandomizedSearchCV(candidate, space, n_iter=8, cv=3, n_jobs=2, random_state=0),
)

# %%
# By successive halving
# ---------------------
#
# Eighteen candidates are trained for 5 epochs, the best third of them for 15, and so on. The
# resource is ``max_epochs``, and a one-cycle schedule comes to its end whatever that is.

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
    random_state=0,
)
record("halving", halving)
print("epochs:", halving.n_resources_, "candidates:", halving.n_candidates_)

# %%
# With Optuna
# -----------
#
# Each candidate is drawn near the best ones so far. Optuna wants distributions of its own.

optuna.logging.set_verbosity(optuna.logging.WARNING)
with warnings.catch_warnings():
    # OptunaSearchCV says that it is experimental, and that a part which it uses is deprecated.
    warnings.simplefilter("ignore")
    record(
        "Optuna",
        OptunaSearchCV(
            candidate,
            param_distributions(len(X_train), library="optuna"),
            n_trials=8,
            n_jobs=2,
            cv=3,
            random_state=0,
        ),
    )

# %%
# What it brought
# ---------------
#
# The best of many cross-validated accuracies is too good to be true: with 67 days it is as much
# luck as skill. The test accuracies say how much was gained.

table = pd.DataFrame(results).set_index("search").round(3)
print(table)

figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
table[["cross-validated", "test"]].plot.barh(ax=axes, color=["#c7d5e0", "#1b6ca8"])
axes.invert_yaxis()
axes.set(xlim=(0.85, 1.0), xlabel="accuracy", ylabel="")
axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
axes.spines[["top", "right"]].set_visible(False)
plt.show()
