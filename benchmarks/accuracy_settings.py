"""What the study of accuracy compares: settings, each as changes to the defaults."""

from __future__ import annotations

from typing import Any

# "calibration" puts a `CalibratedClassifierCV` around the classifier; "votes" makes a
# `VotingClassifier` of so many that differ in their seed; "linear" is a linear model of texts
# instead, with the options of its `TfidfVectorizer` and its C. All else are parameters.
OF_NETWORK: dict[str, dict[str, Any]] = {
    # The network.
    "LSTM only": {"conv_filters": ()},
    "filters 32, 64, 32": {"conv_filters": (32, 64, 32)},
    "filters 128, 256, 128": {"conv_filters": (128, 256, 128)},
    "width 32": {"hidden_sizes": 32},
    "width 128": {"hidden_sizes": 128},
    "two layers": {"hidden_sizes": (64, 64)},
    "one direction": {"bidirectional": False},
    "last state": {"pooling": "last"},
    "mean": {"pooling": "mean"},
    "attention": {"pooling": "attention"},
    # What it is given.
    "no patches": {"patch_size": 1},
    "patches of 2": {"patch_size": 2},
    "patches of 4": {"patch_size": 4},
    "standardised per data set": {"standardize": True},
    "standardised per sequence": {"standardize": "sequence"},
    "standardised both ways": {"standardize": "both"},
    # How it is trained.
    "rate 0.002": {"learning_rate": 2e-3},
    "rate 0.01": {"learning_rate": 1e-2},
    "cosine": {"lr_schedule": "cosine"},
    "constant rate 0.001": {"lr_schedule": None, "learning_rate": 1e-3},
    "half the epochs": {"max_epochs": 50},
    "twice the epochs": {"max_epochs": 200},
    "batches of 16": {"batch_size": 16},
    "early stopping": {"early_stopping": True},
    # Against overfitting.
    "no mixup": {"mixup_alpha": 0.0},
    "mixup 1": {"mixup_alpha": 1.0},
    "dropout 0.3": {"dropout": 0.3},
    "temperature": {"calibration": "temperature"},
    "vote of five": {"votes": 5},
    # Whole recipes.
    "before the study": {
        "conv_filters": (), "patch_size": 1, "batch_size": 32, "max_epochs": 100,
        "mixup_alpha": 0.0, "standardize": True,
    },
    "usual": {
        "conv_filters": (), "patch_size": 1, "bidirectional": False, "pooling": "last",
        "lr_schedule": None, "learning_rate": 1e-3, "max_grad_norm": None, "batch_size": 32,
        "max_epochs": 100, "mixup_alpha": 0.0, "standardize": True,
    },
}  # fmt: skip
# Those above were chosen without fixed convolutions.
NO_KERNELS = {"n_kernels": 0}
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "no fixed convolutions": NO_KERNELS,
    **{name: NO_KERNELS | changes for name, changes in OF_NETWORK.items()},
    "default, vote of five": {"votes": 5},
    # Of texts.
    "no linear model": {"tfidf": False},
    "linear": {"linear": {}, "C": 1.0},
    "linear, C=10": {"linear": {}, "C": 10.0},
    "linear, C=10, pairs": {"linear": {"ngram_range": (1, 2)}, "C": 10.0},
}

# Settings that answer one question; the first is what the others are compared with.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "recipes": ("default", "no fixed convolutions", "before the study", "usual"),
    "convolutions": (
        "no fixed convolutions", "LSTM only", "filters 32, 64, 32", "filters 128, 256, 128",
    ),
    "fixed": ("default", "no fixed convolutions"),
    "widths": ("no fixed convolutions", "width 32", "width 128", "two layers"),
    "reading": ("no fixed convolutions", "one direction", "last state", "mean", "attention"),
    "inputs": ("no fixed convolutions", "no patches", "patches of 2", "patches of 4"),
    "scales": (
        "no fixed convolutions", "standardised per data set", "standardised per sequence",
        "standardised both ways",
    ),
    "rates": ("no fixed convolutions", "rate 0.002", "rate 0.01", "cosine", "constant rate 0.001"),
    "steps": (
        "no fixed convolutions", "half the epochs", "twice the epochs", "batches of 16",
        "early stopping",
    ),
    "regularisation": ("no fixed convolutions", "mixup 1", "no mixup", "dropout 0.3"),
    "mixup": ("no fixed convolutions", "no mixup"),
    "votes": ("no fixed convolutions", "vote of five"),
    "votes_of_defaults": ("default", "default, vote of five"),
    "text": ("default", "no linear model", "linear", "linear, C=10", "linear, C=10, pairs"),
    "probabilities": ("no fixed convolutions", "temperature"),
}  # fmt: skip

# What the default is to reach on the test parts, mean of five seeds.
TARGETS = {
    "JapaneseVowels": 0.985,
    "NATOPS": 0.965,
    "Libras": 0.93,
    "Epilepsy": 0.965,
    "PenDigits": 0.987,
    "ECG5000": 0.943,
    "ShakeGestureWiimoteZ": 0.90,
    "GunPoint": 0.99,
    "ArrowHead": 0.84,
    "ItalyPowerDemand": 0.96,
    "BasicMotions": 1.0,
    "OSULeaf": 0.95,
}
