"""Epochs and time of a successive halving whose rungs go on, beside one whose rungs start again.

``python -m benchmarks.scale.halving`` searches with and without a checkpoint folder in turns, in
one process with one thread. The time is that of the processor, so the writing of the files is
counted and the waiting for the disk is not. Scores of both are compared.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV
from skorch.callbacks import Callback

from benchmarks.results import spread
from sklstm import LSTMSequenceClassifier
from sklstm.datasets import make_trends

RATES = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02]
FACTORS = {3: (3, 27), 2: (3, 24)}


class Count(Callback):
    """Counts epochs, of all copies in this process."""

    n_epochs: ClassVar[int] = 0

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        Count.n_epochs += 1


def search(X: Any, y: Any, factor: int, checkpoint: str | None) -> tuple[float, int, np.ndarray]:
    """Processor seconds, epochs and scores of a search."""
    fewest, most = FACTORS[factor]
    classifier = LSTMSequenceClassifier(
        hidden_sizes=32,
        n_kernels=0,
        conv_filters=(),
        lr_schedule=None,
        mixup_alpha=0.0,
        random_state=0,
        callbacks=[Count()],
        checkpoint=checkpoint,
    )
    halving = HalvingGridSearchCV(
        classifier,
        {"learning_rate": RATES},
        resource="max_epochs",
        factor=factor,
        min_resources=fewest,
        max_resources=most,
        cv=2,
        refit=False,
        error_score="raise",
    )
    Count.n_epochs, began = 0, time.process_time()
    halving.fit(X, y)
    seconds = time.process_time() - began
    return seconds, Count.n_epochs, halving.cv_results_["mean_test_score"]


def main(argv: Sequence[str] | None = None) -> None:
    """Print epochs and the ratio of times, median and range over the rounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.halving", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="number of rounds")
    parser.add_argument("--sequences", type=int, default=300, help="number of sequences")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    X, y = make_trends(n_sequences=arguments.sequences, random_state=0)
    for factor in FACTORS:
        ratios, epochs = [], set()
        for _ in range(arguments.repeats):
            with tempfile.TemporaryDirectory() as folder:
                with_files = search(X, y, factor, folder)
            without = search(X, y, factor, None)
            np.testing.assert_array_equal(with_files[2], without[2])
            ratios.append(with_files[0] / without[0])
            epochs.add((with_files[1], without[1]))
        ((going_on, again),) = epochs
        print(
            f"factor {factor}, rungs of {FACTORS[factor][0]} to {FACTORS[factor][1]} epochs:"
            f" {going_on} epochs going on, {again} starting again, ratio {going_on / again:.2f};"
            f" time {spread(ratios)}; the same scores",
            flush=True,
        )


if __name__ == "__main__":
    main()
