"""Training on a GPU beside loops written by hand: ``python -m benchmarks.gpu``.

All contestants have the data on the GPU. Times are of steps, in milliseconds, or of what the row
says; each is the median of the last epochs of a fit.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import skorch
import torch
from skorch.callbacks import Callback
from tabulate import tabulate
from torch import Tensor, nn

from benchmarks.contestants.by_hand import LastState
from benchmarks.machine import environment
from benchmarks.work import Settings
from sklstm import LSTMSequenceClassifier
from sklstm._training import _steps

RESULTS = Path(__file__).parent / "results" / "gpu.json"
N_EPOCHS, N_CLASSES = 8, 5


@dataclass(frozen=True)
class Work:
    """A network of one LSTM layer and its last states, and sequences of one length."""

    batch_size: int
    n_timesteps: int
    n_features: int
    width: int
    bidirectional: bool = False
    precision: str = "float32"
    n_batches: int = 8

    def __str__(self) -> str:
        both = ", both directions" * self.bidirectional
        kind = f", {self.precision}" * (self.precision != "float32")
        sizes = f"B{self.batch_size} T{self.n_timesteps} F{self.n_features} H{self.width}"
        return f"step {sizes}{both}{kind}"

    def network(self) -> LastState:
        """What a user writes: cuDNN's LSTM, and a linear layer of its last states."""
        settings = Settings(self.width, bidirectional=self.bidirectional)
        return LastState(settings, self.n_features, N_CLASSES)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Sequences and classes."""
        n = self.batch_size * self.n_batches
        values = np.random.default_rng(0).normal(size=(n, self.n_timesteps, self.n_features))
        return values.astype(np.float32), np.arange(n) % N_CLASSES


STEPS = (
    Work(32, 20, 4, 32, n_batches=40),
    Work(64, 100, 10, 128, n_batches=20),
    Work(64, 100, 10, 128, bidirectional=True, n_batches=20),
    Work(256, 200, 32, 512),
    Work(512, 128, 64, 1024, bidirectional=True, n_batches=4),
    Work(512, 128, 64, 1024, bidirectional=True, precision="bfloat16", n_batches=4),
)
SMALL = (Work(8, 5, 2, 4, n_batches=2),)


class Loop:
    """A hand-written training loop on data that is on the device."""

    def __init__(self, work: Work, device: str, *, rate: Any = 1e-3) -> None:
        X, y = work.data()
        self.work, self.device = work, device
        self.X, self.y = torch.from_numpy(X).to(device), torch.from_numpy(y).to(device)
        self.network = work.network().to(device)
        options = {"fused": True} | ({"capturable": True} if device != "cpu" else {})
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=rate, **options)

    def step(self, rows: Tensor) -> Tensor:
        """One step."""
        self.optimizer.zero_grad(set_to_none=True)
        is_half = self.work.precision == "bfloat16"
        with torch.autocast(self.device, torch.bfloat16, enabled=is_half):
            logits = self.network(self.X[rows])
        loss = nn.functional.cross_entropy(logits.float(), self.y[rows])
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        return loss.detach()

    def epoch(self, step: Callable[[Tensor], Any]) -> None:
        """All batches in a new order."""
        for rows in torch.randperm(len(self.X), device=self.device).split(self.work.batch_size):
            step(rows)

    def captured(self) -> Callable[[Tensor], Any]:
        """The step as a CUDA graph, captured by hand."""
        rows = torch.arange(self.work.batch_size, device=self.device)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.step(rows)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step(rows)

        def replay(others: Tensor) -> None:
            rows.copy_(others)
            graph.replay()

        return replay


def seconds_of(epoch: Callable[[], Any], n_epochs: int = N_EPOCHS) -> float:
    """Median time of the later epochs."""
    times = []
    for _ in range(n_epochs):
        wait()
        start = time.perf_counter()
        epoch()
        wait()
        times.append(time.perf_counter() - start)
    return median(times[n_epochs // 2 :])


def wait() -> None:
    """Wait for the GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def loop(work: Work, device: str, *, captures: bool = False) -> float:
    """Seconds of a step of the hand-written loop."""
    hand = Loop(work, device)
    step = hand.captured() if captures else hand.step
    return seconds_of(partial(hand.epoch, step)) / work.n_batches


