"""Fitted models: what a prediction after each timestep needs of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, TypeVar

import torch
from sklearn.utils.validation import check_is_fitted

from sklstm._base import BaseSequenceEstimator, fitted_of
from sklstm._batching._scaling import Scaling
from sklstm._models import split_model
from sklstm._runtime._modes import own_modes
from sklstm._runtime._threads import single_threaded
from sklstm._runtime._torch_settings import prediction_settings
from sklstm._runtime._within import within
from sklstm._sequences import Array
from sklstm._tasks._task import Task
from sklstm._validation._features import InputSchema
from sklstm.nn import ConvolutionEnsemble, SequenceNetwork
from sklstm.nn._ensemble import Ensemble, network_of
from sklstm.nn._network import lstm_takes_bfloat16
from sklstm.preprocessing import SequenceScaler
from sklstm.streaming._network import CausalNetwork
from sklstm.streaming._running import EXACT, build_running

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted estimator and the steps of a pipeline before it.

    Attributes
    ----------
    estimator : BaseSequenceEstimator
    steps : list of SequenceScaler
    name : str
        Class of the estimator.
    schema, timestep_schema : InputSchema
        What X must be like, and what timesteps must be like, which have no static columns.
    module : SequenceNetwork or Ensemble
    scaling : Scaling or None
    task : Task
    device : torch.device
    """

    estimator: BaseSequenceEstimator
    steps: list[SequenceScaler]
    name: str
    schema: InputSchema
    timestep_schema: InputSchema
    module: SequenceNetwork | Ensemble
    scaling: Scaling | None
    task: Task
    device: torch.device

    def transform(self, X: Any) -> Any:
        """X behind the steps of the pipeline."""
        return reduce(lambda given, step: step.transform(given), self.steps, X)

    def predict(self, outputs: Array) -> Array:
        """Probabilities of a classifier's outputs (n, n_outputs), or a regressor's numbers."""
        predictor = self.task.predictor(outputs)
        numbers = self.task.predicts_numbers
        predictions: Array = predictor.predict() if numbers else predictor.predict_proba()
        return predictions

    def compute(self, work: Callable[[], T]) -> T:
        """Result of ``work`` under the settings of a prediction."""
        settings = prediction_settings(self.device, self.network.precision)
        return within([settings, single_threaded(), own_modes(gradients=False)], work)

    @property
    def network(self) -> SequenceNetwork:
        """The network, without a linear model beside it."""
        return network_of(self.module)

    def causal_network(self, *, exactly: bool = True) -> CausalNetwork | None:
        """The network as one that reads timestep by timestep; None if it cannot.

        ``exactly`` excludes what would differ from the network of whole sequences in rounding.
        """
        if missing_settings(self, exactly=exactly):
            return None
        width = self.network.encoder.output_size
        running = build_running(self.network.pooling, width)
        return None if running is None else CausalNetwork(self.network, running)


def read_model(model: Any, caller: str) -> Model:
    """What a fitted estimator or pipeline is made of; TypeError if it is neither."""
    steps, estimator = split_model(model, caller)
    check_is_fitted(estimator)
    net, schema = estimator.net_, fitted_of(estimator).schema
    module: SequenceNetwork | Ensemble = net.module_
    # Only if needed, as in predictions.
    if module.training:
        module.eval()
    return Model(
        estimator,
        _check_steps(steps),
        type(estimator).__name__,
        schema,
        replace(schema, static=None),
        module,
        net.reader.scaling,
        net.task,
        torch.device(net.device),
    )


def _check_steps(steps: Sequence[tuple[str, Any]]) -> list[SequenceScaler]:
    """The transformers before an estimator, each of which must treat timesteps one by one."""
    kept = []
    for name, step in steps:
        if not isinstance(step, SequenceScaler) or step.per != "dataset":
            per = f" with per={step.per!r}" if isinstance(step, SequenceScaler) else ""
            raise ValueError(
                f"Step {name!r} of the pipeline, {type(step).__name__}{per}, may change a timestep"
                " according to others. Before the estimator a SequenceScaler with per='dataset' is"
                " possible."
                "\n\nTransform X yourself, and give the last step alone: pipeline[-1]."
            )
        check_is_fitted(step)
        kept.append(step)
    return kept


def missing_settings(model: Model, *, exactly: bool = True) -> dict[str, Any]:
    """Parameters that would have to be set otherwise for a causal configuration."""
    module, network = model.module, model.network
    settings: dict[str, Any] = {}
    if network.encoder.bidirectional:
        settings["bidirectional"] = False
    if exactly and type(network.pooling) not in EXACT:
        # The defaults.
        settings["pooling"] = "mean" if model.task.predicts_numbers else "max"
    # Without one, "auto" of the other would bring convolutions.
    if network.convolutions is not None or isinstance(module, ConvolutionEnsemble):
        settings |= {"conv_filters": (), "n_kernels": 0}
    elif isinstance(module, Ensemble):
        settings["tfidf"] = False
    if model.scaling is not None and model.scaling.per != "dataset":
        settings["standardize"] = True
    if network.precision == "bfloat16" and lstm_takes_bfloat16(model.device.type):
        settings["precision"] = "float32"
    return settings


def require_causal(model: Model) -> CausalNetwork:
    """The network as one that reads timestep by timestep; an error says what it would need."""
    settings = missing_settings(model)
    if settings:
        arguments = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        raise ValueError(
            f"A Stream needs a causal {model.name}, whose prediction for a sequence can be updated"
            f" when a timestep is added. This one was fitted with other settings than {arguments}."
            f"\n\nFit it with these: {model.name}({arguments}). Or predict for whole sequences:"
            " sklstm.streaming.prefix_predictions takes any settings."
        )
    network = model.causal_network()
    assert network is not None
    return network
