"""
Text classification: intents of requests
========================================

Each text is a short request to a telephone service, and the class is its intent. The requests are
generated from templates, so that nothing has to be downloaded; some words occur in the test set
only.

The pipeline takes raw text: ``TokenEncoder`` converts it to token ids, and the classifier has an
embedding and a bidirectional LSTM. A grid search tunes both steps together.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, classification_report
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import TokenEncoder

# %%
# The requests
# ------------
#
# Intents share words: "I want to book" and "I want to know", "book my train over to" and "book a
# train to".

TEMPLATES = {
    "book": [
        "I want to book a {way} from {here} to {there}",
        "get me a {way} to {there} please",
        "can I book the {time} {way} to {there}?",
    ],
    "price": [
        "how much is a {way} from {here} to {there}?",
        "what does the {time} {way} cost",
        "I want to know the price of a {way} to {there}",
    ],
    "move": [
        "can I move the {way} I want to {there} to the {time}?",
        "please book my {way} to {there} over to the {time}",
        "I want my {way} from {here} on the {time}, not this one",
    ],
    "cancel": [
        "I do not want the {way} to {there} any more",
        "cancel my {way} from {here}",
        "please take back the {way} I booked for the {time}",
    ],
}
CITIES = ["Rome", "Oslo", "Lima", "Cairo", "Delhi"]
UNSEEN_CITIES = ["Quito", "Seoul", "Perth"]


def make_requests(n, cities, seed):
    """Requests and their intents."""
    rng = np.random.default_rng(seed)
    intents = rng.choice(list(TEMPLATES), size=n)
    texts = []
    for intent in intents:
        here, there = rng.choice(cities, size=2, replace=False)
        way = rng.choice(["flight", "train", "ferry", "bus"])
        time = rng.choice(["morning", "evening", "fifth of May", "last day"])
        words = {"here": here, "there": there, "way": way, "time": time}
        texts.append(rng.choice(TEMPLATES[intent]).format(**words))
    return texts, intents


X_train, y_train = make_requests(200, CITIES, seed=0)
X_test, y_test = make_requests(400, UNSEEN_CITIES, seed=1)
for text, intent in list(zip(X_train, y_train, strict=True))[:5]:
    print(f"{intent:>7}: {text}")

# %%
# Grid search over encoder and classifier
# ---------------------------------------
#
# ``min_df`` is the minimum document frequency; rarer words become the unknown token. With 0.1 a
# word must occur in a tenth of the requests.

pipeline = make_pipeline(
    TokenEncoder(),
    LSTMSequenceClassifier(
        hidden_sizes=16, dropout=0.2, max_epochs=15, random_state=0
    ),
)
search = GridSearchCV(
    pipeline,
    {
        "tokenencoder__min_df": [1, 0.1],
        "lstmsequenceclassifier__embedding_dim": [16],
        "lstmsequenceclassifier__pooling": ["max", "last"],
    },
    cv=3,
)
search.fit(X_train, y_train)
for parameters, score in zip(
    search.cv_results_["params"],
    search.cv_results_["mean_test_score"],
    strict=True,
):
    named = ", ".join(
        f"{name.partition('__')[2]}={value}"
        for name, value in parameters.items()
    )
    print(f"{score:.3f}  {named}")

# %%
# Evaluation on a test set with unseen words
# ------------------------------------------
#
# The cities of the test requests do not occur in the training set.

y_predicted = search.predict(X_test)
print(classification_report(y_test, y_predicted, digits=3))
encoder = search.best_estimator_[0]
print(
    X_test[0],
    "->",
    encoder.inverse_transform(encoder.transform(X_test[:1]))[0],
)

figure, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    y_test, y_predicted, cmap="Blues", colorbar=False, ax=ax
)
ax.set(
    title="Requests about cities never seen", xlabel="predicted", ylabel="true"
)
