"""Five networks as people write them in Keras, and all that stands around them in a script."""

from __future__ import annotations

import os

# Before TensorFlow is imported, which otherwise tells how it was built.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import numpy as np
from keras.callbacks import EarlyStopping
from keras.layers import (
    LSTM,
    Activation,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    GlobalAveragePooling1D,
    Input,
    Masking,
    Multiply,
    Reshape,
)
from keras.regularizers import L2

from benchmarks.contestants.ported import count_tokens, epochs_of, timed_work
from benchmarks.data import Data
from benchmarks.work import Settings, Work


# fmt: off
def stacked(data: Data) -> keras.Model:
    """Two LSTM layers with dropout."""
    return keras.Sequential([
        Input((None, data.n_features)),
        Masking(),
        LSTM(128, return_sequences=True),
        Dropout(0.2),
        LSTM(64),
        Dropout(0.2),
        Dense(data.n_classes, activation="softmax"),
    ])


def both_ways(data: Data) -> keras.Model:
    """Two bidirectional LSTM layers."""
    return keras.Sequential([
        Input((None, data.n_features)),
        Masking(),
        Bidirectional(LSTM(64, return_sequences=True)),
        Bidirectional(LSTM(32)),
        Dense(data.n_classes, activation="softmax"),
    ])


def tokens(data: Data) -> keras.Model:
    """An embedding and an LSTM layer."""
    return keras.Sequential([
        Input((None,), dtype="int32"),
        Embedding(count_tokens(data), 100, mask_zero=True),
        LSTM(64),
        Dense(data.n_classes, activation="softmax"),
    ])


def lstm_fcn(data: Data) -> keras.Model:
    """MLSTM-FCN: an LSTM layer beside convolutions with squeeze-and-excitation."""

    def squeeze_excite(x):
        width = x.shape[-1]
        scale = GlobalAveragePooling1D()(x)
        scale = Dense(width // 16, activation="relu", use_bias=False)(scale)
        scale = Dense(width, activation="sigmoid", use_bias=False)(scale)
        return Multiply()([x, Reshape((1, width))(scale)])

    def convolution(x, filters, kernel_size):
        x = Conv1D(filters, kernel_size, padding="same",
                   kernel_initializer="he_uniform")(x)
        return Activation("relu")(BatchNormalization()(x))

    inputs = Input((None, data.n_features))
    states = LSTM(8)(Masking()(inputs))
    x = squeeze_excite(convolution(inputs, 128, 8))
    x = squeeze_excite(convolution(x, 256, 5))
    x = GlobalAveragePooling1D()(convolution(x, 128, 3))
    x = Concatenate()([states, x])
    outputs = Dense(data.n_classes, activation="softmax")(x)
    return keras.Model(inputs, outputs)


def four_layers(data: Data) -> keras.Model:
    """Four LSTM layers of 50 units and a dense one, with dropout and L2 penalties."""
    penalty = {"kernel_regularizer": L2(1e-4), "recurrent_regularizer": L2(1e-4)}
    return keras.Sequential([
        Input((None, data.n_features)),
        Masking(),
        LSTM(50, return_sequences=True, **penalty),
        Dropout(0.2),
        LSTM(50, return_sequences=True, **penalty),
        Dropout(0.2),
        LSTM(50, return_sequences=True, **penalty),
        Dropout(0.2),
        LSTM(50, **penalty),
        Dropout(0.2),
        Dense(25, activation="relu", kernel_regularizer=L2(1e-4)),
        Dropout(0.2),
        Dense(data.n_classes, activation="softmax", kernel_regularizer=L2(1e-4)),
    ])


# fmt: on
def stopping() -> dict:
    """What `fit` is given for early stopping."""
    return {
        "validation_split": 0.2,
        "callbacks": [EarlyStopping(patience=10, restore_best_weights=True)],
    }


OPTIONS = {"four_layers": stopping}


def prepare(X: list[np.ndarray], mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Scaled sequences, padded at the end."""
    scaled = [(x - mean) / scale for x in X]
    return keras.utils.pad_sequences(scaled, padding="post", dtype="float32")


def fit(model: keras.Model, X: np.ndarray, y: np.ndarray, epochs: int, **options) -> None:
    """Compile and train."""
    model.compile(keras.optimizers.Adam(0.001), "sparse_categorical_crossentropy")
    model.fit(X, y, batch_size=32, epochs=epochs, verbose=0, **options)


def train(settings: Settings, data: Data) -> Work:
    """From sequences to a trained network, and on to probabilities."""
    timesteps = np.concatenate(data.X)
    is_text = timesteps.ndim == 1

    def padded(X: list[np.ndarray]) -> np.ndarray:
        if is_text:
            return keras.utils.pad_sequences(X, padding="post")
        return prepare(X, timesteps.mean(axis=0), timesteps.std(axis=0))

    def fit_model(seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        model = globals()[settings.case](data)
        options = OPTIONS[settings.case]() if settings.case in OPTIONS else {}
        fit(model, padded(data.X), data.y, epochs_of(settings, seed), **options)
        return model

    def predict(model: keras.Model) -> np.ndarray:
        return model.predict(padded(data.X_test), verbose=0)

    def describe(model: keras.Model) -> dict[str, float]:
        shapes = [weight.shape for weight in model.trainable_weights]
        return {
            "parameters": sum(int(np.prod(shape)) for shape in shapes),
            "epochs": len(model.history.epoch),
        }

    return timed_work(fit_model, predict, describe, data)
