"""
Several labels: tags of messages
================================

Each text is a message to the support of an online shop, and it has any number of tags: it may be
about a payment and a parcel, or about neither. The messages are generated from templates, so that
nothing has to be downloaded.

``MultiLabelBinarizer`` converts the lists of tags to an indicator matrix. One network learns all
tags at once, with a sigmoid output for each.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    classification_report,
    precision_recall_fscore_support,
)
from sklearn.model_selection import cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer

from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import TokenEncoder

# %%
# The messages
# ------------
#
# The order of the words matters: which thing works, and which does not? Messages of the rarest tag,
# "fraud", are one in twenty.

THINGS = {
    "payment": ["my card", "the invoice", "the refund"],
    "parcel": ["the parcel", "my order", "the courier"],
    "account": ["my login", "the password", "the app"],
}
GOOD = ["is fine", "works", "is all right"]
BAD = ["is not fine", "does not work", "is wrong", "makes trouble"]
ASIDES = ["as far as I can see", "I think", "since I got your mail"]
FRAUD = [
    "I did not order this",
    "somebody else used my card",
    "I never made this payment",
]
SHARES = {"payment": 0.4, "parcel": 0.3, "account": 0.2}


def make_messages(n, seed):
    """Messages and the tags of each."""
    rng = np.random.default_rng(seed)
    texts, tags = [], []
    for _ in range(n):
        own = {name for name, share in SHARES.items() if rng.random() < share}
        named = [name for name in THINGS if name in own or rng.random() < 0.5]
        clauses = [
            ", ".join(
                map(
                    rng.choice,
                    (THINGS[name], ASIDES, BAD if name in own else GOOD),
                )
            )
            for name in named
        ]
        if rng.random() < 0.05:
            own.add("fraud")
            clauses.append(rng.choice(FRAUD))
        rng.shuffle(clauses)
        texts.append(f"hello, {' and '.join(clauses) or 'thank you'}")
        tags.append(sorted(own))
    return texts, tags


X_train, tags_train = make_messages(1000, seed=0)
X_test, tags_test = make_messages(600, seed=1)
for text, tags in list(zip(X_train, tags_train, strict=True))[:5]:
    print(f"{', '.join(tags) or '-'}: {text}")

# %%
# The indicator matrix
# --------------------
#
# One row for each message, one column for each tag.

binarizer = MultiLabelBinarizer()
y_train = binarizer.fit_transform(tags_train)
y_test = binarizer.transform(tags_test)
print(binarizer.classes_, y_train[:3].tolist(), y_train.mean(axis=0).round(2))

# %%
# One network for all tags, and a linear model for each
# -----------------------------------------------------
#
# Scorers are those of scikit-learn for several labels: "f1_macro" is the mean F1 of the tags.

network = make_pipeline(
    TokenEncoder(),
    LSTMSequenceClassifier(
        16, embedding_dim=16, max_epochs=30, random_state=0
    ),
)
linear = make_pipeline(
    TfidfVectorizer(ngram_range=(1, 2)),
    MultiOutputClassifier(LogisticRegression(C=10)),
)
for name, model in (("network", network), ("linear", linear)):
    scores = cross_val_score(model, X_train, y_train, cv=3, scoring="f1_macro")
    print(f"{name}: F1 {scores.mean():.3f}, mean of 3 folds")

# %%
# Evaluation by tag
# -----------------
#
# Average precision depends on the ranking of the probabilities alone, not on a threshold.

network.fit(X_train, y_train)
linear.fit(X_train, y_train)
print(
    classification_report(
        y_test,
        network.predict(X_test),
        target_names=binarizer.classes_,
        zero_division=0,
    )
)
probabilities = {
    "network": network.predict_proba(X_test),
    "linear": np.stack(
        [p[:, 1] for p in linear.predict_proba(X_test)], axis=1
    ),
}

figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for place, (name, found) in enumerate(probabilities.items()):
    by_tag = average_precision_score(y_test, found, average=None)
    ax.barh(
        np.arange(len(by_tag)) + 0.4 * place, by_tag, height=0.4, label=name
    )
ax.set_yticks(np.arange(len(by_tag)) + 0.2, binarizer.classes_)
ax.set(xlabel="average precision on the test set", xlim=(0, 1))
ax.invert_yaxis()
figure.legend(loc="outside right upper")

# %%
# Tags of a new message
# ---------------------
#
# ``inverse_transform`` converts the predictions back to tags.

new = [
    "hello, my card, I think, does not work and the app, I think, is fine",
    "hello, thank you",
]
for text, tags in zip(
    new, binarizer.inverse_transform(network.predict(new)), strict=True
):
    print(f"{', '.join(tags) or '-'}: {text}")

# %%
# Recall and precision
# --------------------
#
# A tag is predicted where its probability exceeds 0.5. Class weights, which count each tag by
# itself, increase the recall of rarer tags, often at the expense of precision; a lower threshold on
# ``predict_proba`` does so without another training.

weighted = make_pipeline(
    TokenEncoder(),
    LSTMSequenceClassifier(
        16,
        embedding_dim=16,
        max_epochs=30,
        class_weight="balanced",
        random_state=0,
    ),
)
predictions = {
    "threshold 0.5": network.predict(X_test),
    "class weights": weighted.fit(X_train, y_train).predict(X_test),
    "threshold 0.3": (network.predict_proba(X_test) > 0.3).astype(int),
}
for name, predicted in predictions.items():
    precision, recall, *_ = precision_recall_fscore_support(
        y_test, predicted, zero_division=0
    )
    print(f"{name}: recall {recall.round(2)}, precision {precision.round(2)}")
