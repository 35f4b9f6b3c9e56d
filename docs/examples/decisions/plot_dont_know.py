"""
"I don't know": rejecting unknown inputs
========================================

A classifier names one of its classes whatever it is given: a speaker it has never heard, noise, a
request about something else. Two rules let it say "I don't know": by the largest probability, and
by the distance to the training set in the space that the network has learnt. They fail in different
places, as the tables show.
"""

import matplotlib.pyplot as plt
import numpy as np
from aeon.datasets import load_classification
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import TokenEncoder

# %%
# Seven known speakers, two unknown ones
# --------------------------------------
#
# JapaneseVowels has nine speakers. The classifier is trained on recordings of seven of them. A
# third of their training recordings is kept back: the thresholds are chosen by those. Two speakers
# occur in the test alone.

X, y = load_classification("JapaneseVowels", split="train")
X_test, y_test = load_classification("JapaneseVowels", split="test")
X, X_test = ([x.T for x in sequences] for sequences in (X, X_test))
UNKNOWN = ("8", "9")


def select(sequences, rows):
    """The sequences of the rows that are True."""
    return [x for x, is_in in zip(sequences, rows, strict=True) if is_in]


known, known_test = ~np.isin(y, UNKNOWN), ~np.isin(y_test, UNKNOWN)
X_fit, X_rule, y_fit, _ = train_test_split(
    select(X, known),
    y[known],
    test_size=1 / 3,
    stratify=y[known],
    random_state=0,
)
classifier = LSTMSequenceClassifier(random_state=0).fit(X_fit, y_fit)
X_known, y_known = select(X_test, known_test), y_test[known_test]
print(
    f"trained on {len(X_fit)} recordings of {len(classifier.classes_)}"
    " speakers"
)
print(
    f"accuracy on the known speakers: {classifier.score(X_known, y_known):.3f}"
)

# %%
# Two scores
# ----------
#
# ``transform`` gives the vector that the network pools over time. The second score is the mean
# distance to the five nearest training sequences in that space. ``FrozenEstimator`` keeps the
# classifier in a pipeline as it is.


def make_scores(classifier, X_fit):
    """Functions of sequences, by name: the larger, the more familiar."""
    embed = make_pipeline(FrozenEstimator(classifier), StandardScaler()).fit(
        X_fit
    )
    neighbours = NearestNeighbors(n_neighbors=5).fit(embed.transform(X_fit))
    return {
        "probability": lambda X: classifier.predict_proba(X).max(axis=1),
        "distance": lambda X: (
            -neighbours.kneighbors(embed.transform(X))[0].mean(axis=1)
        ),
    }


def choose_thresholds(scores, X_rule):
    """The thresholds that 5 % of the recordings kept back do not reach."""
    return {
        name: np.quantile(score(X_rule), 0.05)
        for name, score in scores.items()
    }


scores = make_scores(classifier, X_fit)
thresholds = choose_thresholds(scores, X_rule)
print(
    {
        name: round(float(threshold), 3)
        for name, threshold in thresholds.items()
    }
)

# %%
# What is rejected
# ----------------
#
# Noise has the mean and the standard deviation of each feature. Recordings of known speakers played
# backwards have all their timesteps, in the wrong order. "either" rejects what one of the two rules
# rejects.


def rejected(scores, thresholds, sequences):
    """Whether a rule rejects a sequence, by rule."""
    by_rule = {
        name: score(sequences) < thresholds[name]
        for name, score in scores.items()
    }
    return by_rule | {"either": by_rule["probability"] | by_rule["distance"]}


def print_table(scores, thresholds, groups):
    """Share of each group that is rejected, by rule."""
    print(f"{'rejected':>20}  {'':>4}  probability  distance  either")
    for name, sequences in groups.items():
        shares = [
            share.mean()
            for share in rejected(scores, thresholds, sequences).values()
        ]
        print(
            f"{name:>20}  {len(sequences):4}  {shares[0]:11.2f} "
            f" {shares[1]:8.2f}  {shares[2]:6.2f}"
        )


rng = np.random.default_rng(0)
timesteps = np.concatenate(X_fit)
level, spread = timesteps.mean(axis=0), timesteps.std(axis=0)
groups = {
    "known speakers": X_known,
    "unknown speakers": select(X_test, ~known_test),
    "noise": [rng.normal(level, spread, size=x.shape) for x in X_known],
    "backwards": [x[::-1] for x in X_known],
}
print_table(scores, thresholds, groups)

