"""Fits of Keras on torch, in a process of their own: prints the seconds of a step of each.

``python keras_fit.py JSON``, of works as in `benchmarks.gpu.work`, the device, the number of epochs
and of classes, and folders to look for torch in if this environment has none.
"""

from __future__ import annotations

import json
import os
import sys
import time
from statistics import median
from typing import Any


def seconds_of_step(work: dict[str, Any], given: dict[str, Any]) -> float:
    """Seconds of a step; the median of the later epochs."""
    import keras
    import numpy as np
    import torch

    is_half = work["precision"] == "bfloat16"
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if is_half else "float32")
    n, n_classes = work["batch_size"] * work["n_batches"], given["n_classes"]
    shape = (n, work["n_timesteps"], work["n_features"])
    X = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    layer = keras.layers.LSTM(work["width"])
    model = keras.Sequential([
        keras.Input(X.shape[1:]),
        keras.layers.Bidirectional(layer) if work["bidirectional"] else layer,
        keras.layers.Dense(n_classes, dtype="float32"),
    ])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), loss)

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            # The loss that Keras reports is read there, so that the GPU has ended.
            times.append(time.perf_counter() - self.start)

    times: list[float] = []
    arrays = (X, np.arange(n) % n_classes)
    data = [torch.from_numpy(array).to(given["device"]) for array in arrays]
    options = {"batch_size": work["batch_size"], "epochs": given["n_epochs"], "verbose": 0}
    model.fit(*data, callbacks=[Clock()], **options)
    return median(times[len(times) // 2 :]) / work["n_batches"]


def main() -> None:
    """Fit each work, and print."""
    given = json.loads(sys.argv[1])
    os.environ["KERAS_BACKEND"] = "torch"
    if given["device"] == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # Behind this environment's own: of the others only torch is needed.
    sys.path.extend(given["folders"])
    for work in given["works"]:
        print(seconds_of_step(work, given), flush=True)


if __name__ == "__main__":
    main()
