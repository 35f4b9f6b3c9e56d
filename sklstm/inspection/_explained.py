"""Fitted models as they are explained: steps, estimator and network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from sklstm._base import BaseSequenceEstimator, Fitted, fitted_of
from sklstm._batching._loader import HostSequences
from sklstm._data._memory import prediction_memory
from sklstm._models import split_model
from sklstm._runtime._modes import own_modes
from sklstm._runtime._threads import single_threaded
from sklstm._runtime._torch_settings import prediction_settings
from sklstm._runtime._within import within
from sklstm._sequences import Array, IntArray, Sequences, in_memory
from sklstm.nn import SequenceNetwork
from sklstm.nn._ensemble import Ensemble, network_of
from sklstm.preprocessing._base import SequenceTransformer, widths_of
from sklstm.preprocessing._imputer import SequenceImputer
from sklstm.preprocessing._scaler import SequenceScaler
from sklstm.preprocessing._tokens import TokenEncoder, tokens_of

T = TypeVar("T")
# Steps whose channels at a timestep belong to the features at the same timestep.
ELEMENTWISE = (SequenceScaler, SequenceImputer)


@dataclass(frozen=True, eq=False)
class Explained:
    """A fitted estimator, and the steps of a pipeline before it.

    Attributes
    ----------
    estimator : BaseSequenceEstimator
    steps : tuple of SequenceTransformer
    encoder : TokenEncoder or None
    """

    estimator: BaseSequenceEstimator
    steps: tuple[SequenceTransformer, ...] = ()
    encoder: TokenEncoder | None = None

    @cached_property
    def fitted(self) -> Fitted:
        """The parts of the estimator."""
        return fitted_of(self.estimator)

    @property
    def name(self) -> str:
        """Class of the estimator."""
        return type(self.estimator).__name__

    @property
    def module(self) -> SequenceNetwork | Ensemble:
        """The network, in an ensemble or alone."""
        module: SequenceNetwork | Ensemble = self.estimator.net_.module_
        # Only if needed, as in predictions.
        if module.training:
            module.eval()
        return module

    @property
    def network(self) -> SequenceNetwork:
        """The network that is trained by gradients."""
        return network_of(self.module)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return torch.device(self.estimator.net_.device)

    @property
    def takes_tokens(self) -> bool:
        """Whether sequences are token ids."""
        return self.fitted.schema.vocabulary_size is not None

    def transform(self, X: Any) -> Any:
        """X as the estimator takes it."""
        if self.encoder is not None:
            X = self.encoder.transform(X)
        for step in self.steps:
            X = step.transform(X)
        return X

    def read(self, X: Any, *, input_name: str = "X") -> Sequences:
        """Validated sequences of what the estimator takes."""
        inputs = self.fitted.schema.check_X(
            X, mask_value=self.estimator.mask_value, estimator=self.name, input_name=input_name
        )
        return in_memory(inputs.sequences)

    def source(self, sequences: Sequences) -> HostSequences:
        """The sequences, from which batches as the network reads them are made."""
        return HostSequences(sequences, self.estimator.net_.reader.scaling, self.device)

    def words(self, X: Any) -> list[list[str]] | None:
        """The tokens of texts."""
        return None if self.encoder is None else tokens_of(self.encoder, X)

    @property
    def n_features(self) -> int:
        """Number of features of a timestep as the user gives it; categories count."""
        if self.takes_tokens:
            return 1
        return widths_of(self.steps[0])[0] if self.steps else self.n_columns

    @property
    def n_columns(self) -> int:
        """Number of features of a timestep as the estimator takes it."""
        schema = self.fitted.schema
        return schema.n_features + len(schema.categories)

    @property
    def feature_names(self) -> list[str] | None:
        """Names of the features as the user gives them, if they have such."""
        if self.steps:
            first = self.steps[0]
            has_names = hasattr(first, "feature_names_in_") and first.n_features_in_ == (
                self.n_features
            )
            return list(first.feature_names_in_) if has_names else None
        schema = self.fitted.schema
        names = None if schema.static is None else schema.static.features
        if schema.static is None and schema.names is not None and schema.n_columns is None:
            names = tuple(schema.names)
        return None if names is None or self.takes_tokens else list(names)

    @property
    def static_names(self) -> list[str] | None:
        """Names of the static columns, those of numbers first; None if there are none."""
        static = self.fitted.schema.static
        if static is None or not self.fitted.network.has_static:
            return None
        return [*static.numbers, *static.categories]

    def owners(self) -> IntArray:
        """The feature that each number of a timestep, as the network reads it, belongs to."""
        schema, network = self.fitted.schema, self.fitted.network
        places = np.arange(self.n_columns)
        if schema.categories:
            names = self.feature_names
            assert names is not None
            last = [names.index(name) for name in schema.categories]
            places = np.array([*(i for i in places if i not in last), *last])
        numbers, codes = np.split(places, [schema.n_features])
        copies = 2 if network.standardize == "both" else 1
        owners: IntArray = np.concatenate([np.tile(numbers, copies), codes])
        for step in reversed(self.steps):
            # The channels of an imputer are in blocks, each of all features.
            owners = owners % widths_of(step)[0]
        return owners

    def compute(self, work: Callable[[], T], sequences: Sequences) -> T:
        """Result of ``work`` under the settings of a prediction, but with gradients."""
        network = self.fitted.network
        settings = prediction_settings(self.device, network.precision)
        contexts = [settings, single_threaded(), own_modes(gradients=True)]

        def limited() -> T:
            with prediction_memory(network, sequences, str(self.device)):
                return work()

        return within(contexts, limited)


def read_model(model: Any, caller: str) -> Explained:
    """Steps and estimator of a fitted model; TypeError or ValueError if it has others."""
    steps, estimator = split_model(model, caller)
    check_is_fitted(estimator)
    _check_steps(steps, caller)
    transformers = [step for _, step in steps]
    if transformers and isinstance(transformers[0], TokenEncoder):
        return Explained(estimator, tuple(transformers[1:]), transformers[0])
    return Explained(estimator, tuple(transformers))


def _check_steps(steps: Sequence[tuple[str, Any]], caller: str) -> None:
    """Raise for a step that mixes timesteps or features."""
    for index, (name, step) in enumerate(steps):
        is_encoder = isinstance(step, TokenEncoder) and index == 0
        if not isinstance(step, ELEMENTWISE) and not is_encoder:
            raise ValueError(
                f"{caller} takes pipelines of SequenceScaler, SequenceImputer and TokenEncoder,"
                f" whose results belong to a timestep and a feature each. Step {name!r} is an"
                f" instance of {type(step).__name__}.\n\nExplain what comes behind it, such as"
                f" {caller}(pipeline[{index + 1}:], X_transformed), and transform X by the steps"
                " before."
            )
        check_is_fitted(step)


def as_given(explained: Explained, arrays: Sequence[Array], X: Any) -> list[Array]:
    """The arrays with as many timesteps as the items of X have, 0 where those are padding."""
    lengths = [None] * len(arrays) if explained.encoder else _given_lengths(X, len(arrays))
    result = []
    for array, length in zip(arrays, lengths, strict=True):
        missing = 0 if length is None else max(0, length - len(array))
        result.append(np.pad(array, [(0, missing), *[(0, 0)] * (array.ndim - 1)]))
    return result


def _given_lengths(X: Any, n: int) -> list[int | None]:
    """Number of timesteps of each item of X, padding included; None where it is not known."""
    shape: Any = getattr(X, "shape", ())
    if len(shape) >= 2 and not hasattr(X, "columns"):
        return [int(shape[1])] * n
    if not isinstance(X, (list, tuple, np.ndarray)):
        return [None] * n
    return [len(x) if hasattr(x, "__len__") and not isinstance(x, dict) else None for x in X]
