"""What the hardware and torch's modules can do, with nothing around them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.contestants import ours
from benchmarks.data import Data
from benchmarks.work import Settings, Work
from sklstm._runtime._heap import kept_heap
from sklstm._runtime._threads import single_threaded
from sklstm.nn import LSTMLayer

SIDE = 2048


def lstm(settings: Settings, data: Data) -> Work:
    """``calls`` times forward and backward through ``nn.LSTM``, on one batch, with a kept heap."""
    layer = nn.LSTM(data.n_features, settings.width, bidirectional=settings.bidirectional)
    batch = torch.stack([torch.from_numpy(x) for x in data.X[: settings.batch_size]], dim=1)

    def run(repeat: int) -> int:
        with kept_heap():
            for _ in range(settings.calls):
                layer.zero_grad()
                _, (hidden, _) = layer(batch)
                hidden.sum().backward()
        return settings.calls

    return Work(run, lambda n_steps: {"steps": n_steps})


def lstm_and_convolutions(settings: Settings, data: Data) -> Work:
    """``calls`` forward passes through ``nn.LSTM`` and ``nn.Conv1d`` of the estimator's sizes.

    No fixed convolution, normalisation, pooling, check or scaling: what is left of a prediction if
    all else took no time.
    """
    parts = list(ours.fitted(settings, data).net_.module_.modules())
    lstms = [_bare_lstm(part) for part in parts if isinstance(part, LSTMLayer)]
    convolutions = nn.Sequential(*map(_bare, (p for p in parts if isinstance(p, nn.Conv1d))))
    requests = [
        torch.stack([torch.from_numpy(x) for x in X]) for X in ours.requests_of(settings, data)
    ]

    def run(repeat: int) -> int:
        # As the estimator computes a single batch.
        with torch.inference_mode(), single_threaded():
            for batch in requests:
                states = batch
                for layer in lstms:
                    states, _ = layer(states)
                convolutions(batch.transpose(1, 2))
        return settings.calls

    return Work(run, lambda n_calls: {"calls": n_calls})


def _bare_lstm(layer: LSTMLayer) -> nn.LSTM:
    lstm, both = layer.forwards.lstm, layer.backwards is not None
    return nn.LSTM(lstm.input_size, lstm.hidden_size, batch_first=True, bidirectional=both)


def _bare(convolution: nn.Conv1d) -> nn.Conv1d:
    (size,) = convolution.kernel_size
    channels = convolution.in_channels, convolution.out_channels
    return nn.Conv1d(*channels, size, padding=size // 2, bias=False)


def matmul(settings: Settings, data: Data | None) -> Work:
    """``calls`` float32 products of two square matrices, by torch's default library (MKL)."""
    a, b = (torch.rand(SIDE, SIDE) for _ in range(2))
    return _repeated(lambda: torch.mm(a, b), settings)


def onednn_matmul(settings: Settings, data: Data | None) -> Work:
    """The same by oneDNN, which the LSTM is computed with: on AMD it is twice as fast as MKL."""
    a, b = (torch.rand(SIDE, SIDE).to_mkldnn() for _ in range(2))
    return _repeated(lambda: nn.functional.linear(a, b), settings)


def _repeated(product: Callable[[], torch.Tensor], settings: Settings) -> Work:
    def run(repeat: int) -> int:
        for _ in range(settings.calls):
            product()
        return settings.calls

    return Work(run, lambda n_products: {"products": n_products})
