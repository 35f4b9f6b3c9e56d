"""Parameter names of other libraries, and their equivalents here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar

from sklstm._config._options import OPTIONS

P = ParamSpec("P")
T = TypeVar("T")

# Similar spellings, such as hidden_size, are found by difflib.
EQUIVALENTS = {
    "epochs": "max_epochs",
    "n_epochs": "max_epochs",
    "num_epochs": "max_epochs",
    "max_iter": "max_epochs",
    "units": "hidden_sizes",
    "n_units": "hidden_sizes",
    "hidden_dim": "hidden_sizes",
    "hidden_layer_sizes": "hidden_sizes",
    "lr": "learning_rate",
    "learning_rate_init": "learning_rate",
    "patience": "n_iter_no_change",
    "eval_steps": "validation_interval",
    "val_check_interval": "validation_interval",
    "validation_freq": "validation_interval",
    "save_steps": "checkpoint_interval",
    "save_freq": "checkpoint_interval",
    "every_n_train_steps": "checkpoint_interval",
    "min_delta": "tol",
    "metric": "scoring",
    "metrics": "scoring",
    "monitor": "scoring",
    "seed": "random_state",
}
VALIDATION_DATA = "Call fit(X, y, X_val=..., y_val=...)."
LAYERS = "Set hidden_sizes=(64, 64) in the constructor: one width for each layer."
REMEDIES = {
    "validation_data": VALIDATION_DATA,
    "eval_set": VALIDATION_DATA,
    "X_val": VALIDATION_DATA,
    "y_val": VALIDATION_DATA,
    "validation_split": "Set early_stopping=True, validation_fraction=... in the constructor.",
    "recurrent_dropout": (
        "There is no dropout of states. Set dropout=... in the constructor: it acts between layers."
    ),
    "n_layers": LAYERS,
    "num_layers": LAYERS,
}


def translates_names(method: Callable[P, T]) -> Callable[P, T]:
    """Wrap a method so that its error for an unknown keyword suggests the equivalent here."""
    accepted = [name for name in signature(method).parameters if name != "self"]

    @wraps(method)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        unknown = [name for name in kwargs if name not in accepted]
        if unknown:
            function = type(args[0]).__name__
            options = accepted
            if method.__name__ != "__init__":
                function += f".{method.__name__}"
                options = [*accepted, *OPTIONS]
            raise TypeError(
                f"{function}() got an unexpected keyword argument {unknown[0]!r}."
                f"{_remedy(unknown[0], accepted, options)}"
            )
        return method(*args, **kwargs)

    return checked


def _remedy(name: str, accepted: Sequence[str], options: Sequence[str]) -> str:
    """Remedy for an unknown name, or ""; those of ``options`` not accepted are constructor's."""
    if name in REMEDIES:
        return f"\n\n{REMEDIES[name]}"
    choices = list(dict.fromkeys(options))
    close = difflib.get_close_matches(EQUIVALENTS.get(name, name), choices, n=1)
    if not close:
        return ""
    if close[0] in accepted:
        return f"\n\nDid you mean {close[0]!r}?"
    return f"\n\nSet {close[0]}=... in the constructor."
