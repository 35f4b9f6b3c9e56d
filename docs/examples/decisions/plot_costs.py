"""
Decisions by cost
=================

Errors seldom cost the same. Then the answer to give is not the class with the largest probability,
but the one with the smallest expected cost. With two classes that is a threshold, with more it is
one line of numpy.
"""

import matplotlib.pyplot as plt
import numpy as np
from aeon.datasets import load_classification
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import confusion_matrix, make_scorer
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
    cross_val_score,
    train_test_split,
)

from sklstm import LSTMSequenceClassifier

# %%
# Two classes: a reserve for the evening
# --------------------------------------
#
# ItalyPowerDemand: the power demand of a day, hour by hour. Demand rises in the evening in one half
# of the year, class "1". At eight in the morning someone has to decide whether to hold a reserve.
# Say that a missing reserve costs 5, and one held in vain 1.

X_train, y_train = load_classification("ItalyPowerDemand", split="train")
X_test, y_test = load_classification("ItalyPowerDemand", split="test")
X, y = (
    np.concatenate([X_train, X_test])[:, 0],
    np.concatenate([y_train, y_test]),
)
evening = {label: X[y == label, 19].mean() for label in ("1", "2")}
print(
    {
        label: f"demand at 19 h: {demand:.1f}"
        for label, demand in evening.items()
    }
)
X, X_test, y, y_test = train_test_split(
    X[:, :8], y, train_size=200, stratify=y, random_state=0
)
COST_MISSING, COST_IN_VAIN = 5, 1


def mean_cost(y_true, y_predicted):
    """Mean cost of a day."""
    missing = np.mean((y_true == "1") & (y_predicted == "2"))
    in_vain = np.mean((y_true == "2") & (y_predicted == "1"))
    return COST_MISSING * missing + COST_IN_VAIN * in_vain


# %%
# Thresholds
# ----------
#
# If probabilities are right, a reserve pays from a probability of 1 / (1 + 5) on.
# ``FixedThresholdClassifier`` decides so. Probabilities of a network may be too sure, so the same
# again after calibration (:doc:`/gallery/decisions/plot_calibration`).
# ``TunedThresholdClassifierCV`` asks the costs themselves: it takes the threshold that was cheapest
# in cross-validation.

classifier = LSTMSequenceClassifier(
    16, n_kernels=0, conv_filters=(), max_epochs=50, random_state=0
)
classifier.fit(X, y)
calibrated = CalibratedClassifierCV(
    clone(classifier), method="temperature", cv=3, ensemble=False
)
threshold = COST_IN_VAIN / (COST_IN_VAIN + COST_MISSING)
cost_scorer = make_scorer(mean_cost, greater_is_better=False)


def fixed(model):
    """The fitted model with the threshold that the costs say."""
    fitted = FixedThresholdClassifier(
        FrozenEstimator(model), threshold=threshold, pos_label="1"
    )
    return fitted.fit(X, y)


tuned = TunedThresholdClassifierCV(
    clone(classifier), scoring=cost_scorer, cv=3, random_state=0
)
models = {
    "likeliest class": classifier,
    "threshold 1/6": fixed(classifier),
    "calibrated, 1/6": fixed(calibrated.fit(X, y)),
    "tuned threshold": tuned.fit(X, y),
}
costs = {}
for name, model in models.items():
    y_predicted = model.predict(X_test)
    costs[name] = mean_cost(y_test, y_predicted)
    _, missing, in_vain, _ = confusion_matrix(y_test, y_predicted).ravel()
    accuracy = np.mean(y_predicted == y_test)
    print(
        f"{name:>16}: cost {costs[name]:.3f} a day, accuracy {accuracy:.3f};"
        f" missing {missing}, in vain {in_vain}"
    )
costs["always a reserve"] = mean_cost(y_test, np.full(len(y_test), "1"))
print(f"always a reserve: cost {costs['always a reserve']:.3f} a day")
print(f"tuned threshold: {1 - tuned.best_threshold_:.3f} of class 1")

# %%
# All three thresholds cost about a fifth less than the likeliest class. Accuracy falls with the
# cost: it counts errors, and does not weigh them.
#
# What will it cost?
# ------------------
#
# The cost that the tuning reports belongs to the threshold that looked best: it is too good to be
# true. Without 896 more days with labels, nested cross-validation says what to expect: the
# threshold is tuned again in each fold, without the days by which it is judged.

nested = -cross_val_score(tuned, X, y, cv=3, scoring=cost_scorer)
print(f"reported by the tuning: {-tuned.best_score_:.3f}")
print(f"nested cross-validation: {nested.mean():.3f}, folds {nested.round(3)}")
print(f"on the test days: {costs['tuned threshold']:.3f}")

# %%
# Several classes, and a question to an expert
# --------------------------------------------
#
# ArrowHead: outlines of projectile points of three types. Each row of the cost matrix is a true
# type, each column an action: to write down one of the types, or to ask an expert, which costs 1.
# To take type "0" for another costs 8, any other error 4.

X_train, y_train = load_classification("ArrowHead", split="train")
X_test, y_test = load_classification("ArrowHead", split="test")
COSTS = np.array(
    [
        [0, 8, 8, 1],
        [4, 0, 4, 1],
        [4, 4, 0, 1],
    ]
)
ACTIONS = np.array(["0", "1", "2", "ask"])
calibrated = CalibratedClassifierCV(
    LSTMSequenceClassifier(random_state=0),
    method="temperature",
    cv=3,
    ensemble=False,
).fit(X_train[:, 0], y_train)

# %%
# The expected cost of each action is the matrix product of probabilities and costs.

probabilities = calibrated.predict_proba(X_test[:, 0])
actions = {
    "likeliest class": probabilities.argmax(axis=1),
    "cheapest class": (probabilities @ COSTS[:, :3]).argmin(axis=1),
    "cheapest, may ask": (probabilities @ COSTS).argmin(axis=1),
    "always ask": np.full(len(y_test), 3),
}
truth = np.searchsorted(calibrated.classes_, y_test)
found = {}
for name, chosen in actions.items():
    found[name] = COSTS[truth, chosen].mean()
    asked = ACTIONS[chosen] == "ask"
    answers = (
        f"{np.mean((chosen == truth)[~asked]):.3f} right"
        if not asked.all()
        else "none"
    )
    print(
        f"{name:>17}: cost {found[name]:.3f}, asks {np.mean(asked):.2f};"
        f" answers: {answers}"
    )

figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for ax, bars, title in zip(
    axes, (costs, found), ("ItalyPowerDemand", "ArrowHead"), strict=True
):
    colors = [
        "0.6" if name.startswith(("likeliest", "always")) else "C0"
        for name in bars
    ]
    drawn = ax.barh(list(bars), list(bars.values()), color=colors)
    ax.bar_label(drawn, fmt="%.2f", padding=3)
    ax.invert_yaxis()
    ax.margins(x=0.15)
    ax.set(title=title, xlabel="mean cost on the test set")
    ax.spines[["top", "right"]].set_visible(False)
