"""
Regression: remaining life of machines
======================================

Sensors of a machine drift as it wears out. From the last 30 cycles the remaining number of cycles
is to be predicted, as in the C-MAPSS data of aircraft engines: the target is at most 125, since a
new machine shows no wear. The recordings are generated, so that nothing has to be downloaded.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.dummy import DummyRegressor
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GroupKFold, cross_val_predict

from sklstm import LSTMSequenceRegressor

WINDOW, CAP = 30, 125


def make_runs(n_machines, seed):
    """Sensors of machines that run to failure, shape (n_cycles, 4) each."""
    rng = np.random.default_rng(seed)
    runs = []
    for _ in range(n_machines):
        n_cycles = rng.integers(130, 300)
        # Wear grows ever faster, and every machine begins with some already.
        left = np.arange(n_cycles)[::-1]
        wear = np.exp(-left / rng.uniform(25, 50)) + rng.uniform(0, 0.1)
        sensors = np.outer(wear, [1.0, -0.6, 0.3, 0.0]) + rng.normal(
            0, 0.15, (n_cycles, 4)
        )
        runs.append(sensors)
    return runs


# %%
# Windows of runs
# ---------------
#
# Every tenth window of 30 cycles. Windows of one machine are alike, so they have to stay together:
# ``groups`` says which machine each one is of.

X, y, groups = [], [], []
for machine, run in enumerate(make_runs(60, seed=0)):
    for end in range(WINDOW, len(run) + 1, 10):
        X.append(run[end - WINDOW : end])
        y.append(min(CAP, len(run) - end))
        groups.append(machine)
X, y, groups = np.array(X), np.array(y), np.array(groups)
print(f"{len(X)} windows of {len(np.unique(groups))} machines")

# %%
# Errors on machines that were not trained on
# -------------------------------------------
#
# ``GroupKFold`` leaves out whole machines. With a plain ``KFold`` the error would be of machines
# that the network has seen a few cycles before.

folds = GroupKFold(3, shuffle=True, random_state=0)
regressor = LSTMSequenceRegressor(32, max_epochs=20, random_state=0)
for name, model in (
    ("mean of y", DummyRegressor()),
    ("LSTMSequenceRegressor", regressor),
):
    predicted = cross_val_predict(model, X, y, groups=groups, cv=folds)
    print(
        f"{name}: root mean squared error"
        f" {root_mean_squared_error(y, predicted):.1f} cycles"
    )

# %%
# Intervals
# ---------
#
# ``loss="quantile"`` learns quantiles, here .05, .5 and .95, which never cross. Of the machines
# left out, 90 % of the values should lie between the outer two.

quantiles = LSTMSequenceRegressor(
    32, loss="quantile", max_epochs=20, random_state=0
)
found = np.empty((len(y), 3))
for train, left_out in folds.split(X, y, groups):
    found[left_out] = quantiles.fit(X[train], y[train]).predict_quantiles(
        X[left_out]
    )
low, middle, high = found.T
inside = (low <= y) & (y <= high)
print(
    f"inside: {inside.mean():.2f}; mean width {np.mean(high - low):.0f} cycles"
)

# %%
# One machine up to its failure
# -----------------------------
#
# Predictions of a machine that was left out. The interval is wide while there is no wear to see.

figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
own = groups == 0
cycle = WINDOW + 10 * np.arange(own.sum())
ax.plot(cycle, y[own], "k--", label="remaining cycles, at most 125")
ax.plot(cycle, middle[own], label="median")
ax.fill_between(
    cycle, low[own], high[own], alpha=0.3, label="quantiles .05 to .95"
)
ax.set(xlabel="cycle", ylabel="remaining cycles", ylim=(0, None))
figure.legend(loc="outside upper center", ncols=3)
