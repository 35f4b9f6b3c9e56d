"""sklstm: LSTM classification and regression of sequences, as scikit-learn estimators."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklstm._classifier import LSTMSequenceClassifier
    from sklstm._persistence._model import load_model, save_model
    from sklstm._persistence._model_card import model_card
    from sklstm._persistence._skops import SKOPS_TRUSTED
    from sklstm._regressor import LSTMSequenceRegressor
    from sklstm._scoring._scorer import BatchScorer, predict_batches

__version__ = "0.1.0"

__all__ = [
    "SKOPS_TRUSTED",
    "BatchScorer",
    "LSTMSequenceClassifier",
    "LSTMSequenceRegressor",
    "__version__",
    "datasets",
    "distributed",
    "exceptions",
    "export",
    "inspection",
    "load_model",
    "model_card",
    "model_selection",
    "nn",
    "predict_batches",
    "preprocessing",
    "save_model",
    "streaming",
]

_HOMES = {
    "BatchScorer": "sklstm._scoring._scorer",
    "SKOPS_TRUSTED": "sklstm._persistence._skops",
    "LSTMSequenceClassifier": "sklstm._classifier",
    "LSTMSequenceRegressor": "sklstm._regressor",
    "load_model": "sklstm._persistence._model",
    "model_card": "sklstm._persistence._model_card",
    "predict_batches": "sklstm._scoring._scorer",
    "save_model": "sklstm._persistence._model",
}


def __getattr__(name: str) -> Any:
    # Lazily, so that the import of a part that needs no torch does not pay for torch.
    if name not in __all__:
        raise AttributeError(f"module 'sklstm' has no attribute {name!r}")
    home = _import(_HOMES.get(name, f"sklstm.{name}"))
    return getattr(home, name) if name in _HOMES else home


def _import(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except AttributeError as error:
        # Raised by a package that does not fit another one. Python would take it for the answer
        # that this package has no such name.
        raise ImportError(f"{module} cannot be imported: {error}") from error


def __dir__() -> list[str]:
    return sorted(__all__)
