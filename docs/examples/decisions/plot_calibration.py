"""
Calibrated probabilities
========================

Of all predictions made with 80 %, 80 % should be right. Networks are often too sure of themselves.
Temperature scaling divides the logits by one number, which is chosen on sequences that the network
was not trained on. It changes no prediction of the largest class. scikit-learn has it, and takes
sequences as they are.
"""

import matplotlib.pyplot as plt
import numpy as np
from aeon.datasets import load_classification
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import train_test_split

from sklstm import LSTMSequenceClassifier

# %%
# The data
# --------
#
# ItalyPowerDemand: the power demand of a day, hour by hour; the class is the half of the year, "1"
# or "2". Here it is to be told from the first eight hours, which leaves room for doubt. 160 days
# have labels for us; the others are the test, large enough to judge probabilities by.

X_train, y_train = load_classification("ItalyPowerDemand", split="train")
X_test, y_test = load_classification("ItalyPowerDemand", split="test")
X, y = (
    np.concatenate([X_train, X_test])[:, 0, :8],
    np.concatenate([y_train, y_test]),
)
X, X_test, y, y_test = train_test_split(
    X, y, train_size=160, stratify=y, random_state=0
)
print(
    f"{len(X)} labelled days, the first {X.shape[1]} hours;"
    f" {len(X_test)} days to test"
)

# %%
# Three ways to use the same labels
# ---------------------------------
#
# - no calibration: the network is trained on all of them
# - a held-out part: the network is trained on three quarters, and ``FrozenEstimator`` keeps it as
#   it is while the temperature is chosen on the fourth
# - cross-validation: the temperature is chosen on predictions of three networks, each for the third
#   it was not trained on, and then used with a network trained on all labels

classifier = LSTMSequenceClassifier(random_state=0)
X_fit, X_held_out, y_fit, y_held_out = train_test_split(
    X, y, test_size=0.25, stratify=y, random_state=0
)
on_part = clone(classifier).fit(X_fit, y_fit)
held_out = CalibratedClassifierCV(
    FrozenEstimator(on_part), method="temperature"
)
crossed = CalibratedClassifierCV(
    classifier, method="temperature", cv=3, ensemble=False
)
models = {
    "no calibration": clone(classifier).fit(X, y),
    "held-out part": held_out.fit(X_held_out, y_held_out),
    "cross-validation": crossed.fit(X, y),
}

# %%
# Before and after
# ----------------
#
# Log-loss and Brier score are smallest for the true probabilities. Confidence is the mean of the
# largest probability: above the accuracy, the model is too sure.


def scores(model):
    """Accuracy, confidence, log-loss and Brier score on the test days."""
    probabilities = model.predict_proba(X_test)
    accuracy = np.mean(model.predict(X_test) == y_test)
    loss = log_loss(y_test, probabilities)
    brier = brier_score_loss(y_test, probabilities[:, 1], pos_label="2")
    return accuracy, probabilities.max(axis=1).mean(), loss, brier


print(f"{'':>22}  accuracy  confidence  log-loss   Brier")
rows = {"three quarters alone": on_part, **models}
for name, model in rows.items():
    accuracy, confidence, loss, brier = scores(model)
    print(
        f"{name:>22}  {accuracy:8.3f}  {confidence:10.3f} "
        f" {loss:8.3f}  {brier:6.4f}"
    )
same = np.array_equal(held_out.predict(X_test), on_part.predict(X_test))
print(f"the same labels before and after: {same}")

# %%
# Cross-validation costs no labels: the network that predicts was trained on all 160. A held-out
# part takes a quarter of them away, and its 40 days say little about the temperature. A part in
# which all predictions are right says nothing at all: the larger every probability, the better it
# finds them. The guide has figures of other data sets and seeds: :doc:`/user_guide/decisions`.
#
# Reliability
# -----------
#
# Above, the share of class "2" among the days with such a probability; on the diagonal, a
# probability means what it says. Below, how many days have it.

figure, axes = plt.subplots(
    2,
    3,
    figsize=(9, 5),
    sharex=True,
    sharey="row",
    height_ratios=[2, 1],
    layout="constrained",
)
for (above, below), (name, model), color in zip(
    axes.T, models.items(), ("C3", "C1", "C0"), strict=True
):
    probabilities = model.predict_proba(X_test)[:, 1]
    CalibrationDisplay.from_predictions(
        y_test, probabilities, pos_label="2", n_bins=8, ax=above, color=color
    )
    above.get_legend().remove()
    above.set(title=name, xlabel="", ylabel="")
    below.hist(probabilities, bins=20, range=(0, 1), color=color)
axes[0, 0].set_ylabel('share of class "2"')
axes[1, 0].set_ylabel("days")
axes[1, 1].set_xlabel('predicted probability of class "2"')
