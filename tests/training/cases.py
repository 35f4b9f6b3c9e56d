"""Small fits of all kinds of networks, losses, schedules and optimizers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from tests.helpers import make_documents, make_ragged, make_tagged

EQUAL = np.random.default_rng(0).normal(size=(40, 12, 3)), np.arange(40) % 3
RAGGED = make_ragged(40)
TAGGED = make_tagged(40)
PLAIN = {"n_kernels": 0, "conv_filters": ()}
CONVOLVED = {"n_kernels": 0, "conv_filters": (4, 3)}
AGE = {"age": np.linspace(-1, 1, 40), "ward": ["east", "west"] * 20}
STATIC = pd.DataFrame({"x": RAGGED[0], **AGE}), RAGGED[1]
STATIC_OF_IDS = pd.DataFrame({"x": make_documents(40)[0], **AGE})
MIXED = (
    [pd.DataFrame({"x": x[:, 0], "gear": np.where(x[:, 1] > 0, "d", "n")}) for x in RAGGED[0]],
    RAGGED[1],
)
CASES = {
    "LSTM": (EQUAL, PLAIN),
    "ragged": (RAGGED, PLAIN | {"pooling": "attention", "bidirectional": False}),
    "last": (RAGGED, PLAIN | {"pooling": "last", "hidden_sizes": (4, 3), "dense_sizes": 5}),
    "convolutions": (EQUAL, CONVOLVED),
    "ragged convolutions": (RAGGED, CONVOLVED | {"patch_size": 2}),
    "fixed convolutions": (RAGGED, CONVOLVED | {"n_kernels": 84}),
    "windows": (([x[:, :1] for x in RAGGED[0]], RAGGED[1]), PLAIN | {"n_kernels": 84}),
    "tokens": (make_documents(40), {"embedding_dim": 5}),
    "static columns": (STATIC, PLAIN),
    "static columns beside fixed convolutions": (STATIC, CONVOLVED | {"n_kernels": 84}),
    "static columns of tokens": ((STATIC_OF_IDS, RAGGED[1]), {"embedding_dim": 5}),
    "categories": (MIXED, CONVOLVED),
    "no mixup": (RAGGED, PLAIN | {"mixup_alpha": 0.0}),
    "penalties": (RAGGED, PLAIN | {"l1": 1e-3, "l2": 1e-3, "max_grad_norm": None}),
    "dropout": (EQUAL, PLAIN | {"dropout": 0.3}),
    "class weights": (EQUAL, PLAIN | {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}),
    "several labels": (TAGGED, CONVOLVED),
    "weights of labels": (TAGGED, PLAIN | {"class_weight": {0: 1.0, 2: 3.0}}),
    "sgd": (EQUAL, PLAIN | {"optimizer": "sgd", "lr_schedule": "exponential"}),
    "adamw": (EQUAL, PLAIN | {"optimizer": "adamw", "lr_schedule": "cosine"}),
    "early stopping": (RAGGED, PLAIN | {"early_stopping": True, "lr_schedule": "plateau"}),
}  # fmt: skip


TARGETS = np.array([x.mean() for x in RAGGED[0]])
# The same of a regressor.
NUMBERS = {
    "numbers": ((RAGGED[0], TARGETS), CONVOLVED),
    "quantiles": ((RAGGED[0], TARGETS), PLAIN | {"loss": "quantile", "l2": 1e-3}),
    "several numbers": (
        (EQUAL[0], np.stack([TARGETS, -TARGETS], axis=1)),
        PLAIN | {"loss": "huber", "mixup_alpha": 0.2},
    ),
    "numbers of static columns": ((STATIC[0], TARGETS), PLAIN | {"loss": "absolute_error"}),
}  # fmt: skip
EVERY_CASE = CASES | NUMBERS


def fit(case: str, **options: Any) -> Any:
    """Four epochs of a case, with these options."""
    (X, y), changes = EVERY_CASE[case]
    options = {"hidden_sizes": 4, "max_epochs": 4, "batch_size": 8, "random_state": 0} | options
    estimator = LSTMSequenceRegressor if case in NUMBERS else LSTMSequenceClassifier
    return estimator(**options | changes).fit(X, y)
