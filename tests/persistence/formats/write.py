"""Writes the files of the present format, with what is expected of them, beside this script."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceClassifier, save_model
from sklstm._persistence._model import MODEL
from sklstm.preprocessing import TokenEncoder

FOLDER = Path(__file__).parent
PARAMETERS = {
    "hidden_sizes": 3, "dense_sizes": (2,), "pooling": "attention", "conv_filters": (4, 3, 2),
    "max_epochs": 2,
    "early_stopping": True, "class_weight": {"rising": 2.0}, "random_state": 0,
}  # fmt: skip


def main() -> None:
    rng = np.random.default_rng(0)
    y = ["falling", "level", "rising"] * 6
    X = [rng.normal(len(label), 1.0, size=(n % 4 + 1, 2)).round(2) for n, label in enumerate(y)]
    classifier = LSTMSequenceClassifier(**PARAMETERS).fit(X, y)
    save_model(classifier, FOLDER / f"{MODEL.format}.safetensors")
    expected = {
        "parameters": PARAMETERS, "X": [sequence.tolist() for sequence in X], "y": y,
        "classes": classifier.classes_.tolist(), "n_iter": classifier.n_iter_,
        "probabilities": classifier.predict_proba(X).tolist(),
    }  # fmt: skip
    (FOLDER / f"{MODEL.format}.json").write_text(json.dumps(expected) + "\n")
    write_pipeline()


def write_pipeline() -> None:
    texts = ["north by north west", "south of the border", "due north", "south south east"] * 4
    classifier = LSTMSequenceClassifier(2, embedding_dim=3, max_epochs=2, random_state=0)
    pipeline = make_pipeline(TokenEncoder(max_length=6), classifier).fit(texts, ["n", "s"] * 8)
    save_model(pipeline, FOLDER / f"{MODEL.format}.pipeline.safetensors")
    new = [*texts[:4], "", "west of nowhere"]
    expected = {"X": new, "probabilities": pipeline.predict_proba(new).tolist()}
    (FOLDER / f"{MODEL.format}.pipeline.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
