"""Plain torch: the module and the loops that people write, as torch's documentation has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.data import Data
from benchmarks.work import Settings, Work


class LastState(nn.Module):
    """LSTM -> state after the last timestep -> dense."""

    def __init__(self, settings: Settings, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            n_features,
            settings.width,
            num_layers=settings.n_layers,
            batch_first=True,
            bidirectional=settings.bidirectional,
        )
        self.n_directions = 2 if settings.bidirectional else 1
        self.dense = nn.Linear(settings.width * self.n_directions, n_classes)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits; ``lengths`` packs the batch."""
        if lengths is not None:
            inputs = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(inputs)
        return self.dense(torch.cat(list(hidden[-self.n_directions :]), dim=1))


def train(settings: Settings, data: Data) -> Work:
    """Training from arrays to a network: padded for equal lengths, packed for unequal ones."""

    def run(repeat: int) -> tuple[nn.Module, int]:
        torch.manual_seed(repeat)
        network = LastState(settings, data.n_features, data.n_classes)
        loader = build_loader(data.X, data.y, data, settings, shuffle=True)
        return network, train_loop(network, loader, settings.epochs)

    def check(result: tuple[nn.Module, int]) -> dict[str, float]:
        network, n_steps = result
        figures: dict[str, float] = {"steps": n_steps}
        if data.X_test:
            loader = build_loader(data.X_test, data.y_test, data, settings)
            predicted = predict_loop(network, loader).argmax(dim=1).numpy()
            figures["accuracy"] = float(np.mean(predicted == data.y_test))
        return figures

    return Work(run, check)


def predict(settings: Settings, data: Data) -> Work:
    """Probabilities of all sequences, in batches of the training's size."""
    network = LastState(settings, data.n_features, data.n_classes)

    def run(repeat: int) -> Tensor:
        return predict_loop(network, build_loader(data.X, data.y, data, settings))

    return Work(run, lambda probabilities: {"rows": len(probabilities)})


def build_loader(
    X: list[np.ndarray], y: np.ndarray, data: Data, settings: Settings, *, shuffle: bool = False
) -> DataLoader:
    """Batches of inputs and targets, or of inputs, lengths and targets if lengths differ."""
    options: dict[str, Any] = {"batch_size": settings.batch_size, "shuffle": shuffle}
    if data.is_rectangular:
        dataset = TensorDataset(torch.from_numpy(np.stack(X)), torch.from_numpy(y))
        return DataLoader(dataset, **options)
    pairs = [(torch.from_numpy(x), target) for x, target in zip(X, y.tolist(), strict=True)]
    return DataLoader(pairs, collate_fn=collate, **options)


def collate(pairs: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Padded inputs, lengths and targets of a batch."""
    sequences, targets = zip(*pairs, strict=True)
    lengths = torch.tensor([len(x) for x in sequences])
    return pad_sequence(list(sequences), batch_first=True), lengths, torch.tensor(targets)


def train_loop(network: nn.Module, loader: Iterable[Any], epochs: int) -> int:
    """Train with ``Adam`` and ``CrossEntropyLoss``; the number of steps taken."""
    optimizer, criterion = torch.optim.Adam(network.parameters()), nn.CrossEntropyLoss()
    n_steps = 0
    network.train()
    for _ in range(epochs):
        for *inputs, targets in loader:
            optimizer.zero_grad()
            criterion(network(*inputs), targets).backward()
            optimizer.step()
            n_steps += 1
    return n_steps


def predict_loop(network: nn.Module, loader: Iterable[Any]) -> Tensor:
    """Probabilities, one row for each sequence."""
    network.eval()
    with torch.inference_mode():
        return torch.cat([torch.softmax(network(*inputs), dim=1) for *inputs, _ in loader])


def step_cell(settings: Settings, data: Data) -> Work:
    """``calls`` steps of ``nn.LSTMCell`` and a dense layer, behind the first sequence."""
    cell = nn.LSTMCell(data.n_features, settings.width)
    dense, x = nn.Linear(settings.width, data.n_classes), data.X[0]
    with torch.inference_mode():
        state = cell(torch.from_numpy(x[:1]))
        for t in range(1, len(x)):
            state = cell(torch.from_numpy(x[t : t + 1]), state)

    def run(repeat: int) -> list[np.ndarray]:
        rows, now = [], state
        with torch.inference_mode():
            for t in range(settings.calls):
                now = cell(torch.from_numpy(x[t % len(x)][np.newaxis]), now)
                rows.append(torch.softmax(dense(now[0]), dim=1).numpy())
        return rows

    return Work(run, lambda rows: {"rows": len(rows)})
