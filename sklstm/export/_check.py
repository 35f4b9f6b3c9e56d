"""The check of a file against its model, in onnxruntime."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sklstm._base import predictor_of
from sklstm._optional import require
from sklstm._sequences import UNKNOWN_ID, Array, Sequences, in_memory
from sklstm._tasks._multilabel import Multilabel
from sklstm._tasks._regression import Regression
from sklstm._validation._inputs import check_inputs
from sklstm.export._model import Exported
from sklstm.nn import SequenceNetwork, StaticEncoder
from sklstm.nn._ensemble import Ensemble, network_of
from sklstm.preprocessing._base import widths_of
from sklstm.preprocessing._imputer import SequenceImputer
from sklstm.preprocessing._rolling import RollingFeatures
from sklstm.preprocessing._scaler import SequenceScaler

# Largest difference of probabilities, and of numbers in standard deviations of y. The second is
# for a model whose own arithmetic is rounded more coarsely than that of the file.
TOLERANCE, TOLERANCE_OF_ROUNDED = 1e-5, 0.05
# Sequences that are drawn, as multiples of a typical training sequence, and the most timesteps.
SHARES, LONGEST = (0.0, 0.3, 1.0, 1.0, 1.7, 2.4, 3.0), 1000
SHARE_MISSING = 0.15
# The most sequences of X that are looked at, and those of a batch.
MAX_CHECKED, BATCH_SIZE = 512, 32

REMEDY = (
    " An X of sequences as they will come, to_onnx(model, path, X=X), may be closer than those that"
    " are drawn."
)


def check_file(content: bytes, exported: Exported, X: Any) -> float:
    """The largest difference of the file's predictions to the model's; RuntimeError if too large.

    Differences are those of probabilities, or of numbers in standard deviations of y.
    """
    with warnings.catch_warnings():
        # Of feature names, which sequences that are drawn or cut lack.
        warnings.simplefilter("ignore", UserWarning)
        given = rounded(draw(exported) if X is None else ragged(_read(exported, X)))
        transformed = transform(exported, given)
    expected = predictor_of(exported.estimator, transformed)
    return accept(exported, run(content, exported, given), expected, remedy=REMEDY)


def accept(
    exported: Exported, found: Mapping[str, Array], expected: Any, *, remedy: str = ""
) -> float:
    """The largest difference of outputs by name to predictions; RuntimeError if too large."""
    difference = _largest_difference(exported, found, expected)
    if not difference <= tolerance_of(exported):
        raise RuntimeError(
            f"The predictions of the file differ from those of the model by up to"
            f" {difference:.3g}, more than {tolerance_of(exported):.0e}; it was not written."
            f"\n\nPlease report this with the parameters of the model.{remedy}"
        )
    return difference


def tolerance_of(exported: Exported) -> float:
    """The largest difference that is accepted."""
    is_rounded = exported.fitted.network.precision != "float32"
    return TOLERANCE_OF_ROUNDED if is_rounded else TOLERANCE


# Sequences ----------------------------------------------------------------------------------------


def _read(exported: Exported, X: Any) -> Sequences:
    """The user's X as the file takes it, some of the first sequences."""
    if exported.encoder is not None:
        X = exported.encoder.transform(X)
    if exported.steps:
        exported.steps[0].transform(X)
        sequences = check_inputs(X, estimator="to_onnx", allow_nan=True).sequences
    else:
        sequences = exported.estimator.net_.reader.check_X(X)
    return sequences.load(np.arange(min(len(sequences), MAX_CHECKED)))


def rounded(sequences: Sequences) -> Sequences:
    """The same with measurements in float32, as the file and the model read them."""
    if sequences.values.dtype.kind != "f":
        return sequences
    return replace(sequences, values=sequences.values.astype(np.float32))


