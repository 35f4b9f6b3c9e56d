"""to_onnx: a fitted model as a file that runs without Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from sklearn.pipeline import Pipeline

from sklstm._base import BaseSequenceEstimator
from sklstm._persistence._card import check_scores
from sklstm.export._check import check_file
from sklstm.export._metadata import INPUTS, metadata_of, write_file
from sklstm.export._model import read_model, write_graph


def to_onnx(
    model: BaseSequenceEstimator | Pipeline,
    path: str | os.PathLike[str],
    *,
    X: Any = None,
    scores: Mapping[str, float] | None = None,
) -> float:
    """Write a fitted estimator, or a pipeline with it, to an ONNX file, which runs without Python.

    The file holds all that a prediction takes: standardisation, network, linear model, labels, and
    the steps of the pipeline. Before it is put in its place, onnxruntime runs it on sequences of
    unequal length, and its predictions are compared with those of the model.

    Its inputs are, in this order,

    - ``x``: sequences padded at the end, of shape (batch, time, n_features), float32, or token ids
      of shape (batch, time), int64. Codes of categories among the features are the last columns.
      Padding may hold anything;
    - ``lengths``: the number of timesteps of each sequence, at least 1, of shape (batch,), int64;
    - ``static``: only with static columns, of shape (batch, n_columns), float64: numbers, NaN where
      missing, and then codes of categories.

    Numbers of sequences and of timesteps may be any. A category has the code 1, 2 and so on, by the
    order in the metadata, and 0 where it is missing or unknown. The outputs are

    - of a classifier ``label`` of shape (batch,), text, int64 or bool, and ``probabilities`` of
      shape (batch, n_classes), float64. For several labels ``label`` is the indicator matrix;
    - of a regressor ``value`` of shape (batch,) or (batch, n_outputs), float64, and with
      ``loss="quantile"`` also ``quantiles``, as of ``predict_quantiles``.

    Parameters
    ----------
    model : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
        Fitted model. The steps of a pipeline before the estimator are `SequenceScaler`,
        `SequenceImputer`, `RollingFeatures` or "passthrough", in any number, or a `TokenEncoder`.
        The file of the latter begins at the token ids: ONNX cannot cut texts into tokens. Its
        vocabulary is in the metadata.
    path : str or path-like
        Path of the file, which is replaced if it exists. The usual extension is ``.onnx``.
    X : array-like, default=None
        Sequences to compare predictions on, as the model takes them: the first 512, rounded to
        float32 for the file and for the model. If all have the same length, every second one is
        cut. None: sequences are drawn from normal distributions
        with the mean and scale of the training sequences, of 1 to 3 times their typical length.

    scores : dict of str to float, default=None
        Names and values of scores, such as ``{"accuracy": 0.93}``, for the card of the model, which
        `model_card` reads from the file.

    Returns
    -------
    float
        Largest difference between predictions of the file and of the model: of probabilities, or of
        numbers in standard deviations of y.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    ImportError
        If onnx or onnxruntime is missing: ``pip install 'sklstm[onnx]'``.
    TypeError
        If it is another model, such as a subclass, or a pipeline has another step; the message
        names it. If scores are no dict.
    ValueError
        If the weights take more than the 2 GB that an ONNX file can hold, or a score is not finite.
    RuntimeError
        If predictions differ by more than 1e-5, or labels do; then nothing is written.
    OSError
        If the file cannot be written.

    See Also
    --------
    to_onnx_stream : A file that reads a sequence as it goes on.
    sklstm.save_model : A file that the estimator is loaded from again.
    sklstm.model_card : What the file says of the model.

    Notes
    -----
    The file has opset 18, which onnxruntime reads from version 1.14 on by its documentation; the
    tests run it in 1.32. It is written atomically: after an error an existing file is unchanged.
    All values of its metadata are JSON.

    Measurements are float32, and the file standardises them in double as the model does: for X of
    float32 both read the same bits. Numbers that need more digits, such as seconds since 1970,
    which float32 rounds to multiples of 128, lose them on the way in: subtract a constant from them
    before training and before the file.

    The network computes in float32. A model of precision "bfloat16" or "tf32" has the same weights
    and rounds more coarsely: there, differences of up to 0.05 are accepted.

    The file does not check its inputs. NaN in a sequence makes its probabilities NaN, and a token
    id outside of the vocabulary is an error of onnxruntime.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np, onnxruntime
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.export import to_onnx
    >>> X, y = np.random.default_rng(0).normal(size=(20, 12, 2)), ["left", "right"] * 10
    >>> model = LSTMSequenceClassifier(4, conv_filters=(), max_epochs=2, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     difference = to_onnx(model, f"{folder}/model.onnx")
    ...     session = onnxruntime.InferenceSession(f"{folder}/model.onnx")
    >>> difference < 1e-5
    True
    >>> inputs = {"x": X[:3].astype(np.float32), "lengths": np.array([12, 12, 5])}
    >>> label, probabilities = session.run(None, inputs)
    >>> bool((label == model.predict([X[0], X[1], X[2, :5]])).all())
    True
    """
    check_scores(scores)
    exported = read_model(model)
    proto = write_graph(exported).build(INPUTS)
    difference = check_file(proto.SerializeToString(), exported, X)
    write_file(path, proto, model, metadata_of(exported, difference), scores=scores)
    return difference
