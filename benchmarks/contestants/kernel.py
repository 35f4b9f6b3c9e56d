"""What the hardware and torch's kernels can do, with nothing around them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.data import Data
from benchmarks.work import Settings, Work
from sklstm._runtime._heap import kept_heap

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