# %%
# The probability says how clearly one class is ahead of the others, and noise can lie far on one
# side of every boundary. The distance says whether anything like it was in the training set.
# Backwards, about half of the recordings pass one rule or the other: they have the sounds of their
# speakers. What a rule rejects has to be measured on what is expected to go wrong, and other
# speakers left out give other shares (:doc:`/user_guide/decisions`).
#
# Errors among the answers
# ------------------------
#
# All test recordings, of known and of unknown speakers. Whatever is answered about an unknown
# speaker is an error. The more is rejected, the fewer answers are wrong; the points are the
# thresholds that were chosen on the recordings kept back.

is_right = classifier.predict(X_test) == y_test
figure, (scatter, curves) = plt.subplots(
    1, 2, figsize=(9.5, 4), layout="constrained"
)
for name, color in (("probability", "C0"), ("distance", "C1")):
    familiarity = scores[name](X_test)
    order = np.argsort(-familiarity)
    answered = np.arange(1, len(order) + 1)
    risk = np.cumsum(~is_right[order]) / answered
    curves.plot(answered / len(order), risk, color=color, label=name)
    n_kept = (familiarity >= thresholds[name]).sum()
    curves.plot(n_kept / len(order), risk[n_kept - 1], "o", color=color)
    print(
        f"{name}: {n_kept} of {len(order)} answered,"
        f" {risk[n_kept - 1]:.3f} of them wrong"
    )
print(f"all answered: {np.mean(~is_right):.3f} wrong")
curves.set(
    xlabel="share answered",
    ylabel="share of the answers that are wrong",
    xlim=(0, 1.02),
)
curves.legend(title="rejected by", loc="upper left")

for (name, sequences), color in zip(
    groups.items(), ("0.5", "C3", "C4", "C2"), strict=True
):
    if name == "backwards":
        continue
    scatter.plot(
        1 - scores["probability"](sequences),
        -scores["distance"](sequences),
        "o",
        color=color,
        markersize=3,
        alpha=0.6,
        label=name,
    )
scatter.axvline(
    1 - thresholds["probability"], color="k", linewidth=0.8, linestyle=":"
)
scatter.axhline(
    -thresholds["distance"], color="k", linewidth=0.8, linestyle=":"
)
scatter.set(
    xscale="log",
    xlabel="1 - largest probability",
    ylabel="distance to the training set",
)
scatter.legend(
    loc="lower center",
    bbox_to_anchor=(0.5, 1),
    ncols=3,
    columnspacing=1,
    frameon=False,
)

# %%
# Texts out of scope
# ------------------
#
# Requests as in :doc:`/gallery/first_steps/plot_intents`, the same about other cities, and requests
# about something else that have words in common with them, or none.

TEMPLATES = {
    "book": [
        "I want to book a {way} to {city}",
        "get me a {way} to {city} please",
    ],
    "price": [
        "how much is a {way} to {city}",
        "what does the {way} to {city} cost",
    ],
    "cancel": [
        "I do not want the {way} to {city} any more",
        "please cancel my {way} to {city}",
    ],
}
ELSEWHERE = {
    "words in common": [
        "how much is the rent in {city}",
        "what does the weather do in {city}",
        "I want to hear a song please",
        "get me a doctor please",
    ],
    "other words": [
        "turn off all lights",
        "who won yesterday",
        "set an alarm for six",
    ],
}


CITIES, OTHER_CITIES = (
    ["Rome", "Oslo", "Lima", "Cairo", "Delhi"],
    ["Quito", "Seoul", "Perth"],
)


def make_requests(n, seed, cities=CITIES):
    """Requests and their intents."""
    rng = np.random.default_rng(seed)
    intents = rng.choice(list(TEMPLATES), size=n)
    return [
        fill(rng.choice(TEMPLATES[intent]), rng, cities) for intent in intents
    ], intents


def fill(template, rng, cities=CITIES):
    """A template with a city and a way to travel."""
    way = rng.choice(["flight", "train", "ferry", "bus"])
    return template.format(city=rng.choice(cities), way=way)


texts, intents = make_requests(300, seed=0)
requests = make_pipeline(
    TokenEncoder(),
    LSTMSequenceClassifier(
        16, embedding_dim=16, max_epochs=15, random_state=0
    ),
).fit(texts[:200], intents[:200])
scores = make_scores(requests, texts[:200])
thresholds = choose_thresholds(scores, texts[200:])
elsewhere, their_intents = make_requests(200, seed=2, cities=OTHER_CITIES)
groups = {"in scope": make_requests(200, seed=1)[0], "other cities": elsewhere}
groups |= {
    name: [fill(template, rng) for template in templates for _ in range(5)]
    for name, templates in ELSEWHERE.items()
}
print_table(scores, thresholds, groups)
right = np.mean(requests.predict(elsewhere) == their_intents)
print(f"accuracy on requests about other cities: {right:.2f}")

# %%
# Here all words are those of a few templates, and whatever has another word is unlike the training
# set. So are requests about other cities, whose intent is plain: unfamiliar is not wrong, and the
# rules know only the former.
