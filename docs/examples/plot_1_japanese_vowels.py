"""
Which speaker said the vowel?
=============================

Nine men each said the Japanese vowels /ae/ many times. A recording is a sequence of 7 to 29
timesteps, and a timestep is 12 numbers that describe the spectrum of the sound. Which man was it?

The data are JapaneseVowels of the UCR/UEA archive. They come with the ``aeon`` package, so nothing
is downloaded.
"""

import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from aeon.datasets import load_classification
from sklearn.base import clone
from sklearn.metrics import ConfusionMatrixDisplay, classification_report, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklstm import LSTMSequenceClassifier

# %%
# The data
# --------
#
# aeon gives a list of arrays of shape ``(channels, timesteps)``. The recordings are of unequal
# length, so there is no way to make one array of them without padding, and no need to.

X_train, y_train = load_classification("JapaneseVowels", split="train")
X_test, y_test = load_classification("JapaneseVowels", split="test")

for part, X in (("training", X_train), ("test", X_test)):
    lengths = [sequence.shape[1] for sequence in X]
    print(
        f"{part:>8}: {len(X)} sequences of {min(lengths)} to {max(lengths)} timesteps,"
        f" {X[0].shape[0]} channels"
    )
print(f"speakers: {', '.join(np.unique(y_train))}")
print(f"shapes in aeon's layout: {X_train[0].shape}, {X_train[1].shape}, {X_train[2].shape}, ...")

# %%
# Training
# --------
#
# Ours is the layout of scikit-learn and torch, ``(timesteps, features)``. Swapping the two is a
# step of the pipeline, so that the pipeline as a whole takes what aeon gives.
#
# All parameters have their defaults. What became of those that suit the data by themselves is in
# ``resolved_params_``: convolutions beside the LSTM layers, and 100 epochs in batches of 32.


def channels_last(sequences):
    """Sequences of shape (timesteps, channels) from sequences of shape (channels, timesteps)."""
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
# On the test sequences
# ---------------------
#
# The test split has decided nothing so far.

y_predicted = pipeline.predict(X_test)
auc = roc_auc_score(y_test, pipeline.predict_proba(X_test), multi_class="ovr")
print(f"test accuracy: {np.mean(y_predicted == y_test):.4f}")
print(f"test AUC, one speaker against the rest: {auc:.4f}")
print()
print(classification_report(y_test, y_predicted, digits=3))

# %%
# Do fewer epochs do?
# -------------------
#
# ``max_epochs="auto"`` has chosen 100 epochs. Three-fold cross-validation on the training sequences
# says what fewer are worth; a parameter of a step is named as everywhere in scikit-learn. Each fold
# trains on 180 sequences only, so its accuracy is lower than that of a fit to all 270.

search = GridSearchCV(
    clone(pipeline).set_params(lstmsequenceclassifier__verbose=0),
    {"lstmsequenceclassifier__max_epochs": [3, 10, 30]},
    cv=3,
)
search.fit(X_train, y_train)
results = search.cv_results_
print("cross-validated accuracy, mean and standard deviation over the folds:")
for parameters, mean, std in zip(
    results["params"], results["mean_test_score"], results["std_test_score"], strict=True
):
    print(
        f"  {mean:.3f} +- {std:.3f}  {parameters['lstmsequenceclassifier__max_epochs']:>2} epochs"
    )

fewer = search.best_params_["lstmsequenceclassifier__max_epochs"]
accuracy = np.mean(y_predicted == y_test)
print(f"test accuracy after {classifier.n_iter_} epochs, the default: {accuracy:.4f}")
print(
    f"test accuracy after {fewer} epochs, the best of these: {search.score(X_test, y_test):.4f},"
    f" in {search.refit_time_ / fit_seconds:.0%} of the time"
)

# %%
# One picture
# -----------
#
# Left, how the loss fell while the learning rate rose and fell; right, who was taken for whom.

figure, (curves, matrix) = plt.subplots(
    1, 2, figsize=(11, 5), width_ratios=[1.15, 1], layout="constrained"
)

history = classifier.history_
curves.plot(history["epoch"], history["train_loss"], label="training loss")
curves.plot(history["epoch"], history["learning_rate"], color="0.6", label="learning rate")
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
    title=f"Test sequences: {np.mean(y_predicted == y_test):.1%} correct",
    xlabel="predicted speaker",
    ylabel="true speaker",
)

path = Path(tempfile.gettempdir()) / "sklstm_japanese_vowels.png"
figure.savefig(path, dpi=120)
print(f"picture: {path}")
