"""What a fitted estimator keeps, what it computes with that, and how it is pickled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklstm._batching._loader import HostSequences
from sklstm._batching._scaling import Scaling
from sklstm._sequences import Array
from sklstm._training._keeping import pack_state, unpack_state
from sklstm._training._memory import prediction_memory
from sklstm._training._modes import own_modes
from sklstm._training._net import SequenceNet
from sklstm._training._prediction import check_outputs, classify
from sklstm._training._specification import NetworkSpecification
from sklstm._training._threads import alone
from sklstm._training._torch_settings import own_settings
from sklstm._training._within import within
from sklstm._validation._features import check_next_X
from sklstm._validation._inputs import Inputs


class FittedNetwork(BaseEstimator):
    """The private half of an estimator that is a trained network."""

    mask_value: float | None
    net_: SequenceNet
    _scaling: Scaling | None
    _seed: int
    _network_specification: NetworkSpecification

    def _keep(self, fitted: dict[str, Any]) -> None:
        """Take these attributes in place of all that a fit may have set before."""
        # Columns may have had names before.
        kept = {name: value for name, value in vars(self).items() if name != "feature_names_in_"}
        # One assignment: an interruption finds all of it done or nothing.
        self.__dict__ = kept | fitted

    def _check_X(self, X: Any) -> Inputs:
        """X, which must have the features or the vocabulary that the estimator was fitted on."""
        network = self._network_specification
        return check_next_X(
            self,
            X,
            n_features=network.n_features,
            vocabulary_size=network.vocabulary_size,
            mask_value=self.mask_value,
        )

    def _logits(self, X: Any) -> Array:
        return self._compute(classify, X)

    def _compute(self, function: Callable[..., Array], X: Any) -> Array:
        """What the function gives for each sequence: one row of finite numbers."""
        check_is_fitted(self)
        contexts = [own_settings(), alone()]
        return within(contexts, lambda: self._compute_alone(function, X))

    def _compute_alone(self, function: Callable[..., Array], X: Any) -> Array:
        sequences, net = self._check_X(X).sequences, self.net_
        source = HostSequences(sequences, self._scaling, torch.device(net.device))
        with prediction_memory(self._network_specification, sequences, net.device):
            return check_outputs(function(net.module_, source), sequences)

    def __getstate__(self) -> dict[str, Any]:
        return pack_state(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        contexts = [own_settings(), own_modes(gradients=True), alone()]
        super().__setstate__(within(contexts, lambda: unpack_state(state)))
