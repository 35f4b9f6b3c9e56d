"""sklstm: LSTM classification of sequences, as a scikit-learn estimator."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklstm._classifier import LSTMSequenceClassifier
    from sklstm._persistence._model import load_model, save_model

__version__ = "0.1.0.dev0"

__all__ = [
    "LSTMSequenceClassifier",
    "__version__",
    "datasets",
    "exceptions",
    "load_model",
    "model_selection",
    "nn",
    "preprocessing",
    "save_model",
]

_HOMES = {
    "LSTMSequenceClassifier": "sklstm._classifier",
    "load_model": "sklstm._persistence._model",
    "save_model": "sklstm._persistence._model",
}


def __getattr__(name: str) -> Any:
    # Lazily, so that the import of a part that needs no torch does not pay for torch.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in __all__:
        return importlib.import_module(f"sklstm.{name}")
    raise AttributeError(f"module 'sklstm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
