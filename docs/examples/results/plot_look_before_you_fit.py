"""
Data report and permutation importance
======================================

A smart watch records the acceleration and the rotation of a wrist while someone stands, walks, runs
or plays badminton (BasicMotions of the UEA archive). What do the data hold, and what does a fitted
model read in them?
"""

import numpy as np
import pandas as pd
from aeon.datasets import load_classification
from sklearn.model_selection import train_test_split

from sklstm import LSTMSequenceClassifier
from sklstm.datasets import describe
from sklstm.inspection import PermutationImportanceDisplay
from sklstm.preprocessing import from_channel_first

# %%
# Before the fit
# --------------
#
# As data frames, the recordings have names for their features. There are ten seconds of each, in
# ten timesteps a second.

features = [
    f"{sensor} {axis}"
    for sensor in ("acceleration", "rotation")
    for axis in "xyz"
]
arrays, y = load_classification("BasicMotions")
X = [pd.DataFrame(x, columns=features) for x in from_channel_first(arrays)]

report = describe(X, y)
print(report)

# %%
# Nothing is missing, no recording comes twice, the classes are of one size, and no hint says that a
# score would be too good. The figure has one recording of each class.

figure = report.plot()

# %%
# What a hint looks like
# ----------------------
#
# Had the loader kept the minute of the day, and had each activity been recorded at a time of its
# own, any model would be perfect, and useless on another day.

start = {"standing": 600, "walking": 640, "running": 700, "badminton": 815}
rng = np.random.default_rng(0)
minutes = [start[label] + rng.integers(30) for label in y]
with_clock = [
    x.assign(minute=minute) for x, minute in zip(X, minutes, strict=True)
]
for hint in describe(with_clock, y).hints:
    print(f"{hint.kind}: {hint.text}")

# %%
# After the fit: which features?
# ------------------------------
#
# The values of one feature at a time are exchanged between the recordings of the test set. The
# score is the logarithm of the probability of the true class: the accuracy of 20 recordings moves
# in steps of 5 %, and not at all where features stand in for each other.

X_train, X_test, y_train, y_test = train_test_split(
    X, y, stratify=y, random_state=0
)
classifier = LSTMSequenceClassifier(
    16, max_epochs=30, n_kernels=0, random_state=0
)
classifier.fit(X_train, y_train)
print(
    f"accuracy {classifier.score(X_test, y_test):.2f} of"
    f" {len(y_test)} recordings"
)

scored = {"scoring": "neg_log_loss", "random_state": 0}
display = PermutationImportanceDisplay.from_estimator(
    classifier, X_test, y_test, **scored
)

# %%
# Which features, and when?
# -------------------------
#
# A fifth of one feature is worth little by itself: the rest of the recording shows the same.

display = PermutationImportanceDisplay.from_estimator(
    classifier, X_test, y_test, by="both", n_segments=5, **scored
)
