"""
Prediction sets and intervals
=============================

A set of classes that holds the true one in 90 % of all cases, whatever the classifier is worth:
conformal prediction [1]_. It needs labelled sequences that the classifier was not trained on, and
new sequences that are drawn like those. The package crepes does it; it takes any fitted classifier,
and sequences as they are.
"""

import matplotlib.pyplot as plt
import numpy as np
from aeon.datasets import load_classification
from crepes import (
    ConformalClassifier,
    ConformalRegressor,
    WrapClassifier,
    WrapRegressor,
)
from crepes.extras import hinge
from sklearn.model_selection import train_test_split

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor

# %%
# Few labels to train with
# ------------------------
#
# JapaneseVowels, both parts together: 27 recordings to train, three of each of nine speakers, so
# that the classifier errs. Half of the others calibrate, the other half is the test.

X_train, y_train = load_classification("JapaneseVowels", split="train")
X_test, y_test = load_classification("JapaneseVowels", split="test")
X = [x.T for x in [*X_train, *X_test]]
y = np.concatenate([y_train, y_test])
X_fit, X, y_fit, y = train_test_split(
    X, y, train_size=27, stratify=y, random_state=0
)
X_calibrate, X_test, y_calibrate, y_test = train_test_split(
    X, y, test_size=0.5, random_state=0
)
classifier = LSTMSequenceClassifier(random_state=0).fit(X_fit, y_fit)
print(
    f"{len(X_fit)} to train, {len(X_calibrate)} to calibrate,"
    f" {len(X_test)} to test"
)
print(f"test accuracy {classifier.score(X_test, y_test):.3f}")

# %%
# Sets of classes
# ---------------
#
# ``calibrate`` looks at the probability of the true class in each of its sequences. A class is in
# the set if its probability is not among the smallest 10 % of those.

conformal = WrapClassifier(classifier)
conformal.calibrate(X_calibrate, y_calibrate, seed=0)
sets = conformal.predict_set(X_test, confidence=0.9)
for found, label in list(zip(sets, y_test, strict=True))[:6]:
    print(f"speaker {label}: {{{', '.join(found)}}}")

# %%
# More confidence makes larger sets. An empty set is no mistake: where the classifier is right more
# often than was asked for, the sets of the least likely sequences have to miss the true class.

for confidence in (0.8, 0.9, 0.95, 0.99):
    sets = conformal.predict_set(X_test, confidence=confidence)
    sizes = np.array([len(found) for found in sets])
    covered = np.mean(
        [label in found for found, label in zip(sets, y_test, strict=True)]
    )
    print(
        f"{confidence:.0%} asked for: {covered:.3f} covered;"
        f" {sizes.mean():.2f} classes in a set,"
        f" {np.mean(sizes == 0):.2f} empty,"
        f" {np.mean(sizes > 1):.2f} with several"
    )

# %%
# One hundred splits
# ------------------
#
# The promise is about the mean over calibration parts: one of them may have luck. Here the 613
# recordings are split a hundred times, with one classifier. ``python -m
# benchmarks.prediction_sets`` trains another classifier for each split.
#
# The promise is about all classes together, and a hard class may be covered less often. With the
# true classes as bins, each class is calibrated by itself and gets the promise for itself, on a
# ninth of the sequences. ``calibrate(..., class_cond=True)`` does the same for the sequences of one
# split.

classes = classifier.classes_
probabilities = classifier.predict_proba(X)
of_true_class = hinge(
    probabilities, classes, y
)  # 1 - the probability of the true class


def coverage_by_class(seed, by_class):
    """Share of sets that hold the true class: of all, and of each class."""
    rows = np.random.default_rng(seed).permutation(len(X))
    calibration, test = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    bins = y[calibration] if by_class else np.full(len(calibration), "all")
    conformal = ConformalClassifier().fit(
        of_true_class[calibration], bins=bins, seed=seed
    )
    bins_test = y[test] if by_class else np.full(len(test), "all")
    covered = conformal.predict_p(of_true_class[test], bins=bins_test) >= 0.1
    return [
        covered.mean(),
        *(covered[y[test] == label].mean() for label in classes),
    ]


splits = {
    name: np.array([coverage_by_class(seed, by_class) for seed in range(100)])
    for name, by_class in (("all together", False), ("class by class", True))
}
for name, found in splits.items():
    by_class = found[:, 1:].mean(axis=0)
    print(
        f"{name}: mean coverage {found[:, 0].mean():.3f},"
        f" splits from {found[:, 0].min():.2f} to {found[:, 0].max():.2f};"
        f" speakers from {by_class.min():.2f} to {by_class.max():.2f}"
    )

