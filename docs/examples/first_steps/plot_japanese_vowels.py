"""
Speaker identification: JapaneseVowels
======================================

Nine speakers each said the Japanese vowels /ae/ many times. A recording is a multivariate sequence
of 7 to 29 timesteps with 12 features, which describe the spectrum of the sound. The class is the
speaker.

The data set is JapaneseVowels of the UCR/UEA archive. It is part of the ``aeon`` package, so
nothing is downloaded.
"""

import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from aeon.datasets import load_classification
from sklearn.base import clone
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    classification_report,
    roc_auc_score,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklstm import LSTMSequenceClassifier

# %%
# The data
# --------
#
# aeon returns a list of arrays of shape ``(channels, timesteps)``. The sequences have unequal
# lengths. They need no padding.

X_train, y_train = load_classification("JapaneseVowels", split="train")
X_test, y_test = load_classification("JapaneseVowels", split="test")

for part, X in (("training", X_train), ("test", X_test)):
    lengths = [sequence.shape[1] for sequence in X]
    print(
        f"{part:>8}:"
        f" {len(X)} sequences of {min(lengths)} to {max(lengths)} timesteps,"
        f" {X[0].shape[0]} channels"
    )
print(f"speakers: {', '.join(np.unique(y_train))}")
print(
    f"shapes in aeon's layout: {X_train[0].shape}, {X_train[1].shape},"
    f" {X_train[2].shape}, ..."
)

# %%
# Training
# --------
#
# The classifier takes arrays of shape ``(timesteps, features)``. The first step of the pipeline
# transposes the sequences, so that the pipeline accepts aeon's layout.
#
# All parameters have their defaults. ``resolved_params_`` has the values of those that are "auto":
# trained convolutions beside the LSTM layers, a linear model of fixed ones beside both, and 100
# epochs with a batch size of 32.


def channels_last(sequences):
    """(channels, timesteps) -> (timesteps, channels), for each sequence."""
    return [sequence.T for sequence in sequences]


pipeline = make_pipeline(
    FunctionTransformer(channels_last),
    LSTMSequenceClassifier(random_state=0, verbose=1),
)
start = time.perf_counter()
pipeline.fit(X_train, y_train)
fit_seconds = time.perf_counter() - start
classifier = pipeline[-1]
print(f"trained for {classifier.n_iter_} epochs")
for parameter, value in classifier.resolved_params_.items():
    print(f"{parameter:>18}: {value}")

# %%
# Evaluation on the test set
# --------------------------
#
# The test set has not been used so far. One of its sequences is 0.003, and other seeds differ by a
# few of them: :doc:`/benchmarks/accuracy` has the mean of five.

y_predicted = pipeline.predict(X_test)
accuracy = np.mean(y_predicted == y_test)
auc = roc_auc_score(y_test, pipeline.predict_proba(X_test), multi_class="ovr")
print(f"test accuracy: {accuracy:.4f}")
print(f"test AUC, one speaker against the rest: {auc:.4f}")
print()
print(classification_report(y_test, y_predicted, digits=3))

# %%
# The number of epochs
# --------------------
#
# ``max_epochs="auto"`` has chosen 100 epochs. A grid search with three-fold cross-validation on the
# training set compares fewer epochs. Each fold trains on 180 sequences only, so its accuracy is
# lower than that of a fit to all 270.

search = GridSearchCV(
    clone(pipeline).set_params(lstmsequenceclassifier__verbose=0),
    {"lstmsequenceclassifier__max_epochs": [10, 30]},
    cv=3,
)
search.fit(X_train, y_train)
results = search.cv_results_
print("cross-validated accuracy, mean and standard deviation over the folds:")
for parameters, mean, std in zip(
    results["params"],
    results["mean_test_score"],
    results["std_test_score"],
    strict=True,
):
    print(
        f"  {mean:.3f} +- {std:.3f} "
        f" {parameters['lstmsequenceclassifier__max_epochs']:>2} epochs"
    )

fewer = search.best_params_["lstmsequenceclassifier__max_epochs"]
print(
    f"test accuracy after {classifier.n_iter_} epochs, the default:"
    f" {accuracy:.4f}"
)
print(
    f"test accuracy after {fewer} epochs, the best of these:"
    f" {search.score(X_test, y_test):.4f},"
    f" in {search.refit_time_ / fit_seconds:.0%} of the time"
)

# %%
# Learning curve and confusion matrix
# -----------------------------------
#
# Left, the training loss and the one-cycle learning-rate schedule; right, the confusion matrix of
# the test set.

figure, (curves, matrix) = plt.subplots(
    1, 2, figsize=(11, 5), width_ratios=[1.15, 1], layout="constrained"
)

history = classifier.history_
curves.plot(history["epoch"], history["train_loss"], label="training loss")
curves.plot(
    history["epoch"],
    history["learning_rate"],
    color="0.6",
    label="learning rate",
)
curves.set(title="Training", xlabel="epoch", yscale="log")
curves.yaxis.set_major_formatter("{x:g}")
curves.legend(frameon=False)
curves.spines[["top", "right"]].set_visible(False)

display = ConfusionMatrixDisplay.from_predictions(
    y_test, y_predicted, ax=matrix, cmap="Blues", colorbar=False
)
for count in display.text_.flat:
    if count.get_text() == "0":
        count.set_color("0.8")
matrix.set(
    title=f"Test sequences: {accuracy:.1%} correct",
    xlabel="predicted speaker",
    ylabel="true speaker",
)

path = Path(tempfile.gettempdir()) / "sklstm_japanese_vowels.png"
figure.savefig(path, dpi=120)
print(f"picture: {path}")
