"""Constructor parameters and facts of the data -> everything resolved, nothing "auto" or None."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from sklstm._batching._parts import Cost
from sklstm._sequences import Array, Sequences
from sklstm._training._auto import is_auto, resolve_auto
from sklstm._training._callbacks import sets_learning_rate
from sklstm._training._device import resolve_device, resolve_precision
from sklstm._training._optimizers import resolve_optimizer
from sklstm._validation._forms import as_host
from sklstm._validation._parameters import as_sizes
from sklstm.nn import SequenceNetwork
from sklstm.nn._embedding import build_embedding


@dataclass(frozen=True)
class NetworkSpecification:
    """What determines the shapes of all weights, and the arithmetic around them.

    ``vocabulary_size`` None says that inputs are measurements; otherwise they are token ids and
    ``n_features`` is the width of their vectors.
    """

    n_features: int
    n_classes: int
    hidden_sizes: tuple[int, ...]
    bidirectional: bool
    pooling: str
    dense_sizes: tuple[int, ...]
    dropout: float
    recurrent_dropout: float
    vocabulary_size: int | None = None
    embedding_dropout: float = 0.0
    freeze_embedding: bool = False
    precision: str = "float32"
    conv_filters: tuple[int, ...] = ()
    conv_kernel_sizes: tuple[int, ...] = ()
    conv_dilations: tuple[int, ...] = ()
    conv_stride: int | None = None
    squeeze_excite: bool = False
    auxiliary_heads: bool = False
    patch_size: int = 1
    standardize: bool | str = True

    @property
    def n_inputs(self) -> int:
        """Values that the network is given for a timestep."""
        return self.n_features * (2 if self.standardize == "both" else 1)

    def build(self, embedding_weights: Array | None = None) -> SequenceNetwork:
        """A network with new weights, but for those of the embedding if they are given."""
        options = asdict(self)
        vocabulary_size, freeze = options.pop("vocabulary_size"), options.pop("freeze_embedding")
        del options["standardize"]
        embedding = None
        if vocabulary_size is not None:
            weights = None if embedding_weights is None else torch.from_numpy(embedding_weights)
            embedding = build_embedding(vocabulary_size, self.n_features, weights, freeze=freeze)
        # float32 also where torch's default is another.
        options["n_features"] = self.n_inputs
        return SequenceNetwork(**options, embedding=embedding).float()

    def cost(self) -> Cost:
        """What a timestep costs, a share of its patch.

        With convolutions no batch is cut for speed, as their normalisation is by part, and they are
        computed beside the LSTM layers. Long sequences among short ones are cut off all the same.
        """
        directions = 2 if self.bidirectional else 1
        # Four gates, cell and state, and as much again for their gradients, in float32.
        bytes_kept = directions * sum(48 * size for size in self.hidden_sizes)
        if self.conv_filters:
            # What is convolved, normalised and rectified, and its gradients.
            pool_size = self.patch_size // (self.conv_stride or self.patch_size)
            bytes_kept += sum(24 * size for size in self.conv_filters)
            bytes_kept += 24 * self.conv_filters[0] * (pool_size - 1)
            return Cost(0, widest=1, bytes=-(-bytes_kept // self.patch_size))
        widths_in = [
            self.n_inputs * self.patch_size,
            *(directions * size for size in self.hidden_sizes[:-1]),
        ]
        layers = zip(widths_in, self.hidden_sizes, strict=True)
        multiplications = [4 * size * (n + size) for n, size in layers]
        return Cost(
            multiplications=directions * sum(multiplications) // self.patch_size,
            widest=max(multiplications),
            bytes=-(-bytes_kept // self.patch_size),
        )

    def check_same(self, other: NetworkSpecification) -> None:
        """Raise if a training that began with this network is to go on with another."""
        for name in _WHAT_SHAPES_WEIGHTS:
            began, now = getattr(self, name), getattr(other, name)
            if began != now:
                raise ValueError(
                    "Training cannot go on with another network:"
                    f" {_ASKED_FOR.get(name, name)!r} was {began!r} when it began and is {now!r}"
                    " now.\n\nSet it back, or begin anew: fit with warm_start=False, or"
                    " sklearn.base.clone."
                )


_WHAT_SHAPES_WEIGHTS = (
    "n_features",
    "n_classes",
    "hidden_sizes",
    "bidirectional",
    "pooling",
    "dense_sizes",
    "vocabulary_size",
    "conv_filters",
    "conv_kernel_sizes",
    "conv_dilations",
    "conv_stride",
    "squeeze_excite",
    "auxiliary_heads",
    "patch_size",
    "standardize",
)
# In the user's words, where these are others.
_ASKED_FOR = {"auxiliary_heads": "auxiliary_loss > 0"}


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
    mixup_alpha: float
    auxiliary_loss: float
    l1: float
    l2: float
    max_grad_norm: float | None
    batch_size: int
    max_epochs: int
    early_stopping: bool
    validation_part: str
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    scoring: str | Callable[..., float]
    refit: bool
    device: torch.device
    seed: int
    verbose: int
    callbacks: tuple[Any, ...] = ()
    embedding_weights: Array | None = field(default=None, compare=False)

    @property
    def n_mixed_epochs(self) -> int:
        """Epochs at the beginning in which sequences are mixed: half of them, under mixup."""
        return self.max_epochs // 2 if self.mixup_alpha > 0 else 0

    @property
    def resolved(self) -> dict[str, Any]:
        """What the parameters that may be "auto" are."""
        network = self.network
        return {
            "standardize": network.standardize,
            "patch_size": network.patch_size,
            "conv_filters": network.conv_filters,
            "conv_kernel_sizes": network.conv_kernel_sizes,
            "conv_dilations": network.conv_dilations,
            "conv_stride": network.conv_stride,
            "batch_size": self.batch_size,
            "max_epochs": self.max_epochs,
            "device": str(self.device),
            "precision": network.precision,
        }


def specify(
    parameters: Mapping[str, Any],
    sequences: Sequences,
    *,
    n_classes: int,
    seed: int,
    vocabulary_size: int | None = None,
    previous: NetworkSpecification | None = None,
) -> Specification:
    """The specification of a training with these checked parameters on such data.

    ``vocabulary_size`` is that of token ids; None says that the data are measurements. A training
    that goes on leaves the ``previous`` network as it is, where the parameters do not ask for
    another.
    """
    if previous is not None:
        kept = [name for name in _WHAT_SHAPES_WEIGHTS if is_auto(parameters.get(name))]
        parameters = {**parameters, **{name: getattr(previous, name) for name in kept}}
    resolved = resolve_auto(parameters, sequences)
    n_features, embedding_weights = sequences.n_features, parameters["embedding_weights"]
    if vocabulary_size is not None:
        n_features = parameters["embedding_dim"] or np.shape(embedding_weights)[1]
    optimizer, options, default_decay = resolve_optimizer(parameters["optimizer"])
    weight_decay, callbacks = parameters["weight_decay"], tuple(parameters["callbacks"] or ())
    device = resolve_device(parameters["device"])
    hidden_sizes = as_sizes(parameters["hidden_sizes"])
    has_convolutions = len(resolved["conv_filters"]) > 0
    return Specification(
        network=NetworkSpecification(
            n_features=n_features,
            n_classes=n_classes,
            hidden_sizes=hidden_sizes,
            bidirectional=bool(parameters["bidirectional"]),
            pooling=parameters["pooling"],
            dense_sizes=as_sizes(parameters["dense_sizes"]),
            standardize=resolved["standardize"],
            patch_size=resolved["patch_size"],
            conv_filters=resolved["conv_filters"],
            conv_kernel_sizes=resolved["conv_kernel_sizes"],
            conv_dilations=resolved["conv_dilations"],
            conv_stride=resolved["conv_stride"],
            squeeze_excite=bool(parameters["squeeze_excite"]) and has_convolutions,
            auxiliary_heads=parameters["auxiliary_loss"] > 0 and has_convolutions,
            dropout=float(parameters["dropout"]),
            recurrent_dropout=float(parameters["recurrent_dropout"]),
            vocabulary_size=vocabulary_size,
            embedding_dropout=float(parameters["embedding_dropout"]),
            freeze_embedding=bool(parameters["freeze_embedding"]),
            precision=resolve_precision(parameters["precision"], device, hidden_sizes),
        ),
        embedding_weights=(
            None
            if embedding_weights is None
            else np.array(as_host(embedding_weights), dtype=np.float32)
        ),
        optimizer=optimizer,
        optimizer_options=options,
        weight_decay=default_decay if weight_decay is None else float(weight_decay),
        device=device,
        seed=seed,
        # A scheduler among the callbacks decides alone.
        lr_schedule=None if sets_learning_rate(callbacks) else parameters["lr_schedule"],
        callbacks=callbacks,
        verbose=int(parameters["verbose"]),
        batch_size=resolved["batch_size"],
        max_epochs=resolved["max_epochs"],
        **{name: parameters[name] for name in _TAKEN_AS_THEY_ARE},
    )


_TAKEN_AS_THEY_ARE = (
    "learning_rate",
    "label_smoothing",
    "mixup_alpha",
    "auxiliary_loss",
    "l1",
    "l2",
    "max_grad_norm",
    "early_stopping",
    "validation_part",
    "validation_fraction",
    "n_iter_no_change",
    "tol",
    "scoring",
    "refit",
)
