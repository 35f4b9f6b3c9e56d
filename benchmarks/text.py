"""Accuracy on texts: ``python -m benchmarks.text --data FOLDER``.

The folder holds one folder per set with ``train.tsv`` and ``test.tsv`` of ``label<TAB>text`` lines,
and may hold word vectors. Settings are compared by cross-validation on the training part alone; the
test part is read once, for the setting chosen, with several seeds.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from benchmarks.sets import read_tsv
from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import TokenEncoder, WordVectors, read_word_vectors

# Without mixup, as in benchmarks/LOG.md. Its figures are also older than one rate of dropout for
# embedded tokens and all else, and of a label smoothing that is no more.
COMMON = {"max_epochs": 12, "batch_size": 64, "learning_rate": 0.003, "mixup_alpha": 0.0}
DROPOUT = {"dropout": 0.5}
# What is compared: options of the encoder, options of the classifier.
SETTINGS = {
    "plain": ({}, {}),
    "dropout": ({}, DROPOUT),
    "rare unknown": ({"min_df": 2}, DROPOUT),
    "rare unknown, wide": ({"min_df": 2}, {**DROPOUT, "hidden_sizes": 128, "embedding_dim": 200}),
    "the same, 20 epochs": (
        {"min_df": 2}, {**DROPOUT, "hidden_sizes": 128, "embedding_dim": 200, "max_epochs": 20},
    ),
}  # fmt: skip
METRICS = {"accuracy": accuracy_score, "balanced": balanced_accuracy_score}


def build(setting: tuple[dict, dict], vectors: WordVectors | None = None, **changes: object):
    """A pipeline from raw text to labels; with vectors, their words are the vocabulary."""
    encoder, options = setting
    parameters = {**COMMON, "embedding_dim": 100, **options, **changes}
    if vectors is not None:
        encoder = {**encoder, "vocabulary": vectors.tokens}
        parameters |= {"embedding_dim": None, "embedding_weights": vectors.weights()}
    return make_pipeline(TokenEncoder(**encoder), LSTMSequenceClassifier(**parameters))


def build_widened(texts: list[str], vectors: WordVectors):
    """A pipeline whose words are those of the texts and of the vectors.

    Each has its pretrained vector, brought to a standard deviation of 0.3, beside 175 dimensions
    that are drawn for the words of the texts and 0 for all others. Both are tuned.
    """
    own = list(TokenEncoder(min_df=2).fit(texts).vocabulary_)
    tokens = [*own, *(token for token in vectors.tokens if token not in set(own))]
    vocabulary = {token: i for i, token in enumerate(tokens, start=2)}
    known = vectors.weights(vocabulary) - vectors.vectors.mean(axis=0)
    drawn = np.random.default_rng(0).normal(scale=0.1, size=(len(known), 175))
    drawn[len(own) + 2 :] = 0.0
    weights = np.hstack([0.3 * known / vectors.vectors.std(), drawn])
    wide = SETTINGS["rare unknown, wide"][1]
    options = {**wide, "embedding_dim": None, "embedding_weights": weights}
    return build(({"vocabulary": vocabulary}, options))


def cross_validate(pipeline, texts, labels, metric: str) -> float:
    """Score of predictions for held-out folds, in folds that rare classes may be missing from."""
    pipeline = pipeline.set_params(lstmsequenceclassifier__random_state=0)
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    return METRICS[metric](labels, cross_val_predict(pipeline, texts, labels, cv=folds))


def choose(texts, labels, metric: str) -> tuple[dict, dict]:
    """The setting that does best in cross-validation."""
    scores = {}
    for name, setting in SETTINGS.items():
        start = time.perf_counter()
        scores[name] = cross_validate(build(setting), texts, labels, metric)
        seconds = time.perf_counter() - start
        print(f"    {name:26} {metric} {scores[name]:.4f}  ({seconds:.0f} s)", flush=True)
    return SETTINGS[max(scores, key=scores.get)]


def test(pipeline, train, test, n_seeds: int) -> str:
    """Test scores, mean and range over the seeds."""
    scores = {name: [] for name in METRICS}
    start = time.perf_counter()
    for seed in range(n_seeds):
        pipeline.set_params(lstmsequenceclassifier__random_state=seed).fit(*train)
        predicted = pipeline.predict(test[0])
        for name, metric in METRICS.items():
            scores[name].append(metric(test[1], predicted))
    seconds = (time.perf_counter() - start) / n_seeds
    return (
        ", ".join(
            f"{name} {np.mean(s):.4f} ({min(s):.4f} to {max(s):.4f})" for name, s in scores.items()
        )
        + f", {seconds:.0f} s a fit"
    )


def main() -> None:
    """Choose on the training parts, then read the test parts once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, help="word vectors for the first set")
    parser.add_argument("--sets", nargs="+", default=["trec", "atis", "sms_spam"])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    # ATIS has classes of one text: its folds cannot all have one.
    warnings.filterwarnings("ignore", message="The least populated class")
    for name in arguments.sets:
        train, held_out = (read_tsv(arguments.data / name, part) for part in ("train", "test"))
        print(f"{name}: {len(train[0])} training texts, {len(set(train[1]))} classes", flush=True)
        setting = choose(*train, "accuracy")
        print("  chosen:", test(build(setting), train, held_out, arguments.seeds), flush=True)
        if name == "atis":
            balanced = build(setting, class_weight="balanced")
            print("  balanced:", test(balanced, train, held_out, arguments.seeds), flush=True)
        if name == "trec" and arguments.vectors:
            vectors = read_word_vectors(arguments.vectors)
            words = TokenEncoder().fit(train[0])
            occurring = [token for text in words.inverse_transform(words.transform(train[0]))
                         for token in text]  # fmt: skip
            print(f"  coverage {vectors.coverage(words.vocabulary_):.3f} of words,"
                  f" {vectors.coverage(occurring):.3f} of occurrences", flush=True)  # fmt: skip
            for freeze in (True, False):
                pretrained = build(setting, vectors, freeze_embedding=freeze)
                state = "frozen" if freeze else "fine-tuned"
                print(f"  {state}:", test(pretrained, train, held_out, arguments.seeds), flush=True)
            widened = build_widened(train[0], vectors)
            score = cross_validate(widened, *train, "accuracy")
            print(f"    fine-tuned, widened        accuracy {score:.4f}", flush=True)
            print("  widened:", test(widened, train, held_out, arguments.seeds), flush=True)


if __name__ == "__main__":
    main()
