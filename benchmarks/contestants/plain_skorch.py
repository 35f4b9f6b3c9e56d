"""skorch's ``NeuralNetClassifier`` around a torch module, as skorch's documentation has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import Tensor, nn

from benchmarks.contestants.by_hand import LastState
from benchmarks.data import Data
from benchmarks.work import Settings, Work


class LastStateOfPadded(LastState):
    """The same for sequences padded to one length: the state is read behind the last timestep."""

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Logits."""
        states, _ = self.lstm(inputs)
        return self.dense(states[torch.arange(len(lengths)), lengths - 1])


def build_net(settings: Settings, data: Data) -> NeuralNetClassifier:
    """The net, without its validation split and its printed table."""
    return NeuralNetClassifier(
        LastState if data.is_rectangular else LastStateOfPadded,
        module__settings=settings,
        module__n_features=data.n_features,
        module__n_classes=data.n_classes,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=settings.epochs,
        batch_size=settings.batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def inputs_of(X: list[np.ndarray], data: Data) -> Any:
    """A rectangle, or a rectangle and the lengths, by the names of the module's arguments."""
    if data.is_rectangular:
        return np.stack(X)
    return {"inputs": data.padded(X), "lengths": np.array([len(x) for x in X])}


def train(settings: Settings, data: Data) -> Work:
    """One call of ``fit`` on inputs padded beforehand."""
    X = inputs_of(data.X, data)

    def run(repeat: int) -> NeuralNetClassifier:
        torch.manual_seed(repeat)
        return build_net(settings, data).fit(X, data.y)

    def check(net: NeuralNetClassifier) -> dict[str, float]:
        figures: dict[str, float] = {"steps": sum(map(len, net.history[:, "batches"]))}
        if data.X_test:
            predicted = net.predict(inputs_of(data.X_test, data))
            figures["accuracy"] = float(np.mean(predicted == data.y_test))
        return figures

    return Work(run, check)


def predict(settings: Settings, data: Data) -> Work:
    """One call of ``predict_proba`` on inputs padded beforehand."""
    X = inputs_of(data.X, data)
    net = build_net(settings, data).initialize()
    return Work(lambda repeat: net.predict_proba(X), lambda rows: {"rows": len(rows)})
