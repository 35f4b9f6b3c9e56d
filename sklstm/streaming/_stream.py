"""Stream: predictions after each timestep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sklstm._batching._loader import to_device
from sklstm._sequences import Array, Sequences, all_finite
from sklstm.streaming._models import read_model, require_causal
from sklstm.streaming._network import State
from sklstm.streaming._states import check_n_streams, check_state, encode_static
from sklstm.streaming._timesteps import check_timesteps


class Stream:
    """Predict after each timestep of a sequence that is still being recorded.

    After each timestep, the result is that of the model for the sequence so far: ``predict_proba``
    of a classifier, ``predict`` of a regressor. Time and memory of an update do not depend on the
    number of previous timesteps. The model must be causal, see the Notes of
    `LSTMSequenceClassifier`.

    Parameters
    ----------
    model : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
        Fitted model. A pipeline may have `SequenceScaler` with ``per="dataset"`` before it.
        Training the model further has no effect on the stream.
    n_streams : int, default=None
        Number of parallel sequences, which is the first dimension of inputs and outputs. In an
        update all have the same number of new timesteps. None means a single sequence, without that
        dimension.
    static : data frame of shape (n_streams, n_columns), default=None
        Static columns, if the model was fitted with any: all columns of X in ``fit`` except that of
        the sequences.

    Attributes
    ----------
    n_timesteps : int, or ndarray of shape (n_streams,), int64
        Number of timesteps since the beginning or the last `reset`.

    Raises
    ------
    ValueError
        If the model is not causal. The message says which parameters to set.
    TypeError
        If ``model`` is not one of the above.
    NotFittedError
        If ``model`` is not fitted.

    See Also
    --------
    prefix_probabilities : The same for complete sequences and any model.

    Notes
    -----
    On a CPU the predictions are bitwise identical to those for the sequence so far, however it is
    split into updates and for any number of streams. On a GPU they are equal up to rounding.

    If `update` raises an exception, the state is unchanged and the call can be repeated. A stream
    is not thread-safe: use one stream per thread, or a lock.

    A stream can be pickled and copied, with its state and its model. `state_dict` returns the state
    only, a few kilobytes.

    Examples
    --------
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.streaming import Stream
    >>> X, y = make_trends(n_sequences=60, random_state=0)
    >>> classifier = LSTMSequenceClassifier(
    ...     8, bidirectional=False, conv_filters=(), n_kernels=0, standardize=True, max_epochs=2
    ... ).fit(X, y)
    >>> stream = Stream(classifier)
    >>> stream.update(X[0][:10]).shape
    (10, 2)
    >>> after_each = stream.update(X[0][10:])
    >>> bool((after_each[-1] == classifier.predict_proba(X[:1])[0]).all())
    True

    Three at once:

    >>> streams = Stream(classifier, n_streams=3)
    >>> streams.update([x[:4] for x in X[:3]]).shape
    (3, 4, 2)
    """

    def __init__(self, model: Any, n_streams: int | None = None, *, static: Any = None) -> None:
        self.model = model
        self.n_streams = n_streams
        self.static = static
        self._begin()

    def _begin(self) -> None:
        """Prepare the model, and a state before the first timestep."""
        n = check_n_streams(self.n_streams)
        self._model = read_model(self.model, "Stream")
        self._network = require_causal(self._model)
        self._encoded = self._model.compute(lambda: encode_static(self._model, self.static, n))
        self._state: State = self._network.begin(n)

    # Updates --------------------------------------------------------------------------------------

    def update(self, timesteps: Any) -> Array:
        """Predict after each of the given new timesteps.

        Parameters
        ----------
        timesteps : array-like of shape (n_new, n_features), or (n_streams, n_new, n_features)
            At least one new timestep, in any form in which the model takes a sequence, or sequences
            of equal length. Token ids have no last dimension, which is optional for a single
            feature. For one timestep of measurements pass ``timestep[np.newaxis]``.

        Returns
        -------
        ndarray of shape (n_new, n_classes), or (n_streams, n_new, n_classes), float64
            Probabilities of a classifier after each timestep. For a regressor, predictions of
            shape (n_new,) or (n_new, n_outputs) per stream.

        Raises
        ------
        ValueError
            If the number of features differs from ``fit``, a value is NaN or infinite, or a
            timestep equals ``mask_value``. The message names it by its index.
        TypeError
            If values are not numbers.
        """
        sequences = check_timesteps(
            self._model, timesteps, self.n_streams, len(self._state["n_timesteps"])
        )
        predictions, state = self._model.compute(lambda: self._predict(sequences))
        # All at once: an interruption leaves the old state or the new one.
        self._state = state
        after_each: Array = predictions if self.n_streams is not None else predictions[0]
        return after_each

    def _predict(self, sequences: Sequences) -> tuple[Array, State]:
        """Predictions of each stream, and the new state."""
        n, device = len(sequences), self._model.device
        flat = to_device(sequences, self._model.scaling, device, input_name="timesteps").values
        # Behind the timesteps there is a row of zeros.
        inputs = flat[:-1].view(n, -1, *flat.shape[1:])
        logits_BTC, state = self._network.read(self._state, inputs, self._encoded)
        outputs = logits_BTC.flatten(0, 1).cpu().numpy().astype(np.float64)
        if not all_finite(outputs):
            raise ValueError(
                "timesteps are too large for this network: its outputs overflow float32. The"
                f" largest absolute value is {np.abs(sequences.values).max():.3g}.\n\nScale them as"
                " the training sequences, or train with standardize=True."
            )
        predictions = self._model.predict(outputs)
        return predictions.reshape(n, -1, *predictions.shape[1:]), state

    def reset(self, streams: npt.ArrayLike | None = None) -> None:
        """Start new sequences.

        Parameters
        ----------
        streams : int, array-like of int, or boolean mask, default=None
            Streams to reset. None means all.
        """
        n = len(self._state["n_timesteps"])
        begun = self._network.begin(n)
        if streams is None:
            self._state = begun
            return
        try:
            chosen = np.zeros(n, dtype=bool)
            chosen[np.asarray(streams)] = True
        except IndexError as error:
            raise IndexError(
                f"streams must be indices from 0 to {n - 1}, or a boolean mask of {n}. Got"
                f" {streams!r:.60}."
            ) from error
        rows = torch.from_numpy(chosen).to(self._model.device)
        self._state = {
            name: torch.where(rows.view(-1, *[1] * (old.ndim - 1)), begun[name], old)
            for name, old in self._state.items()
        }

    @property
    def n_timesteps(self) -> int | Array:
        """Number of timesteps since the beginning or the last `reset`."""
        counts: Array = self._state["n_timesteps"].cpu().numpy().copy()
        return counts if self.n_streams is not None else int(counts[0])

    # State ----------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Return a copy of the state.

        Returns
        -------
        dict of str to ndarray
            Arrays whose first dimension is that of the streams. ``np.savez(path, **state)`` saves
            them.
        """
        return {name: tensor.cpu().numpy().copy() for name, tensor in self._state.items()}

    def load_state_dict(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Restore a state.

        Parameters
        ----------
        state : mapping of str to array-like
            Result of `state_dict` of a stream with the same model and number of streams, or the
            same arrays as read by ``np.load(path)``.

        Raises
        ------
        ValueError
            If the state does not fit. The message names the array. The stream is unchanged.
        """
        self._state = check_state(state, self._network.begin(len(self._state["n_timesteps"])))

    def __getstate__(self) -> dict[str, Any]:
        public = {name: getattr(self, name) for name in ("model", "n_streams", "static")}
        return public | {"state": self.state_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.model, self.n_streams = state["model"], state["n_streams"]
        self.static = state["static"]
        self._begin()
        self.load_state_dict(state["state"])
