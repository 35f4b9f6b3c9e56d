"""Options and facts of the data -> one training, completely."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sklstm._config._options import ARCHITECTURE, MAY_BE_AUTO, NetworkOptions, Options


@dataclass(frozen=True, kw_only=True)
class NetworkConfiguration(NetworkOptions):
    """What a network is built from, and what comes into it.

    ``vocabulary_size`` None says that inputs are measurements; otherwise they are token ids and
    ``n_features`` is the width of their vectors.
    """

    n_features: int
    n_outputs: int

    @property
    def n_inputs(self) -> int:
        """Values that the network is given for a timestep."""
        return self.n_features * (2 if self.standardize == "both" else 1)

    def check_same(self, other: NetworkConfiguration) -> None:
        """Raise if a training that began with this network is to go on with another."""
        for name in ("n_features", "n_outputs", *ARCHITECTURE):
            began, now = getattr(self, name), getattr(other, name)
            if began != now:
                raise ValueError(
                    f"Further training requires the same network: {name!r} was {began!r}, got"
                    f" {now!r}.\n\nSet it back, or train a new network: fit with"
                    " warm_start=False, or sklearn.base.clone."
                )


@dataclass(frozen=True, kw_only=True)
class Configuration(Options):
    """All options with nothing left at "auto", and the facts of the data that a training needs.

    ``device`` is a torch.device; ``random_state`` is the seed of the training.
    """

    n_features: int
    n_outputs: int

    @property
    def network(self) -> NetworkConfiguration:
        """What the network depends on."""
        options = {f.name: getattr(self, f.name) for f in fields(NetworkOptions)}
        return NetworkConfiguration(
            **options,
            n_features=self.n_features,
            n_outputs=self.n_outputs,
        )

    @property
    def n_mixup_epochs(self) -> int:
        """Epochs at the beginning with mixup: half of them."""
        return self.max_epochs // 2 if self.mixup_alpha > 0 else 0

    @property
    def resolved(self) -> dict[str, Any]:
        """What the parameters that may be "auto" are."""
        return {name: getattr(self, name) for name in MAY_BE_AUTO} | {"device": str(self.device)}
