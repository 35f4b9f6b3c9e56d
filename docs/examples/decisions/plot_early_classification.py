"""
Early classification
====================

Who is speaking? The recordings of JapaneseVowels (:doc:`/gallery/first_steps/plot_japanese_vowels`)
have 7 to 29 timesteps, and mostly fewer of them tell. A causal classifier predicts after each
timestep at no extra cost, so that one can measure how accuracy grows with what has been seen, and
stop as soon as a prediction is sure enough.
"""

import matplotlib.pyplot as plt
import numpy as np
from aeon.datasets import load_classification
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from sklstm import LSTMSequenceClassifier
from sklstm.streaming import Stream, prefix_probabilities

# %%
# Three parts
# -----------
#
# The classifier is trained on the first part, the stopping rule is chosen by the second, and all is
# measured on the third, the test set.

X, y = load_classification("JapaneseVowels", split="train")
X_test, y_test = load_classification("JapaneseVowels", split="test")
X, X_test = ([x.T for x in sequences] for sequences in (X, X_test))
X_train, X_rule, y_train, y_rule = train_test_split(
    X, y, test_size=1 / 3, stratify=y, random_state=0
)
print(
    f"{len(X_train)} to train, {len(X_rule)} for the rule,"
    f" {len(X_test)} to test"
)

# %%
# A causal classifier
# -------------------
#
# One direction and no convolutions: what it has computed for a prefix stays valid when a timestep
# is added. The second classifier has been trained on prefixes as well, a quarter, a half and three
# quarters of each sequence, so that it has seen what it will be asked.

causal = LSTMSequenceClassifier(
    bidirectional=False,
    conv_filters=(),
    n_kernels=0,
    standardize=True,
    random_state=0,
)


def first(x, share):
    """The first part of a sequence."""
    return x[: max(1, round(share * len(x)))]


shares_trained = (0.25, 0.5, 0.75, 1.0)
models = {
    "whole sequences": clone(causal)
    .set_params(max_epochs=60)
    .fit(X_train, y_train),
    "prefixes, too": clone(causal)
    .set_params(max_epochs=20)
    .fit(
        [first(x, s) for s in shares_trained for x in X_train],
        np.tile(y_train, 4),
    ),
}

# %%
# Accuracy by the share of the sequence that was seen
# ---------------------------------------------------
#
# ``prefix_probabilities`` gives the probabilities after every timestep of every sequence in one
# pass.


def accuracy_after(probabilities, labels, classes, share):
    """Accuracy of predictions after a share of each sequence."""
    rows = [first(rows, share)[-1] for rows in probabilities]
    return np.mean(classes[np.argmax(rows, axis=1)] == labels)


shares = np.linspace(0.1, 1, 10)
after_each = {
    name: prefix_probabilities(model, X_test) for name, model in models.items()
}
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, model in models.items():
    accuracies = [
        accuracy_after(after_each[name], y_test, model.classes_, s)
        for s in shares
    ]
    print(
        f"trained on {name}: after 20 % {accuracies[1]:.3f},"
        f" after all {accuracies[-1]:.3f}"
    )
    ax.plot(shares, accuracies, marker="o", label=f"trained on {name}")

# %%
# A stopping rule and its cost
# ----------------------------
#
# Stop as soon as the largest probability reaches a threshold, otherwise at the end. Of the
# thresholds that cost no accuracy on the second part, the rule takes the one that stops earliest.
# What that saves, and what it costs, is measured on the test set, of which one sequence is 0.003.


def stop(probabilities, threshold):
    """Index of the timestep at which each sequence is left."""
    sure = [rows.max(axis=1) >= threshold for rows in probabilities]
    return np.array(
        [np.argmax(own) if own.any() else len(own) - 1 for own in sure]
    )


def cost(probabilities, labels, classes, threshold):
    """Accuracy at the stop, and the mean share of a sequence seen so far."""
    stops = stop(probabilities, threshold)
    rows = [own[t] for own, t in zip(probabilities, stops, strict=True)]
    seen = [
        (t + 1) / len(own) for own, t in zip(probabilities, stops, strict=True)
    ]
    return np.mean(classes[np.argmax(rows, axis=1)] == labels), np.mean(seen)


thresholds = [*np.arange(0.3, 1, 0.05), 1.01]  # the last one never stops
for name, model in models.items():
    for_rule = prefix_probabilities(model, X_rule)
    costs = [
        cost(for_rule, y_rule, model.classes_, threshold)
        for threshold in thresholds
    ]
    enough = [
        share if accuracy >= costs[-1][0] else 2 for accuracy, share in costs
    ]
    chosen = thresholds[np.argmin(enough)]
    accuracy, share = cost(after_each[name], y_test, model.classes_, chosen)
    whole, _ = cost(after_each[name], y_test, model.classes_, thresholds[-1])
    print(f"trained on {name}: threshold {chosen:.2f}")
    print(
        f"  test accuracy {accuracy:.3f} after {share:.0%} of a sequence;"
        f" after all {whole:.3f}"
    )
    ax.plot(
        share,
        accuracy,
        "k*",
        markersize=12,
        label=None if "too" in name else "stopping rule",
    )
ax.set(xlabel="share of the sequence seen", ylabel="test accuracy")
ax.legend()

# %%
# One recording while it comes in
# -------------------------------
#
# A ``Stream`` takes one timestep after the other, and gives the same probabilities to the bit. This
# is the second classifier, with its threshold.

stream, n_timesteps = Stream(model), len(X_test[0])
for timestep in X_test[0]:
    (probabilities,) = stream.update(timestep[np.newaxis])
    if probabilities.max() >= chosen:
        break
seen, speaker = stream.n_timesteps, model.classes_[probabilities.argmax()]
print(
    f"after {seen} of {n_timesteps} timesteps: speaker {speaker},"
    f" in truth {y_test[0]}"
)
print(
    "the same bits:"
    f" {np.array_equal(probabilities, after_each[name][0][seen - 1])}"
)