def ragged(sequences: Sequences) -> Sequences:
    """The same, every second one cut to its first third if all have one length."""
    lengths = sequences.lengths
    if (lengths != lengths[0]).any() or len(lengths) == 1:
        return sequences
    shorter = lengths.copy()
    shorter[1::2] = -(-lengths[1::2] // 3)
    return shortened(sequences, shorter)


def shortened(sequences: Sequences, shorter: Array) -> Sequences:
    """The first so many timesteps of each sequence."""
    lengths = sequences.lengths
    steps = np.arange(len(sequences.values)) - np.repeat(sequences.offsets[:-1], lengths)
    kept = steps < np.repeat(shorter, lengths)
    codes = None if sequences.codes is None else sequences.codes[kept]
    cut = Sequences.from_lengths(sequences.values[kept], shorter)
    return replace(cut, codes=codes, static=sequences.static)


def draw(exported: Exported, lengths: Iterable[int] | None = None) -> Sequences:
    """Sequences like those of training, by default of 1 to 3 times their typical length."""
    rng = np.random.default_rng(0)
    schema, network, _ = exported.fitted
    if lengths is None:
        typical = network.n_timesteps
        lengths = [min(max(1, round(share * typical)), LONGEST) for share in SHARES]
    lengths = list(lengths)
    size = sum(lengths)
    if schema.vocabulary_size is not None:
        ids = rng.integers(UNKNOWN_ID, max(schema.vocabulary_size, 2), size=(size, 1))
        sequences = Sequences.from_lengths(ids, lengths)
    else:
        scaling = exported.scaling
        values = rng.normal(scaling.mean, scaling.scale, (size, len(scaling.mean)))
        for step in reversed(exported.steps):
            values = _before(step, values, rng)
        sequences = Sequences.from_lengths(values, lengths)
    codes, n_categories = None, network.n_categories
    if n_categories:
        codes = rng.integers(0, np.array(n_categories) + 1, size=(size, len(n_categories)))
    static = _draw_static(exported, len(lengths), rng) if network.has_static else None
    return replace(sequences, codes=codes, static=static)


def _before(step: Any, values: Array, rng: np.random.Generator) -> Array:
    """Values that a step makes some like these of."""
    n_features = widths_of(step)[0]
    if values.shape[1] < n_features or (isinstance(step, RollingFeatures) and not step.append):
        return rng.normal(size=(len(values), n_features))
    values = values[:, :n_features]
    if isinstance(step, SequenceImputer):
        return np.where(rng.random(values.shape) < SHARE_MISSING, np.nan, values)
    if isinstance(step, SequenceScaler) and step.scaler_ is not None:
        return np.asarray(step.scaler_.inverse_transform(values))
    return values


def _draw_static(exported: Exported, n: int, rng: np.random.Generator) -> Array:
    network = exported.fitted.network
    encoder = encoder_of(exported.estimator.net_.module_)
    mean, scale = encoder.mean.double().sum(dim=0).cpu().numpy(), encoder.scale.cpu().numpy()
    numbers = rng.normal(mean, scale, (n, network.n_static))
    numbers[rng.random(numbers.shape) < SHARE_MISSING] = np.nan
    sizes = np.array(network.static_categories, dtype=np.int64)
    return np.hstack([numbers, rng.integers(0, sizes + 1, size=(n, len(sizes)))])


def encoder_of(module: SequenceNetwork | Ensemble) -> StaticEncoder:
    """The encoder of static columns."""
    encoder = network_of(module).static
    assert encoder is not None
    return encoder


def transform(exported: Exported, sequences: Sequences) -> Sequences:
    """The sequences behind the steps, as the estimator takes them."""
    if not exported.steps:
        return sequences
    X: Any = list(sequences)
    for step in exported.steps:
        X = step.transform(X)
    return in_memory(exported.estimator.net_.reader.check_X(X))


# In onnxruntime -----------------------------------------------------------------------------------


def run(content: bytes, exported: Exported, sequences: Sequences) -> dict[str, Array]:
    """Outputs of a file for all sequences, in batches."""
    session = open_session(content)
    names = [output.name for output in session.get_outputs()]
    batches = []
    for start in range(0, len(sequences), BATCH_SIZE):
        rows = np.arange(start, min(start + BATCH_SIZE, len(sequences)))
        batches.append(session.run(names, padded(exported, sequences.take(rows))))
    pieces = zip(*batches, strict=True)
    return {name: np.concatenate(piece) for name, piece in zip(names, pieces, strict=True)}


def open_session(content: bytes) -> Any:
    """A session of onnxruntime on the CPU."""
    onnxruntime = require("onnxruntime", extra="onnx")
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def padded(exported: Exported, sequences: Sequences) -> dict[str, Array]:
    """Inputs of a file, padded with NaN, or of token ids with an unknown one."""
    lengths, values = sequences.lengths, sequences.values
    has_ids = exported.fitted.schema.vocabulary_size is not None
    if sequences.codes is not None:
        values = np.concatenate([values, sequences.codes], axis=1)
    # One more timestep than the longest has, so that each sequence is padded.
    real = np.arange(lengths.max() + 1) < lengths[:, None]
    shape = real.shape if has_ids else (*real.shape, values.shape[1])
    filler = UNKNOWN_ID if has_ids else np.nan
    x = np.full(shape, filler, dtype=np.int64 if has_ids else np.float32)
    x[real] = values[:, 0] if has_ids else values
    inputs = {"x": x, "lengths": lengths}
    return inputs if sequences.static is None else {**inputs, "static": sequences.static}


def _largest_difference(exported: Exported, found: Mapping[str, Array], expected: Any) -> float:
    task = exported.fitted.task
    if isinstance(task, Regression):
        pairs = [(found["value"], expected.predict(), task.scale)]
        if len(task.quantiles):
            quantiles = expected.predict_quantiles()
            pairs.append((found["quantiles"], quantiles, task.scale[:, None]))
        return max(_difference(a, b, s[0] if task.n_dimensions == 1 else s) for a, b, s in pairs)
    probabilities = expected.predict_proba()
    difference = _difference(found["probabilities"], probabilities, np.float64(1))
    if isinstance(task, Multilabel):
        margins = 2 * np.abs(probabilities - 0.5)
    else:
        second, first = np.sort(probabilities, axis=1)[:, -2:].T
        margins = first - second
    # Rounding decides between probabilities that are as close.
    is_same = (found["label"] == expected.predict()) | (margins <= 2 * difference)
    return difference if is_same.all() else float("inf")


def _difference(found: Array, expected: Array, scale: Any) -> float:
    return float((np.abs(found - expected) / scale).max())
