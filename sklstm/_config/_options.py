"""All options, each declared once: default, constraints, type and role.

Except for the signature and the docstring of an estimator, everything derives from these fields:
parameter validation, which options may be "auto", arguments of the network, the architecture that
further training cannot change, and the checks of model files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from numbers import Integral, Real
from typing import Any, Self

from sklstm._compat._sklearn import Interval, StrOptions
from sklstm._sequences import Array

FRACTION = Interval(Real, 0, 1, closed="left")
NON_NEGATIVE = Interval(Real, 0, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
AT_LEAST_ONE = Interval(Integral, 1, None, closed="left")
SIZES = (AT_LEAST_ONE, list, tuple)
AUTO = StrOptions({"auto"})
# "loss", the name of a scorer or a scorer; several by name.
Scorer = str | Callable[..., float]
Scoring = Scorer | Sequence[str] | Mapping[str, Scorer]


def option(
    default: Any,
    *accepts: Any,
    convert: Callable[[Any], Any] | None = None,
    shapes_weights: bool = False,
    is_of_run: bool = False,
    neutral: Sequence[Any] | None = None,
) -> Any:
    """Declare an option as a dataclass field.

    Parameters
    ----------
    default : object
        Default, also of the constructor parameter.
    *accepts : object
        scikit-learn's constraints on the parameter; none if it is checked elsewhere.
    convert : callable, default=None
        Converter to the field's type; "auto" and None are not converted.
    shapes_weights : bool, default=False
        Whether it is part of the architecture, which further training cannot change.
    is_of_run : bool, default=False
        Whether it belongs to the machine and the run rather than to the model.
    neutral : sequence, default=None
        Values without a warning where the option has no effect; None: only the default.
    """
    metadata = {
        "accepts": list(accepts) or "no_validation",
        "convert": convert,
        "shapes_weights": shapes_weights,
        "is_of_run": is_of_run,
        "neutral": (default,) if neutral is None else tuple(neutral),
    }
    return field(default=default, metadata=metadata)


def as_sizes(sizes: Any) -> tuple[int, ...]:
    """Convert an int or a sequence of ints to a tuple of ints."""
    if isinstance(sizes, Integral):
        return (int(sizes),)
    return tuple(int(size) for size in sizes)


def as_fractions(values: Any) -> tuple[float, ...]:
    """Convert a sequence of numbers to a tuple of floats."""
    return tuple(float(value) for value in values)


def as_bool(value: Any) -> bool | str:
    """Convert a boolean of any type to bool; keep strings."""
    return value if isinstance(value, str) else bool(value)


# Types are those of a resolved configuration; before, an option may be "auto".


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Options of the network and its inputs."""

    hidden_sizes: tuple[int, ...] = option(64, *SIZES, convert=as_sizes, shapes_weights=True)
    bidirectional: bool = option(True, "boolean", convert=bool, shapes_weights=True)
    pooling: str = option(
        "max", StrOptions({"attention", "last", "max", "mean"}), shapes_weights=True
    )
    patch_size: int = option("auto", AT_LEAST_ONE, AUTO, convert=int, shapes_weights=True)
    conv_filters: tuple[int, ...] = option(
        "auto", *SIZES, AUTO, convert=as_sizes, shapes_weights=True
    )
    n_kernels: int = option(
        "auto", Interval(Integral, 0, None, closed="left"), AUTO, convert=int, shapes_weights=True
    )
    dense_sizes: tuple[int, ...] = option((), *SIZES, convert=as_sizes, shapes_weights=True)
    dropout: float = option(0.0, FRACTION, convert=float)
    vocabulary_size: int | None = option(
        None, Interval(Integral, 2, None, closed="left"), None, convert=int, shapes_weights=True
    )
    freeze_embedding: bool = option(False, "boolean", convert=bool)
    tfidf: bool = option(True, "boolean", convert=bool, shapes_weights=True)
    standardize: bool | str = option(
        "auto",
        "boolean",
        StrOptions({"auto", "both", "sequence"}),
        convert=as_bool,
        shapes_weights=True,
    )
    precision: str = option("float32", StrOptions({"auto", "bfloat16", "float32", "tf32"}))


