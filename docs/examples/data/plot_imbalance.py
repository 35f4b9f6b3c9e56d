"""
Imbalanced classes
==================

One sequence in twenty rises, with much noise; the others fall. A classifier that optimises accuracy
has a low recall on the rare class. Two remedies are compared: class weights during training, and
tuning the decision threshold afterwards. Weights can also be given for each sequence, as
``sample_weight``.
"""

import matplotlib.pyplot as plt
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    accuracy_score,
    balanced_accuracy_score,
    precision_recall_fscore_support,
    roc_auc_score,
)
from sklearn.model_selection import TunedThresholdClassifierCV

from sklstm import LSTMSequenceClassifier
from sklstm.datasets import make_trends

X_train, y_train = make_trends(400, slope=0.1, imbalance=0.05, random_state=0)
X_test, y_test = make_trends(2000, slope=0.1, imbalance=0.05, random_state=1)
print(
    "rising:"
    f" {(y_train == 'rising').sum()} of {len(y_train)} training sequences"
)

# %%
# Three classifiers
# -----------------
#
# ``class_weight="balanced"`` weights each class inversely to its frequency in the training set.
# ``TunedThresholdClassifierCV`` does not change the training; it chooses the decision threshold on
# the probability of "rising" by cross-validation.

parameters = {"hidden_sizes": 16, "max_epochs": 20, "random_state": 0}
classifiers = {
    "no weights": LSTMSequenceClassifier(**parameters),
    "class weights": LSTMSequenceClassifier(
        **parameters, class_weight="balanced"
    ),
    "tuned threshold": TunedThresholdClassifierCV(
        LSTMSequenceClassifier(**parameters), scoring="balanced_accuracy", cv=5
    ),
}

# %%
# Confusion matrices
# ------------------
#
# Each matrix is normalised over the true class.

figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
for ax, (name, classifier) in zip(axes, classifiers.items(), strict=True):
    y_predicted = classifier.fit(X_train, y_train).predict(X_test)
    accuracy = accuracy_score(y_test, y_predicted)
    balanced_accuracy = balanced_accuracy_score(y_test, y_predicted)
    precision, recall, f1, _ = precision_recall_fscore_support(
        y_test, y_predicted, pos_label="rising", average="binary"
    )
    auc = roc_auc_score(y_test, classifier.predict_proba(X_test)[:, 1])
    print(
        f"{name:>15}: accuracy {accuracy:.3f},"
        f" balanced accuracy {balanced_accuracy:.3f}"
    )
    print(
        f"{'':>15}  rising: precision {precision:.3f}, recall {recall:.3f},"
        f" F1 {f1:.3f}"
    )
    print(f"{'':>15}  AUC {auc:.3f}")
    ConfusionMatrixDisplay.from_predictions(
        y_test,
        y_predicted,
        normalize="true",
        values_format=".1%",
        cmap="Blues",
        ax=ax,
        colorbar=False,
        im_kw={"vmin": 0, "vmax": 1},
    )
    ax.set(
        title=name, xlabel="predicted", ylabel="true" if ax is axes[0] else ""
    )

# %%
# Both remedies increase the recall of the rare class and reduce its precision. Weights change the
# probabilities, which then no longer reflect class frequencies; a threshold does not. The AUC
# depends on the ranking of the probabilities only, not on a threshold.
#
# The same weights, given as sample weights:

weight = {
    "rising": 1.0,
    "falling": (y_train == "rising").sum() / (y_train == "falling").sum(),
}
by_sequence = LSTMSequenceClassifier(**parameters)
by_sequence.fit(
    X_train, y_train, sample_weight=[weight[label] for label in y_train]
)
score = balanced_accuracy_score(y_test, by_sequence.predict(X_test))
print(f"sample weights: balanced accuracy {score:.3f}")
