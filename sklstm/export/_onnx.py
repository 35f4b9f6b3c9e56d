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
    """Export a fitted estimator, or a pipeline with it, to an ONNX file.

    The file runs without Python. It contains all parts of a prediction: standardisation, network,
    linear model, labels, and the steps of the pipeline. Before the file is saved, onnxruntime runs
    it on sequences of unequal length, and its predictions are compared with those of the model.

    Its inputs are, in this order,

    - ``x``: sequences padded at the end, of shape (batch, time, n_features), float32, or token ids
      of shape (batch, time), int64. Codes of categories among the features are the last columns.
      Padding values have no effect;
    - ``lengths``: number of timesteps of each sequence, at least 1, of shape (batch,), int64;
    - ``static``: only with static columns, of shape (batch, n_columns), float64: numbers, with NaN
      for missing ones, followed by codes of categories.

    ``batch`` and ``time`` are dynamic. The codes of categories are 1, 2 and so on, in the order of
    the metadata, and 0 for missing and unknown ones. The outputs are

    - of a classifier ``label`` of shape (batch,), string, int64 or bool, and ``probabilities`` of
      shape (batch, n_classes), float64. With several labels per sequence, ``label`` is an indicator
      matrix;
    - of a regressor ``value`` of shape (batch,) or (batch, n_outputs), float64, and with
      ``loss="quantile"`` also ``quantiles``, as returned by ``predict_quantiles``.

    Parameters
    ----------
    model : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
        Fitted model. A pipeline may have any number of `SequenceScaler`, `SequenceImputer`,
        `RollingFeatures` and "passthrough" before the estimator, or a `TokenEncoder`. ONNX cannot
        tokenise text, so that a file with a `TokenEncoder` takes token ids; its metadata contain
        the vocabulary.
    path : str or path-like
        Path of the file, which is replaced if it exists. The usual extension is ``.onnx``.
    X : array-like, default=None
        Sequences to compare predictions on, as the model takes them. The first 512 are used,
        rounded to float32 for both; if all have the same length, every second one is shortened.
        None draws sequences from normal distributions with the mean and scale of the training
        sequences, 1 to 3 times as long as these typically are.
    scores : dict of str to float, default=None
        Scores for the model card in the file, such as ``{"accuracy": 0.93}``. See `model_card`.

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
        accepted. If ``scores`` is not a dict.
    ValueError
        If the weights exceed the 2 GB that an ONNX file can hold, or a score is not finite.
    RuntimeError
        If predictions differ by more than 1e-5, or if labels differ. Nothing is written then.
    OSError
        If the file cannot be written.

    See Also
    --------
    to_onnx_stream : Export a model that predicts after each timestep.
    sklstm.save_model : Save an estimator to load it in Python.
    sklstm.model_card : Read the model card of a file.

    Notes
    -----
    The file has opset 18, which according to onnxruntime's documentation is supported from version
    1.14 on; it is tested with version 1.32. It is written atomically: after an error an existing
    file is unchanged. The values of its metadata are JSON.

    Inputs are float32 and are standardised in double precision: predictions are those of the model
    for X of float32, and for X of float64 can differ by more. Values that need more digits, such
    as seconds since 1970, lose them: float32 rounds these to multiples of 128. Subtract a constant
    before training and before prediction.

    The network computes in float32. For models with ``precision`` "bfloat16" or "tf32", which round
    more coarsely, differences of up to 0.05 are accepted.

    The file does not validate its inputs. NaN in a sequence makes its probabilities NaN, and a
    token id outside the vocabulary is an error of onnxruntime.

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