@dataclass(frozen=True, kw_only=True)
class Options(NetworkOptions):
    """All options of a fit, by the names of the constructor parameters."""

    embedding_dim: int | None = option(None, AT_LEAST_ONE, None, convert=int)
    embedding_weights: Array | None = option(None, "array-like", None)
    # 0 is neutral, since it is the padding of token ids.
    mask_value: float | None = option(None, Real, None, neutral=(None, 0))
    class_weight: Mapping[Any, float] | Sequence[Mapping[Any, float]] | str | None = option(
        None, dict, list, StrOptions({"balanced"}), None
    )
    loss: str = option(
        "squared_error",
        StrOptions({"absolute_error", "huber", "quantile", "squared_error"}),
        neutral=("squared_error",),
    )
    quantiles: tuple[float, ...] = option((0.05, 0.5, 0.95), list, tuple, convert=as_fractions)
    mixup_alpha: float = option(0.2, NON_NEGATIVE)
    l1: float = option(0.0, NON_NEGATIVE)
    l2: float = option(0.0, NON_NEGATIVE)
    optimizer: str | Callable[..., Any] = option(
        "adam", StrOptions({"adam", "adamw", "rmsprop", "sgd"}), callable
    )
    learning_rate: float = option(0.005, POSITIVE)
    # The default is not neutral: a user's scheduler replaces it.
    lr_schedule: str | None = option(
        "one_cycle",
        StrOptions({"cosine", "exponential", "one_cycle", "plateau"}),
        None,
        neutral=(None,),
    )
    max_grad_norm: float | None = option(1.0, POSITIVE, None)
    batch_size: int = option("auto", AT_LEAST_ONE, AUTO, convert=int)
    max_epochs: int = option("auto", AT_LEAST_ONE, AUTO, convert=int)
    max_time: float | None = option(None, POSITIVE, None, convert=float, is_of_run=True)
    early_stopping: bool | str = option(False, "boolean", StrOptions({"last"}), convert=as_bool)
    validation_fraction: float = option(0.1, Interval(Real, 0, 1, closed="neither"))
    validation_interval: int | None = option(None, AT_LEAST_ONE, None, convert=int)
    n_iter_no_change: int = option(10, AT_LEAST_ONE)
    tol: float = option(1e-4, NON_NEGATIVE)
    scoring: Scoring = option("loss", str, callable, list, tuple, dict)
    return_train_score: bool = option(False, "boolean", convert=bool)
    device: Any = option("cpu", is_of_run=True)
    warm_start: bool = option(False, "boolean", convert=bool)
    checkpoint: str | os.PathLike[str] | None = option(None, str, os.PathLike, None, is_of_run=True)
    checkpoint_interval: int | None = option(None, AT_LEAST_ONE, None, convert=int, is_of_run=True)
    callbacks: Sequence[Any] | None = option(None, list, tuple, None, is_of_run=True)
    random_state: Any = option(None, "random_state")
    verbose: int = option(0, "verbose", convert=int, is_of_run=True)

    @classmethod
    def of(cls, estimator: Any, **changes: Any) -> Self:
        """Options of an estimator with checked parameters, of which it may have fewer."""
        given = {f.name: getattr(estimator, f.name, f.default) for f in fields(cls)} | changes
        return cls(**{f.name: _converted(given[f.name], f.metadata) for f in fields(cls)})

    @property
    def takes_tokens(self) -> bool:
        """Whether X is token ids instead of measurements."""
        return self.embedding_dim is not None or self.embedding_weights is not None

    @property
    def given_vocabulary_size(self) -> int | None:
        """Vocabulary size as the user has set it, directly or by the embedding weights."""
        if self.vocabulary_size is None and self.embedding_weights is not None:
            return len(self.embedding_weights)
        return self.vocabulary_size


def _converted(value: Any, metadata: Mapping[str, Any]) -> Any:
    convert = metadata["convert"]
    return value if convert is None or value is None or is_auto(value) else convert(value)


def is_auto(value: Any) -> bool:
    """Whether a value is "auto"; arrays are not."""
    return isinstance(value, str) and value == "auto"


def choices(accepts: Any) -> list[str]:
    """Sorted strings that the constraints of an option accept."""
    return sorted(chain.from_iterable(c.options for c in accepts if isinstance(c, StrOptions)))


OPTIONS = {f.name: f for f in fields(Options)}
PARAMETER_CONSTRAINTS: dict[str, Any] = {n: f.metadata["accepts"] for n, f in OPTIONS.items()}
CHOICES = {name: choices(accepts) for name, accepts in PARAMETER_CONSTRAINTS.items()}
ARCHITECTURE = [name for name, f in OPTIONS.items() if f.metadata["shapes_weights"]]
OF_RUN = frozenset(name for name, f in OPTIONS.items() if f.metadata["is_of_run"])
# "device" is checked by resolve_device, hence without constraints.
MAY_BE_AUTO = [name for name, options in CHOICES.items() if "auto" in options] + ["device"]
