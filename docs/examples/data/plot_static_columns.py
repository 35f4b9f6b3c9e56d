"""
Static columns beside sequences
===============================

A pulse over some hours is classified together with the patient's age, weight and ward. The table is
generated: a pulse that is high for the patient's age, or that rises, precedes a complication; the
monitors of one ward show ten beats too many.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score, train_test_split

from sklstm import LSTMSequenceClassifier

# %%
# One row for each patient
# ------------------------
#
# The column ``pulse`` holds sequences of unequal length. One age in ten is missing.

rng = np.random.default_rng(0)
n = 500
age, ward = (
    rng.uniform(20, 90, n).round(),
    rng.choice(["north", "south", "west"], n),
)
rises, level = rng.random(n) < 0.3, rng.normal(0, 8, n)
pulse = []
for i in range(n):
    hours = np.arange(rng.integers(12, 48))
    beats = 95 - age[i] / 3 + level[i] + 10 * (ward[i] == "south")
    pulse.append(beats + rises[i] * 0.4 * hours + rng.normal(0, 4, len(hours)))
y = rng.random(n) < 1 / (1 + np.exp(-(level / 3 + 5 * rises - 3)))
table = pd.DataFrame(
    {
        "pulse": pulse,
        "age": age,
        "weight": rng.normal(75, 12, n).round(1),
        "ward": ward,
    }
)
table.loc[rng.random(n) < 0.1, "age"] = np.nan
print(table.drop(columns="pulse").describe(include="all").round(1))

# %%
# With and without the static columns
# -----------------------------------
#
# The data frame goes row by row through cross-validation. Numbers are standardised and categories
# embedded inside; missing ages need no imputation.

classifier = LSTMSequenceClassifier(16, max_epochs=30, random_state=0)
for name, X in (
    ("pulse alone", table[["pulse"]]),
    ("with static columns", table),
):
    scores = cross_val_score(classifier, X, y, cv=3, scoring="roc_auc")
    print(f"{name}: ROC AUC {scores.mean():.3f}, mean of 3 folds")

# %%
# Importance of the columns
# -------------------------
#
# scikit-learn's tools work on the data frame. A permutation of a column that says nothing, such as
# the weight, changes nothing.

X_train, X_test, y_train, y_test = train_test_split(
    table, y, stratify=y, random_state=0
)
classifier.fit(X_train, y_train)
print(
    "test set: ROC AUC"
    f" {roc_auc_score(y_test, classifier.predict_proba(X_test)[:, 1]):.3f}"
)
importance = permutation_importance(
    classifier, X_test, y_test, scoring="roc_auc", n_repeats=5, random_state=0
)
figure, ax = plt.subplots(figsize=(6, 2.5), layout="constrained")
ax.barh(
    table.columns, importance.importances_mean, xerr=importance.importances_std
)
ax.set(xlabel="loss of ROC AUC when the column is permuted")
ax.invert_yaxis()

# %%
# A new patient
# -------------
#
# A ward that `fit` has not seen counts as no ward.

patient = {
    "pulse": [72 + 0.1 * np.arange(24)],
    "age": [70.0],
    "weight": [82.0],
    "ward": ["east"],
}
print(classifier.predict_proba(pd.DataFrame(patient)).round(2))
