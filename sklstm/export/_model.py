"""The graph of a fitted estimator or pipeline: inputs, steps, network and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklstm._base import BaseSequenceEstimator, Fitted, fitted_of
from sklstm._batching._scaling import Scaling
from sklstm._classifier import LSTMSequenceClassifier
from sklstm._regressor import LSTMSequenceRegressor
from sklstm.export._graph import Graph, Padded, Value, integers
from sklstm.export._modules import write_outputs
from sklstm.export._scaling import write_scaling
from sklstm.export._steps import NAN, write_step
from sklstm.export._tasks import write_predictions
from sklstm.preprocessing._base import widths_of
from sklstm.preprocessing._imputer import SequenceImputer
from sklstm.preprocessing._rolling import RollingFeatures
from sklstm.preprocessing._scaler import SequenceScaler
from sklstm.preprocessing._tokens import TokenEncoder

ESTIMATORS = (LSTMSequenceClassifier, LSTMSequenceRegressor)
STEPS = (SequenceScaler, SequenceImputer, RollingFeatures)
ACCEPTED = "an LSTMSequenceClassifier or LSTMSequenceRegressor, or a Pipeline of it"


@dataclass(frozen=True, eq=False)
class Exported:
    """What a file holds: an encoder of texts before it, if any, the steps in it, the estimator."""

    estimator: BaseSequenceEstimator
    steps: tuple[Any, ...] = ()
    encoder: TokenEncoder | None = None

    @property
    def fitted(self) -> Fitted:
        """The parts of the estimator."""
        return fitted_of(self.estimator)

    @property
    def scaling(self) -> Scaling:
        """The standardisation of measurements."""
        scaling = self.estimator.net_.reader.scaling
        assert scaling is not None
        return scaling

    @property
    def n_features(self) -> int:
        """Number of features of a timestep, as the file takes them; 1 for token ids."""
        return widths_of(self.steps[0])[0] if self.steps else self.fitted.schema.n_features


def read_model(model: Any, caller: str = "to_onnx") -> Exported:
    """Estimator and steps of a model; TypeError or NotFittedError if it has others."""
    if type(model) in ESTIMATORS:
        check_is_fitted(model)
        return Exported(model)
    if type(model) is not Pipeline:
        raise TypeError(
            f"{caller} takes {ACCEPTED}. Got an instance of {type(model).__name__}"
            f" instead.{_remedy(model, caller)}"
        )
    *steps, (name, last) = model.steps
    if type(last) not in ESTIMATORS:
        raise TypeError(
            f"The last step of a pipeline must be {ACCEPTED.partition(', or')[0]}. Step {name!r} is"
            f" an instance of {type(last).__name__}.{_remedy(last, caller)}"
        )
    check_is_fitted(last)
    kept = [(name, step) for name, step in steps if step is not None and step != "passthrough"]
    for index, (name, step) in enumerate(kept):
        is_encoder = type(step) is TokenEncoder and index == 0
        if type(step) not in STEPS and not is_encoder:
            raise TypeError(
                "A file can hold the steps SequenceScaler, SequenceImputer and RollingFeatures, and"
                f" begins at the ids of a TokenEncoder. Step {name!r} is an instance of"
                f" {type(step).__name__}.\n\nExport what comes behind it, such as"
                f" {caller}(pipeline[{index + 1}:], path), and transform X by that step before."
            )
        check_is_fitted(step)
    transformers = [step for _, step in kept]
    if transformers and type(transformers[0]) is TokenEncoder:
        return Exported(last, tuple(transformers[1:]), transformers[0])
    return Exported(last, tuple(transformers))


def _remedy(model: Any, caller: str) -> str:
    if isinstance(model, (BaseSequenceEstimator, Pipeline)):
        return "\n\nA subclass is code, which a graph cannot hold."
    if hasattr(model, "best_estimator_"):
        return f"\n\nExport what the search has found: {caller}(search.best_estimator_, path)."
    if isinstance(model, FrozenEstimator):
        return f"\n\nExport the model in it: {caller}(model.estimator, path)."
    if hasattr(model, "estimators") or hasattr(model, "calibrated_classifiers_"):
        return "\n\nExport each estimator in it, and combine the predictions of their files."
    return ""


def write_graph(exported: Exported) -> Graph:
    """The graph of a model."""
    graph = Graph()
    x = write_x(exported, graph)
    lengths = graph.input("lengths", np.int64, ["batch"])
    static = write_static_input(exported, graph)
    inputs = write_inputs(exported, Padded(graph, x, lengths))
    outputs = write_outputs(exported.estimator.net_.module_, inputs, static)
    predictions = write_predictions(exported.fitted.task, graph, outputs)
    for name, (value, dtype, shape) in predictions.items():
        graph.output(name, value, dtype, ["batch", *shape])
    return graph


def write_x(exported: Exported, graph: Graph) -> Value:
    """Declare ``x``; measurements as double, or token ids."""
    schema = exported.fitted.schema
    if schema.vocabulary_size is not None:
        return graph.input("x", np.int64, ["batch", "time"])
    width = exported.n_features + len(schema.categories)
    # To double before anything is computed, as in the estimators.
    return graph.cast(graph.input("x", np.float32, ["batch", "time", width]), np.float64)


def write_static_input(exported: Exported, graph: Graph) -> Value | None:
    """Declare ``static``, if the network reads such columns."""
    network = exported.fitted.network
    if not network.has_static:
        return None
    n_columns = network.n_static + len(network.static_categories)
    return graph.input("static", np.float64, ["batch", n_columns])


def write_inputs(exported: Exported, inputs: Padded) -> Padded:
    """``x`` as the network reads it; padding is 0."""
    if exported.fitted.schema.vocabulary_size is not None:
        return inputs.masked(np.int64(0))
    return _write_measurements(exported, inputs)


def _write_measurements(exported: Exported, inputs: Padded) -> Padded:
    """Features as the network reads them, and codes; padding is 0."""
    if exported.steps:
        inputs = inputs.masked(NAN)
    for step in exported.steps:
        inputs = write_step(step, inputs)
    schema = exported.fitted.schema
    parts: list[Value] = []
    if schema.n_features > 0:
        parts.append(_write_features(exported, inputs))
    if schema.categories:
        codes = _columns(inputs, schema.n_features, schema.n_features + len(schema.categories))
        parts.append(inputs.graph.cast(codes, np.float32))
    return inputs.with_values(inputs.graph.concat(parts, 2)).masked(np.float32(0))


def _write_features(exported: Exported, inputs: Padded) -> Value:
    schema, scaling = exported.fitted.schema, exported.scaling
    if schema.categories:
        inputs = inputs.with_values(_columns(inputs, 0, schema.n_features))
    return write_scaling(scaling, inputs)


def _columns(inputs: Padded, start: int, stop: int) -> Value:
    return inputs.graph.cut(inputs.values, 2, integers(start), integers(stop))