def plain_skorch(work: Work, device: str) -> float:
    """Seconds of a step of skorch, with the data on the device."""
    X, y = (torch.from_numpy(array).to(device) for array in work.data())
    net = skorch.NeuralNetClassifier(
        work.network(), criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam,
        max_epochs=N_EPOCHS, batch_size=work.batch_size, device=device, train_split=None, verbose=0,
        iterator_train__shuffle=True,
    )  # fmt: skip
    net.fit(X, y)
    return median(net.history[N_EPOCHS // 2 :, "dur"]) / work.n_batches


def ours(work: Work, device: str) -> float:
    """Seconds of a step of the estimator."""
    classifier = LSTMSequenceClassifier(
        work.width, bidirectional=work.bidirectional, pooling="last", conv_filters=(), n_kernels=0,
        patch_size=1, mixup_alpha=0.0, batch_size=work.batch_size, max_epochs=N_EPOCHS,
        precision=work.precision, device=device, random_state=0,
    )  # fmt: skip
    return epoch_of(classifier, *work.data()) / work.n_batches


class LooksAtBatches(Callback):
    """Has steps taken one operation at a time."""

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        pass


def epoch_of(classifier: LSTMSequenceClassifier, X: Any, y: Any) -> float:
    """Median time of the later epochs of a fit."""
    durations = classifier.fit(X, y).history_["dur"]
    return float(np.median(durations[len(durations) // 2 :]))


def ragged(n: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Sequences of log-normal lengths, with 10 features."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(4.3, 0.6, n).astype(int), 10, 400)
    X = [rng.normal(size=(length, 10)).astype(np.float32) for length in lengths]
    return X, np.arange(n) % N_CLASSES


def packed_loop(X: list[np.ndarray], y: np.ndarray, device: str) -> float:
    """Seconds of an epoch of a hand-written loop with packed sequences, on the device."""
    values = [torch.from_numpy(x).to(device) for x in X]
    lengths, classes = torch.tensor([len(x) for x in X]), torch.from_numpy(y).to(device)
    network = Work(32, 1, 10, 64).network().to(device)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def epoch() -> None:
        for rows in torch.randperm(len(values)).split(32):
            padded = nn.utils.rnn.pad_sequence([values[i] for i in rows], batch_first=True)
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(padded, lengths[rows]), classes[rows]).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()

    return seconds_of(epoch)


def bare_kernels(work: Work, device: str) -> float:
    """Seconds of cuDNN's forward and backward pass alone."""
    X = torch.from_numpy(work.data()[0][: work.batch_size]).to(device)
    lstm = work.network().lstm.to(device)

    def once() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=work.precision == "bfloat16"):
            states, _ = lstm(X)
        states.sum().backward()

    return seconds_of(once)


def captures(fit: Callable[[], Any]) -> list[float]:
    """Seconds of each capture of a graph in a fit."""
    seconds, capture = [], _steps.GraphCache._capture

    def timed(self: Any, kind: Any) -> Any:
        wait()
        start = time.perf_counter()
        graph = capture(self, kind)
        seconds.append(time.perf_counter() - start)
        return graph

    _steps.GraphCache._capture = timed  # type: ignore[method-assign]
    try:
        fit()
    finally:
        _steps.GraphCache._capture = capture  # type: ignore[method-assign]
    return seconds


def steps_table(works: tuple[Work, ...], device: str) -> list[dict[str, Any]]:
    """Steps of LSTM layers: milliseconds of each contestant."""
    rows = []
    for work in works:
        row: dict[str, Any] = {"work": str(work), "sklstm": 1e3 * ours(work, device)}
        row["loop by hand"] = 1e3 * loop(work, device)
        if device != "cpu":
            row["loop captured by hand"] = 1e3 * loop(work, device, captures=True)
        if work.precision == "float32":
            row["skorch"] = 1e3 * plain_skorch(work, device)
        row["kernels alone"] = 1e3 * bare_kernels(work, device)
        rows.append(row | {"loop / sklstm": row["loop by hand"] / row["sklstm"]})
        print(rows[-1], flush=True)
    return rows


def fits_table(n: int, device: str) -> list[dict[str, Any]]:
    """Epochs and a whole fit: milliseconds with graphs, without, on the CPU, and packed."""
    rng = np.random.default_rng(0)
    long = rng.normal(size=(n, 150, 6)).astype(np.float32), np.arange(n) % N_CLASSES
    vowels = rng.normal(size=(min(n, 270), 25, 12)).astype(np.float32)
    plain = [LooksAtBatches()]
    options = {"max_epochs": N_EPOCHS, "random_state": 0, "batch_size": 32}
    rows = []
    for name, (X, y), changes in (
        ("epoch of the default network, 150 x 6", long, {}),
        ("epoch, log-normal lengths, H64", ragged(n), {"conv_filters": (), "n_kernels": 0}),
    ):
        build = partial(LSTMSequenceClassifier, **options | changes)
        row: dict[str, Any] = {"work": name, "sklstm": 1e3 * epoch_of(build(device=device), X, y)}
        row["without graphs"] = 1e3 * epoch_of(build(device=device, callbacks=plain), X, y)
        row["on the CPU"] = 1e3 * epoch_of(build(max_epochs=3), X, y)
        if changes:
            row["packed loop"] = 1e3 * packed_loop(X, y, device)
        rows.append(row)
        print(row, flush=True)
    y = np.arange(len(vowels)) % 9
    row = {"work": "whole default fit, 270 x 25 x 12"}
    for name, given in {
        "sklstm": {"device": device}, "without graphs": {"device": device, "callbacks": plain},
        "on the CPU": {},
    }.items():  # fmt: skip
        fit = partial(LSTMSequenceClassifier(random_state=0, **given).fit, vowels, y)
        row[name] = 1e3 * seconds_of(fit, 2)
    each = captures(partial(LSTMSequenceClassifier(random_state=0, device=device).fit, vowels, y))
    row["capture"] = 1e3 * median(each) if each else 0.0
    print(row, flush=True)
    return [*rows, row]


def main() -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="to see that all of it runs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="RNN module weights")
    works, n = (SMALL, 40) if arguments.small else (STEPS, 2000)
    figures = {
        "card": "none" if arguments.device == "cpu" else torch.cuda.get_device_name(),
        "environment": environment(),
        "steps": steps_table(works, arguments.device),
        "fits": fits_table(n, arguments.device),
    }
    arguments.results.write_text(json.dumps(figures, indent=1) + "\n")
    for name in ("steps", "fits"):
        print(tabulate(figures[name], headers="keys", floatfmt=".3g"))


if __name__ == "__main__":
    main()
