"""
Activity recognition with sliding windows
=========================================

Eight people wear an accelerometer at the hip while they sit, walk, climb stairs and run. The data
frame is in long format, with 50 rows per second. The recordings are cut into sliding windows of two
seconds, the windows are classified, and the predictions are mapped back to the rows.

The data are simulated; each person has a different gait.
"""

import tempfile
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import Patch
from sklearn.metrics import classification_report
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict

from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import make_windows, sequences_from_frame

RATE = 50  # measurements a second
ACTIVITIES = {  # steps a second, and how hard they are (in g)
    "climb": (1.6, 0.30),
    "run": (2.7, 0.80),
    "sit": (0.3, 0.02),
    "walk": (1.9, 0.28),
}

# %%
# Simulated data
# --------------
#
# Each person performs twelve activities in random order, for 4 to 10 seconds each. People differ in
# the frequency and amplitude of their steps and in the orientation of the sensor; climbing stairs
# changes the frequency and tilts the body slightly forward.


def measure(activity, seconds, person, rng):
    """Accelerations of shape (seconds * RATE, 3), in g."""
    frequency, strength = ACTIVITIES[activity]
    frequency *= person["pace"] * rng.normal(1, 0.05)
    strength *= person["force"] * rng.normal(1, 0.1)
    n_timesteps = round(seconds * RATE)
    phase = (
        2 * np.pi * (frequency * np.arange(n_timesteps) / RATE + rng.uniform())
    )
    lean = rng.normal(0.15 if activity == "climb" else 0.0, 0.08)
    steps = np.stack(
        [
            0.5 * np.sin(phase / 2) + lean / strength,
            0.4 * np.sin(phase + 1),
            np.sin(phase) + person["bounce"] * np.sin(2 * phase),
        ],
        axis=1,
    )
    noise = rng.normal(scale=0.08, size=(n_timesteps, 3))
    return strength * steps + person["gravity"] + noise


def record(name, rng):
    """The rows of one person."""
    tilt = rng.normal(scale=0.08, size=2)
    person = {
        "pace": rng.normal(1, 0.06),
        "force": rng.normal(1, 0.15),
        "bounce": rng.uniform(0.1, 0.5),
        "gravity": np.array([*tilt, np.sqrt(1 - tilt @ tilt)]),
    }
    activities = rng.permutation(list(ACTIVITIES) * 3)
    parts = [
        measure(activity, rng.uniform(4, 10), person, rng)
        for activity in activities
    ]
    rows = pd.DataFrame(
        np.concatenate(parts), columns=["acc_x", "acc_y", "acc_z"]
    )
    rows.insert(0, "person", name)
    rows.insert(1, "second", np.arange(len(rows)) / RATE)
    rows["activity"] = np.repeat(activities, [len(part) for part in parts])
    return rows


rng = np.random.default_rng(0)
names = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana"]
table = pd.concat([record(name, rng) for name in names], ignore_index=True)
print(table.groupby("activity").size().rename("rows"))
table

# %%
# Sliding windows
# ---------------
#
# `~sklstm.preprocessing.sequences_from_frame` returns one recording per person, sorted by time.
# The activity changes within a recording, hence ``label_per="timestep"``.
# `~sklstm.preprocessing.make_windows` cuts the recordings into windows of two seconds with a step
# of half a second; the label of a window is the majority of its timesteps.

recordings = sequences_from_frame(
    table,
    sequence="person",
    time="second",
    label="activity",
    label_per="timestep",
)
windows = make_windows(
    recordings.X,
    recordings.y,
    groups=recordings.ids,
    size=2 * RATE,
    step=RATE // 2,
)
print(
    f"{len(recordings.X)} recordings, {len(windows.X)} windows,"
    f" X of shape {windows.X.shape}"
)

# %%
# Grouped cross-validation
# ------------------------
#
# The aim is to estimate the accuracy for *new* people. Neighbouring windows share three quarters of
# their timesteps, and all windows of a person share the gait. A random split puts nearly identical
# windows into training and test folds (leakage). ``GroupKFold`` keeps all windows of a person in
# one fold.

classifier = LSTMSequenceClassifier(
    hidden_sizes=16, max_epochs=10, random_state=0
)
new_people = cross_val_predict(
    classifier, windows.X, windows.y, groups=windows.groups, cv=GroupKFold(4)
)
known_people = cross_val_predict(
    classifier, windows.X, windows.y, cv=KFold(4, shuffle=True, random_state=0)
)
print(
    "accuracy over windows of new people:"
    f"       {np.mean(new_people == windows.y):.3f}"
)
print(
    "the same with windows dealt at random:"
    f"     {np.mean(known_people == windows.y):.3f}"
)

# %%
# The second accuracy is too optimistic for new people. The rest of the example uses the first.
#
# Predictions per timestep
# ------------------------
#
# `~sklstm.preprocessing.Windows.to_recordings` aggregates the windows that cover a timestep by
# majority vote, and `~sklstm.preprocessing.FrameSequences.to_rows` arranges the result in the row
# order of the data frame.

table["predicted"] = recordings.to_rows(windows.to_recordings(new_people))
print(classification_report(table["activity"], table["predicted"], digits=3))

correct = (
    (table["activity"] == table["predicted"]).groupby(table["person"]).mean()
)
print(correct.rename("rows that are right").round(3))

# %%
# One recording
# -------------
#
# A person of about median accuracy. Above, the measurements; below, the true activities and the
# predictions of a network trained on other people only.

name = correct.sort_values().index[len(correct) // 2]
rows = table[table["person"] == name]
colours = dict(
    zip(ACTIVITIES, ["#0072b2", "#d55e00", "#999999", "#009e73"], strict=True)
)

figure, (signal, bars) = plt.subplots(
    2,
    1,
    figsize=(11, 5.5),
    height_ratios=[2.2, 1],
    sharex=True,
    layout="constrained",
)
for channel, colour in zip(
    ["acc_z", "acc_x", "acc_y"], ["0.1", "#cc79a7", "#56b4e9"], strict=True
):
    signal.plot(
        rows["second"],
        rows[channel],
        color=colour,
        linewidth=0.8,
        label=channel,
    )
signal.set(
    ylabel="acceleration [g]",
    title=f"{name}: {correct[name]:.1%} of the timesteps right",
)
signal.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)

for height, column in enumerate(["predicted", "activity"]):
    changes = (
        np.flatnonzero(
            rows[column].to_numpy()[1:] != rows[column].to_numpy()[:-1]
        )
        + 1
    )
    edges = np.concatenate([[0], changes, [len(rows)]])
    runs = [
        (start / RATE, (end - start) / RATE) for start, end in pairwise(edges)
    ]
    bars.broken_barh(
        runs,
        (height - 0.4, 0.8),
        facecolors=[colours[rows[column].iloc[e]] for e in edges[:-1]],
    )
bars.set(yticks=[0, 1], yticklabels=["predicted", "true"], xlabel="time [s]")
bars.set_xlim(0, rows["second"].max())
bars.legend(
    handles=[
        Patch(color=colour, label=activity)
        for activity, colour in colours.items()
    ],
    loc="upper left",
    bbox_to_anchor=(1, 1),
    frameon=False,
)
for ax in (signal, bars):
    ax.spines[["top", "right"]].set_visible(False)

path = Path(tempfile.gettempdir()) / "sklstm_sensor_windows.png"
figure.savefig(path, dpi=120)
print(f"picture: {path}")
