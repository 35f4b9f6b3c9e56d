"""to_onnx_stream: a causal model as a file that carries a state from call to call."""

from __future__ import annotations

import os

from sklearn.pipeline import Pipeline

from sklstm._base import BaseSequenceEstimator
from sklstm.export._check_stream import check_stream_file
from sklstm.export._metadata import INPUTS_OF_STREAM, metadata_of, write_file
from sklstm.export._model import Exported, read_model
from sklstm.export._stream_graph import state_of, write_stream_graph
from sklstm.streaming._models import read_model as read_stream_model
from sklstm.streaming._models import require_causal


def to_onnx_stream(model: BaseSequenceEstimator | Pipeline, path: str | os.PathLike[str]) -> float:
    """Export a fitted causal model to an ONNX file that predicts after each timestep.

    The file corresponds to `Stream` in Python. It takes new timesteps and a state, and returns the
    predictions after each of them and the new state, in time that does not depend on the number of
    previous timesteps. Before the file is saved, onnxruntime runs it on sequences that are split
    into updates, and its predictions are compared with those of the model.

    Its inputs are, in this order,

    - ``x``: new timesteps of each sequence, of shape (batch, time, n_features), float32, or token
      ids of shape (batch, time), int64. Codes of categories among the features are the last
      columns, as in `to_onnx`;
    - ``static``: only with static columns, of shape (batch, n_columns), float64, as in `to_onnx`
      and the same in each call;
    - the state: ``hidden_0`` and ``cell_0`` of shape (batch, n_units), float32, and so on for each
      LSTM layer; with pooling "max" or "mean" also ``total`` of shape (batch, n_units), float32 for
      "max" and float64 for "mean", and ``n_timesteps`` of shape (batch,), int64. A new sequence
      begins with zeros.

    All sequences of a call have the same number of new timesteps, at least 1. The outputs are those
    of `to_onnx` with the dimensions (batch, time) in place of (batch,), followed by the new state:
    ``new_hidden_0`` becomes ``hidden_0`` of the next call, and so on.

    Parameters
    ----------
    model : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
        Fitted causal model, see the Notes of `LSTMSequenceClassifier`, with ``patch_size=1``. A
        pipeline may have `SequenceScaler` with ``per="dataset"`` before it.
    path : str or path-like
        Path of the file, which is replaced if it exists. The usual extension is ``.onnx``.

    Returns
    -------
    float
        Largest absolute difference between predictions of the file and of the model: of
        probabilities, or of numbers in standard deviations of y.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    ImportError
        If onnx or onnxruntime is not installed: ``pip install 'sklstm[onnx]'``.
    TypeError
        If the model, or a step of the pipeline, is not one of those above; subclasses are not
        accepted.
    ValueError
        If the model is not causal, or its ``patch_size`` is above 1. The message says which
        parameters to set. If a step of the pipeline uses several timesteps, or the weights exceed
        the 2 GB that an ONNX file can hold.
    RuntimeError
        If predictions differ by more than 1e-5, or if labels differ. Nothing is written then.
    OSError
        If the file cannot be written.

    See Also
    --------
    to_onnx : Export any model, for whole sequences.
    sklstm.streaming.Stream : The same in Python.

    Notes
    -----
    The state has the names of `Stream.state_dict`, so that a stream may begin in Python and
    continue in onnxruntime. To begin a new sequence in one row, set that row of the state to zeros.

    The metadata are those of `to_onnx`, with the names of the state under ``state``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np, onnxruntime
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.export import to_onnx_stream
    >>> X, y = np.random.default_rng(0).normal(size=(20, 12, 2)), ["left", "right"] * 10
    >>> model = LSTMSequenceClassifier(
    ...     4, bidirectional=False, conv_filters=(), n_kernels=0, standardize=True,
    ...     pooling="last", max_epochs=2, random_state=0
    ... ).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     difference = to_onnx_stream(model, f"{folder}/model.onnx")
    ...     session = onnxruntime.InferenceSession(f"{folder}/model.onnx")
    >>> state = {"hidden_0": np.zeros((1, 4), "float32"), "cell_0": np.zeros((1, 4), "float32")}
    >>> for timestep in X[0].astype("float32"):
    ...     label, after_each, *new = session.run(None, {"x": timestep[None, None], **state})
    ...     state = dict(zip(state, new))
    >>> bool(np.abs(after_each[:, -1] - model.predict_proba(X[:1])).max() < 1e-5)
    True
    """
    exported = read_model(model, "to_onnx_stream")
    _require_causal(exported, model)
    proto = write_stream_graph(exported).build(INPUTS_OF_STREAM)
    difference = check_stream_file(proto.SerializeToString(), exported)
    content = metadata_of(exported, difference)
    content["state"] = list(state_of(exported.estimator.net_.module_))
    write_file(path, proto, model, content)
    return difference


def _require_causal(exported: Exported, model: BaseSequenceEstimator | Pipeline) -> None:
    """ValueError if a stream of the model is not possible, or one in a file."""
    network = require_causal(read_stream_model(model, "to_onnx_stream"))
    if network.patch_size > 1:
        raise ValueError(
            "A file of to_onnx_stream reads timesteps one by one, and this"
            f" {type(exported.estimator).__name__} reads patches of them: its patch_size is"
            f" {network.patch_size}.\n\nFit it with patch_size=1, or use"
            " sklstm.streaming.Stream, which takes any."
        )
