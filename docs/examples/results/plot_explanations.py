"""
Explanations of single predictions
==================================

``attributions`` says what each value of a sequence contributes to a prediction. Here it is known
what should be found, since the evidence was put there: a bump in one feature of noisy recordings,
and words of requests.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceClassifier
from sklstm.inspection import (
    AttributionDisplay,
    FaithfulnessDisplay,
    attributions,
    faithfulness,
)
from sklstm.preprocessing import TokenEncoder

# %%
# Recordings with a bump
# ----------------------
#
# Three features of noise, of unequal length. Of class "lift" the second feature has a bump of eight
# timesteps somewhere, of class "turn" the third; of class "rest" none has.

N_BUMP = 8


def make_recordings(n, seed):
    """Recordings, their classes, and where the bump begins."""
    rng = np.random.default_rng(seed)
    y = rng.choice(["lift", "rest", "turn"], size=n)
    X, starts = [], []
    for label in y:
        recording = rng.normal(size=(rng.integers(30, 60), 3))
        start = rng.integers(len(recording) - N_BUMP)
        if label != "rest":
            feature = {"lift": 1, "turn": 2}[label]
            bump = 3 * np.sin(np.linspace(0, np.pi, N_BUMP))
            recording[start : start + N_BUMP, feature] += bump
        X.append(recording)
        starts.append(start)
    return X, y, starts


X, y, _ = make_recordings(120, seed=0)
X_test, y_test, starts = make_recordings(60, seed=1)
classifier = LSTMSequenceClassifier(
    16, n_kernels=500, max_epochs=15, random_state=0
)
classifier.fit(X, y)
print(f"test accuracy {classifier.score(X_test, y_test):.2f}")

# %%
# Attributions of a recording
# ---------------------------
#
# Red values speak for the predicted class and blue ones against it. Their sum is the difference
# between the logit of the class and its logit for a baseline, here a recording that is the training
# mean throughout.

index = int(np.flatnonzero(y_test == "lift")[0])
display = AttributionDisplay.from_estimator(classifier, X_test, index=index)
display.ax_.set_title(f"predicted: {classifier.predict(X_test)[index]}")
display.ax_.axvspan(
    starts[index] - 0.5,
    starts[index] + N_BUMP - 0.5,
    fill=False,
    linestyle="--",
)

explained = attributions(classifier, X_test[:20])
print(f"largest error of a sum: {explained.completeness_error.max():.1e}")

# %%
# How often is the most important value part of the bump, and in its feature?

hits, n = 0, 0
for values, label, start in zip(explained, y_test, starts, strict=False):
    if label != "rest":
        timestep, feature = np.unravel_index(values.argmax(), values.shape)
        is_in_bump = start <= timestep < start + N_BUMP
        hits += is_in_bump and feature == {"lift": 1, "turn": 2}[label]
        n += 1
print(f"{hits} of {n} recordings")

# %%
# Does the model agree?
# ---------------------
#
# When the values of the largest attributions are replaced by the baseline first, the probability of
# the predicted class should fall at once (deletion); when they are the first that are put into the
# baseline, it should rise at once (insertion). In a random order both take longer. Attributions
# that were no better than chance would follow the dotted lines.

curves = faithfulness(classifier, X_test[:20], explained, random_state=0)
figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
FaithfulnessDisplay.from_faithfulness(curves, ax=ax)

# %%
# The words of a text
# -------------------
#
# Requests as in :doc:`/gallery/first_steps/plot_intents`, of two intents that share most of
# their words.

TEMPLATES = {
    "book": [
        "I want to book a {way} to {city} please",
        "can I book the {way} to {city}?",
    ],
    "cancel": [
        "I want to cancel my {way} to {city} please",
        "can I give back my {way} to {city}",
    ],
}
rng = np.random.default_rng(0)
texts, intents = [], []
for _ in range(200):
    intent = rng.choice(list(TEMPLATES))
    words = {
        "way": rng.choice(["flight", "train", "ferry"]),
        "city": rng.choice(["Rome", "Oslo"]),
    }
    texts.append(rng.choice(TEMPLATES[intent]).format(**words))
    intents.append(intent)

pipeline = make_pipeline(
    TokenEncoder(),
    LSTMSequenceClassifier(8, embedding_dim=8, max_epochs=10, random_state=0),
)
pipeline.fit(texts, intents)
request = ["I want to give back my train to Oslo, please do not book a ferry"]
AttributionDisplay.from_estimator(pipeline, request)

# %%
# A word may speak for one intent and the next for the other: the prediction is what remains.

explained = attributions(pipeline, request)
for word, value in zip(explained.words[0], explained[0], strict=True):
    print(f"{word:>8} {value:+.2f}")
