"""Loops that people write, on data that is on the GPU; one captured by hand, and skorch's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import skorch
import torch
from torch import Tensor, nn

from benchmarks.gpu.work import N_EPOCHS, Work, seconds_of


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
