"""Constructor parameters and facts of the data -> everything resolved, nothing "auto" or None."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from sklstm._training._device import resolve_device
from sklstm._training._optimizers import resolve_optimizer
from sklstm._validation._parameters import as_sizes
from sklstm.nn import SequenceNetwork


@dataclass(frozen=True)
class NetworkSpecification:
    """What determines the shapes of all weights, and the arithmetic around them."""

    n_features: int
    n_classes: int
    hidden_sizes: tuple[int, ...]
    bidirectional: bool
    pooling: str
    dense_sizes: tuple[int, ...]
    dropout: float
    recurrent_dropout: float

    def build(self) -> SequenceNetwork:
        """A network with new weights."""
        return SequenceNetwork(**asdict(self))

    def check_same(self, other: NetworkSpecification) -> None:
        """Raise if a training that began with this network is to go on with another."""
        began, now = asdict(self), asdict(other)
        for name in began:
            if began[name] != now[name]:
                raise ValueError(
                    f"Training cannot go on with another network: {name!r} was {began[name]!r} when"
                    f" it began and is {now[name]!r} now.\n\nSet it back, or begin anew: fit with"
                    " warm_start=False, or sklearn.base.clone."
                )


@dataclass(frozen=True)
class Specification:
    """One training, completely."""

    network: NetworkSpecification
    optimizer: Callable[..., torch.optim.Optimizer]
    optimizer_options: Mapping[str, Any]
    learning_rate: float
    lr_schedule: str | None
    weight_decay: float
    label_smoothing: float
    l1: float
    l2: float
    max_grad_norm: float | None
    batch_size: int
    max_epochs: int
    n_iter_no_change: int
    tol: float
    scoring: str | Callable[..., float]
    device: torch.device
    seed: int
    verbose: int
    callbacks: tuple[Any, ...] = field(default=())


def specify(
    parameters: Mapping[str, Any], *, n_features: int, n_classes: int, seed: int
) -> Specification:
    """The specification of a training with these checked parameters on such data."""
    optimizer, options, default_decay = resolve_optimizer(parameters["optimizer"])
    weight_decay = parameters["weight_decay"]
    return Specification(
        network=NetworkSpecification(
            n_features=n_features,
            n_classes=n_classes,
            hidden_sizes=as_sizes(parameters["hidden_sizes"]),
            bidirectional=bool(parameters["bidirectional"]),
            pooling=parameters["pooling"],
            dense_sizes=as_sizes(parameters["dense_sizes"]),
            dropout=float(parameters["dropout"]),
            recurrent_dropout=float(parameters["recurrent_dropout"]),
        ),
        optimizer=optimizer,
        optimizer_options=options,
        weight_decay=default_decay if weight_decay is None else float(weight_decay),
        device=resolve_device(parameters["device"]),
        seed=seed,
        callbacks=tuple(parameters["callbacks"] or ()),
        verbose=int(parameters["verbose"]),
        **{name: parameters[name] for name in _TAKEN_AS_THEY_ARE},
    )


_TAKEN_AS_THEY_ARE = (
    "learning_rate",
    "lr_schedule",
    "label_smoothing",
    "l1",
    "l2",
    "max_grad_norm",
    "batch_size",
    "max_epochs",
    "n_iter_no_change",
    "tol",
    "scoring",
)
