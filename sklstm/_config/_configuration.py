"""Resolved configurations of a network and of a training."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sklstm._config._options import ARCHITECTURE, MAY_BE_AUTO, NetworkOptions, Options


@dataclass(frozen=True, kw_only=True)
class Dimensions:
    """Dimensions of the data, which a network's follow from.

    Of token ids ``n_features`` is the embedding dimension. ``n_timesteps`` is the length of a
    typical training sequence, which the dilations of fixed convolutions follow from.
    ``n_categories`` are the numbers of categories of categorical features, which ``n_features``
    does not count. Of static columns there are ``n_static`` numbers and those of
    ``static_categories``.
    """

    n_features: int
    n_outputs: int
    n_timesteps: int = 1
    n_categories: tuple[int, ...] = ()
    n_static: int = 0
    static_categories: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NetworkConfiguration(Dimensions, NetworkOptions):
    """Configuration of a network.

    If ``vocabulary_size`` is None, inputs are measurements; otherwise they are token ids.
    """

    @property
    def has_static(self) -> bool:
        """Whether sequences have static columns."""
        return self.n_static > 0 or len(self.static_categories) > 0

    @property
    def reads_windows(self) -> bool:
        """Whether the network reads windows of fixed convolutions instead of the inputs."""
        return self.n_kernels > 0 and not self.conv_filters

    @property
    def has_tfidf(self) -> bool:
        """Whether there is a linear model of TF-IDF beside the network."""
        return self.tfidf and self.vocabulary_size is not None

    @property
    def n_inputs(self) -> int:
        """Number of input values per timestep."""
        return self.n_features * (2 if self.standardize == "both" else 1)

    def check_same(self, other: NetworkConfiguration) -> None:
        """Raise if further training asks for a different architecture."""
        for name in ("n_features", "n_outputs", *ARCHITECTURE):
            began, now = getattr(self, name), getattr(other, name)
            if began != now:
                raise ValueError(
                    f"Further training requires the same network: {name!r} was {began!r}, got"
                    f" {now!r}.\n\nSet it back, or train a new network: fit with"
                    " warm_start=False, or sklearn.base.clone."
                )


@dataclass(frozen=True, kw_only=True)
class Configuration(Dimensions, Options):
    """Configuration of a training: all options, none at "auto", and dimensions of the data.

    ``device`` is a torch.device; ``random_state`` is the seed.
    """

    @property
    def network(self) -> NetworkConfiguration:
        """Configuration of the network."""
        names = [f.name for f in fields(NetworkConfiguration)]
        return NetworkConfiguration(**{name: getattr(self, name) for name in names})

    @property
    def n_mixup_epochs(self) -> int:
        """Number of epochs with mixup: the first half. More raises the log-loss (ADR 37)."""
        return self.max_epochs // 2 if self.mixup_alpha > 0 else 0

    @property
    def resolved(self) -> dict[str, Any]:
        """Values of the parameters that may be "auto"."""
        return {name: getattr(self, name) for name in MAY_BE_AUTO} | {"device": str(self.device)}