figure, (by_split, by_speaker) = plt.subplots(
    1, 2, figsize=(9, 3.4), layout="constrained"
)
for (name, found), color in zip(splits.items(), ("C0", "C1"), strict=True):
    by_split.hist(
        found[:, 0],
        bins=np.arange(0.82, 0.98, 0.01),
        color=color,
        histtype="step",
        linewidth=1.5,
    )
    by_speaker.plot(
        classes, found[:, 1:].mean(axis=0), "o", color=color, label=name
    )
for draw in (by_split.axvline, by_speaker.axhline):
    draw(0.9, color="k", linestyle=":", linewidth=1)
by_split.set(xlabel="coverage of a split", ylabel="splits")
by_speaker.set(
    xlabel="speaker", ylabel="coverage, mean of the splits", ylim=(None, 1.02)
)
by_speaker.legend(title="calibrated", loc="lower center")

# %%
# Intervals
# ---------
#
# A sensor rises as a machine wears out; how many cycles are left? While there is little wear,
# nobody can tell. Three intervals of 90 %:
#
# - ``predict_quantiles`` of ``loss="quantile"``, which holds out a tenth of its training
#   sequences and shifts the quantiles by them
# - crepes around the predicted mean: one width for all
# - crepes around the middle between the quantiles, in units of half their distance


def make_recordings(n, seed):
    """A sensor over 10 to 40 cycles of each machine, and the cycles left."""
    rng = np.random.default_rng(seed)
    left = rng.uniform(0, 100, size=n)
    ages = [cycles + np.arange(rng.integers(10, 40), 0, -1) for cycles in left]
    return [
        np.exp(-age / 40) + rng.normal(0, 0.05, len(age)) for age in ages
    ], left


def middle_and_half(X):
    """Middle between the quantiles, and half their distance."""
    low, _, high = quantiles.predict_quantiles(X).T
    return (low + high) / 2, (high - low) / 2


(X_fit, y_fit), (X_calibrate, y_calibrate), (X_test, y_test) = (
    make_recordings(n, seed) for seed, n in enumerate((300, 150, 1000))
)
options = {
    "hidden_sizes": 16,
    "n_kernels": 0,
    "conv_filters": (),
    "learning_rate": 0.01,
}
options |= {"max_epochs": 40, "random_state": 0}
quantiles = LSTMSequenceRegressor(loss="quantile", **options).fit(X_fit, y_fit)
mean = WrapRegressor(LSTMSequenceRegressor(**options).fit(X_fit, y_fit))
mean.calibrate(X_calibrate, y_calibrate)
middle, half = middle_and_half(X_calibrate)
around_middle = ConformalRegressor().fit(
    residuals=y_calibrate - middle, sigmas=half
)
middle, half = middle_and_half(X_test)
intervals = {
    "predict_quantiles": quantiles.predict_quantiles(X_test)[:, [0, 2]],
    "crepes, mean": mean.predict_int(X_test, confidence=0.9),
    "crepes, quantiles": around_middle.predict_int(
        middle, sigmas=half, confidence=0.9
    ),
}

figure, (coverage, width) = plt.subplots(
    1, 2, figsize=(9, 3.4), layout="constrained"
)
fifth = np.minimum(y_test // 20, 4).astype(int)
for (name, found), style in zip(
    intervals.items(), ("o-C2", "o-C0", "o--C1"), strict=True
):
    low, high = found.T
    inside = (low <= y_test) & (y_test <= high)
    inside_of_fifth = [inside[fifth == k].mean() for k in range(5)]
    print(
        f"{name:>17}: {inside.mean():.3f} covered,"
        f" {inside_of_fifth[0]:.2f} of the oldest fifth,"
        f" {inside_of_fifth[-1]:.2f} of the newest;"
        f" mean width {np.mean(high - low):.1f} cycles"
    )
    coverage.plot(10 + 20 * np.arange(5), inside_of_fifth, style, label=name)
    width_of_fifth = [np.mean((high - low)[fifth == k]) for k in range(5)]
    width.plot(10 + 20 * np.arange(5), width_of_fifth, style)
coverage.axhline(0.9, color="k", linestyle=":", linewidth=1)
coverage.set(xlabel="cycles left, in truth", ylabel="coverage")
width.set(
    xlabel="cycles left, in truth", ylabel="mean width, cycles", ylim=(0, None)
)
figure.legend(loc="outside upper center", ncols=3)

# %%
# One width for all is too wide for old machines, whose end is easy to see, and too narrow for new
# ones. Quantiles know where it is hard, and crepes makes the promise of them.
#
# None of this holds when new sequences are not like those of the calibration: other machines,
# another season, a new sensor. Nor are windows of one recording drawn anew: calibrate with
# recordings, not with windows, that the network was not trained on
# (:doc:`/gallery/data/plot_remaining_life`).
#
# References
# ----------
#
# .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World", Springer, 2005.
