"""Base class of the estimators: fit pipeline, fitted attributes and state."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import check_is_fitted

from sklstm._batching._loader import HostSequences
from sklstm._batching._scaling import Scaling
from sklstm._compat._sklearn import DocumentationLinks
from sklstm._config._configuration import Configuration, NetworkConfiguration
from sklstm._config._options import PARAMETER_CONSTRAINTS, Options
from sklstm._config._parameters import check_parameters
from sklstm._config._without_effect import warn_without_effect
from sklstm._data._labelled import Given, Labelled, extent_of, label
from sklstm._data._memory import prediction_memory
from sklstm._inference._prediction import check_outputs, compute_outputs, embed
from sklstm._inference._views import compute_in_blocks
from sklstm._runtime._device import give_back_memory
from sklstm._runtime._modes import own_modes
from sklstm._runtime._randomness import draw_seed, own_turn
from sklstm._runtime._threads import single_threaded
from sklstm._runtime._torch_settings import own_settings, prediction_settings
from sklstm._runtime._within import within
from sklstm._sequences import AnySequences, Array, Sequences
from sklstm._state._fit import fit
from sklstm._state._packing import pack_state, unpack_state
from sklstm._tasks._task import Task
from sklstm._training._callbacks import check_callbacks, sets_learning_rate
from sklstm._training._configure import configure
from sklstm._training._fitting import Job, estimate_epoch
from sklstm._training._net import SequenceNet, SequenceReader
from sklstm._training._sklearn_callbacks import FitTask
from sklstm._training._time_limit import TimeLimit, now
from sklstm._training._train import TrainingSummary
from sklstm._validation._columns import Categories, StaticColumns
from sklstm._validation._features import InputSchema, check_first
from sklstm._validation._held_out import check_held_out
from sklstm._validation._inputs import Inputs


class BaseSequenceEstimator(
    DocumentationLinks,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Base class of estimators of a `SequenceNetwork`, for any task."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = PARAMETER_CONSTRAINTS
    _task_type: ClassVar[type[Task]]

    mask_value: float | None
    random_state: Any
    warm_start: bool
    net_: SequenceNet
    _scaling: Scaling | None
    _seed: int
    _network: NetworkConfiguration
    _n_columns_in: int | None
    _categories: dict[str, Categories]
    _static: StaticColumns | None
    _extent: dict[str, int] | None

    # Fitting --------------------------------------------------------------------------------------

    def _fit(self, given: Given, given_val: Given) -> Self:
        """Implementation of `fit`."""
        began = now()
        check_parameters(self)
        options = Options.of(self)
        check_callbacks(options.callbacks)
        has_val = check_held_out(given_val.X, given_val.y, given_val.sample_weight)
        warn_without_effect(
            self,
            takes_tokens=options.takes_tokens,
            has_val=has_val,
            has_scheduler=sets_learning_rate(options.callbacks),
        )
        is_further = options.warm_start and hasattr(self, "net_")
        task = self._task if is_further else self._task_type
        held_out = given_val if has_val else None
        limit = None if options.max_time is None else TimeLimit(options.max_time, began)
        return self._set_fitted(options, given, held_out, task, is_further, limit=limit)

    def _fit_partially(self, given: Given, task: Task | type[Task]) -> Self:
        """Implementation of `partial_fit`: one epoch without schedule and early stopping."""
        options = Options.of(
            self,
            max_epochs=1,
            lr_schedule=None,
            early_stopping=False,
            validation_interval=None,
            checkpoint=None,
            verbose=0,
        )
        check_callbacks(options.callbacks)
        is_further = hasattr(self, "net_")
        return self._set_fitted(options, given, None, task, is_further, is_partial=True)

    def _set_fitted(self, *arguments: Any, **options: Any) -> Self:
        """Train and set all fitted attributes at once, or leave all as it was."""
        before = dict(vars(self))
        try:
            self._fit_as_task(*arguments, **options)
        except BaseException:
            # A single assignment: an interruption leaves the old state or the new one.
            self.__dict__ = before
            raise
        return self

    @with_callbacks  # type: ignore[untyped-decorator]
    def _fit_as_task(self, *arguments: Any, **options: Any) -> None:
        """Train, set all fitted attributes at once and end the task of the fit."""
        fitted, fit_task = within(self._of_training(), lambda: self._train(*arguments, **options))
        self.__dict__ = vars(self) | fitted
        fit_task.end()

    def _of_training(self) -> list[Any]:
        """Contexts of a training."""
        settings = own_settings(
            training=True,
            on_gpu=str(self.device) != "cpu",
            may_use_tf32=self.precision == "tf32",
        )
        return [settings, own_modes(gradients=True), single_threaded()]

    def _train(
        self,
        options: Options,
        given: Given,
        given_val: Given | None,
        task: Task | type[Task],
        is_further: bool,
        is_partial: bool = False,
        limit: TimeLimit | None = None,
    ) -> tuple[dict[str, Any], FitTask]:
        """Check, encode, configure and train; return the fitted attributes, and the task."""
        schema, data, configuration = self._configure(options, given, task, is_further)
        if is_further:
            self._network.check_same(configuration.network)
        else:
            # An X without column names replaces one with names.
            self.__dict__.pop("feature_names_in_", None)
        seen_before = getattr(self, "_extent", None) if is_further else {}

        def attributes(net: SequenceNet, summary: TrainingSummary, seed: int) -> dict[str, Any]:
            return {
                **schema.attributes,
                **data.task.attributes,
                "net_": net,
                "resolved_params_": configuration.resolved,
                "_network": configuration.network,
                "_scaling": net.reader.scaling,
                "_n_features_out": net.module_.output_size,
                **_attributes_of(summary),
                "_n_columns_in": schema.n_columns,
                "_categories": dict(schema.categories),
                "_static": schema.static,
                "_extent": extent_of(data.sequences, seen_before, adds=is_partial),
                "_seed": seed,
            }

        fit_task = FitTask(self, given, attributes)
        job = Job(
            configuration,
            data,
            self._checker(schema),
            held_out=self._check_val(given_val, schema, data, options),
            previous=self.net_ if is_further else None,
            has_seed=is_further or self.random_state is not None,
            is_partial=is_partial,
            limit=limit,
            fit_task=fit_task,
        )
        trained = within([own_turn()], lambda: fit(job))
        return attributes(*trained), fit_task

    def _configure(
        self, options: Options, given: Given, task: Task | type[Task], is_further: bool
    ) -> tuple[InputSchema, Labelled, Configuration]:
        """Check and encode X and y, and resolve the options for them."""
        inputs, schema = self._check_X(given.X, options, is_further)
        data = label(inputs.sequences, given, task, options, estimator=type(self).__name__)
        if not is_further and len(data.sequences) < len(inputs.sequences):
            schema, sequences = schema.without_absent(data.sequences)
            data = replace(data, sequences=sequences)
        configuration = configure(
            options,
            data.sequences,
            n_outputs=data.task.n_outputs,
            predicts_numbers=data.task.predicts_numbers,
            widths=schema.widths,
            # Further training holds out the same sequences.
            seed=self._seed if is_further else draw_seed(options.random_state),
            # In further training check_same compares it.
            vocabulary_size=options.given_vocabulary_size or inputs.vocabulary_size,
            previous=self._network if is_further else None,
        )
        return schema, data, configuration

    def _check_X(self, X: Any, options: Options, is_further: bool) -> tuple[Inputs, InputSchema]:
        """Check X against an earlier fit, or find out what a first one is given."""
        name, mask_value = type(self).__name__, options.mask_value
        if is_further:
            schema = self._input_schema
            return schema.check_X(X, mask_value=mask_value, estimator=name), schema
        return check_first(
            X,
            mask_value=mask_value,
            estimator=name,
            takes_tokens=options.takes_tokens,
            vocabulary_size=options.given_vocabulary_size,
        )

    def _check_val(
        self, given: Given | None, schema: InputSchema, data: Labelled, options: Options
    ) -> Labelled | None:
        """Check and label the user's validation data."""
        if given is None:
            return None
        name = type(self).__name__
        inputs = schema.check_X(
            given.X, mask_value=self.mask_value, estimator=name, input_name="X_val"
        )
        return label(inputs.sequences, given, data.task, options, estimator=name, suffix="_val")

    # Predicting -----------------------------------------------------------------------------------

    def _predictor(self, X: Any) -> Any:
        """Fitted estimator of the network's outputs for X."""
        outputs = self._compute(compute_outputs, X)
        return self._task.predictor(outputs)

    def transform(self, X: Any) -> Array:
        """Compute the pooled vector of each sequence, the input of the dense layers.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms that `fit` takes.

        Returns
        -------
        ndarray of shape (n_sequences, n_features_out), float32
            ``n_features_out`` is the number of units of the last LSTM layer, over both directions,
            plus the number of filters of the last convolutional layer, plus the size of the vector
            of static columns.
        """
        return self._compute(embed, X)

    def get_feature_names_out(self, input_features: npt.ArrayLike | None = None) -> Array:
        """Get the output feature names of `transform`.

        Parameters
        ----------
        input_features : array-like of str of shape (`n_features_in_`,), default=None
            Feature names, which are only validated, or the name of the single column of sequences.

        Returns
        -------
        ndarray of str of shape (n_features_out,)
            The lower-case class name and a number, such as "lstmsequenceclassifier0".
        """
        check_is_fitted(self)
        if self._input_schema.column_of_sequences(input_features) is not None:
            input_features = None
        names: Array = super().get_feature_names_out(input_features)
        return names

    def _compute(self, function: Callable[..., Array], X: Any) -> Array:
        """Validate X and apply a function of the network and the sequences."""
        # The common case first: scikit-learn's check takes as long as all those of X.
        if not hasattr(self, "net_"):
            check_is_fitted(self)
        return self._compute_of(function, lambda: self._read(X))

    def _compute_of(
        self, function: Callable[..., Array], sequences: Callable[[], AnySequences]
    ) -> Array:
        """The same of sequences that are read under the settings of a prediction."""
        net = self.net_
        device = torch.device(net.device)

        def compute(block: Sequences, start: int) -> Array:
            source = HostSequences(block, net.reader.scaling, device)
            return check_outputs(function(net.module_, source), block, start)

        def work() -> Array:
            given = sequences()
            with prediction_memory(self._network, given, net.device):
                outputs = compute_in_blocks(compute, given, self._check_block, device)
            # Not of a single sequence: an answer is waited for, and it takes little memory.
            if len(given) > 1:
                give_back_memory(device)
            return outputs

        settings = prediction_settings(net.device, self._network.precision)
        return within([settings, single_threaded()], work)

    def _read(self, X: Any) -> AnySequences:
        """Validated sequences, those of a view without their values."""
        options = self._options_of_checks
        return self._input_schema.check_X(X, **options, check_values=False).sequences

    def _check_block(self, block: Sequences, start: int) -> Sequences:
        """Validated values of sequences of a view, of which the first is X[start]."""
        return self._input_schema.check_block(block, start, **self._options_of_checks)

    # State ----------------------------------------------------------------------------------------

    @property
    def _task(self) -> Task:
        return self._task_type.of(vars(self))

    @property
    def _input_schema(self) -> InputSchema:
        network, static = self._network, self._static
        names = getattr(self, "feature_names_in_", None)
        if static is not None:
            names = None if static.features is None else np.array(static.features, dtype=object)
        return InputSchema(
            network.n_features if network.vocabulary_size is None else 1,
            self._n_columns_in,
            names,
            network.vocabulary_size,
            self._categories,
            static,
        )

    def _checker(self, schema: InputSchema) -> Callable[[Any], AnySequences]:
        """Validation of X in predictions, without a reference to the estimator."""
        return partial(_check_later_X, schema, **self._options_of_checks)

    @property
    def _options_of_checks(self) -> dict[str, Any]:
        return {"mask_value": self.mask_value, "estimator": type(self).__name__}

    def __getstate__(self) -> dict[str, Any]:
        return pack_state(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        contexts = [own_settings(), own_modes(gradients=True), single_threaded()]
        super().__setstate__(within(contexts, lambda: unpack_state(state)))
        if hasattr(self, "net_"):
            self.net_.task = self._task
            self.net_.reader = SequenceReader(self._checker(self._input_schema), self._scaling)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def n_features_of(estimator: BaseSequenceEstimator) -> int | None:
    """Number of features of a timestep of a fitted estimator; None for token ids."""
    schema = estimator._input_schema
    return schema.n_features if schema.vocabulary_size is None else None


class Fitted(NamedTuple):
    """What a fitted estimator consists of, beside its ``net_``."""

    schema: InputSchema
    network: NetworkConfiguration
    task: Task


class Planned(NamedTuple):
    """Configuration of a network that is not trained yet, and what an epoch will take."""

    network: NetworkConfiguration
    seconds_per_epoch: float


def planned_of(estimator: BaseSequenceEstimator, X: Any, y: Any) -> Planned:
    """What `fit` would build for X and y, and its time, by a fit to a few batches."""
    check_parameters(estimator)
    # The seed has no effect, and a RandomState must not be drawn from.
    options = Options.of(estimator, random_state=0)

    def work() -> Planned:
        arguments = (options, Given(X, y), estimator._task_type, False)
        schema, data, configuration = estimator._configure(*arguments)
        checker = estimator._checker(schema)
        seconds = within([own_turn()], lambda: estimate_epoch(Job(configuration, data, checker)))
        return Planned(configuration.network, seconds)

    return within(estimator._of_training(), work)


def fitted_of(estimator: BaseSequenceEstimator) -> Fitted:
    """The parts of a fitted estimator."""
    return Fitted(estimator._input_schema, estimator._network, estimator._task)


def predictor_of(estimator: BaseSequenceEstimator, sequences: AnySequences) -> Any:
    """Predictions of a fitted estimator for validated sequences, by the methods it has for X."""
    outputs = estimator._compute_of(compute_outputs, lambda: sequences)
    return estimator._task.predictor(outputs)


def _check_later_X(schema: InputSchema, X: Any, **options: Any) -> AnySequences:
    return schema.check_X(X, **options).sequences


def _attributes_of(summary: TrainingSummary) -> dict[str, Any]:
    return {
        "history_": summary.history,
        "n_iter_": math.ceil(summary.history["epoch"][-1]),
        "best_epoch_": summary.best_epoch,
        "best_score_": summary.best_score,
        "stop_reason_": summary.stop_reason,
    }
