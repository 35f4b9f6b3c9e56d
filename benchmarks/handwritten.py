"""The loops that people write without sklstm, as torch's own documentation has them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, TensorDataset


class LastState(nn.Module):
    """LSTM -> state after the last timestep -> dense."""

    def __init__(
        self, n_features: int, width: int, n_classes: int, bidirectional: bool = False
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_features, width, batch_first=True, bidirectional=bidirectional)
        self.dense = nn.Linear(width * (2 if bidirectional else 1), n_classes)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits; ``lengths`` packs the batch."""
        if lengths is not None:
            inputs = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(inputs)
        return self.dense(torch.cat(list(hidden), dim=1))


def train_padded(X: np.ndarray, y: np.ndarray, network: LastState, *, epochs: int, batch_size: int):
    """Equal lengths: ``DataLoader``, ``Adam``, ``CrossEntropyLoss``."""
    dataset = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    loader = DataLoader(dataset, batch_size=batch_size, shuffle=True)
    optimizer, criterion = torch.optim.Adam(network.parameters()), nn.CrossEntropyLoss()
    for _ in range(epochs):
        for inputs, targets in loader:
            optimizer.zero_grad()
            criterion(network(inputs), targets).backward()
            optimizer.step()


def train_packed(
    X: list[np.ndarray], y: np.ndarray, network: LastState, *, epochs: int, batch_size: int
):
    """Unequal lengths: ``pad_sequence`` and ``pack_padded_sequence``, shuffled."""
    sequences, targets = [torch.from_numpy(x) for x in X], torch.from_numpy(y)
    lengths = torch.tensor([len(x) for x in X])
    optimizer, criterion = torch.optim.Adam(network.parameters()), nn.CrossEntropyLoss()
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(batch_size):
            inputs = pad_sequence([sequences[i] for i in rows], batch_first=True)
            optimizer.zero_grad()
            criterion(network(inputs, lengths[rows]), targets[rows]).backward()
            optimizer.step()
