"""DistributedDataParallel beside one sum of a flat tensor, on two processes (ADR 68).

``python -m benchmarks.scale.ddp`` prints what either gives for the same shares of a batch: whether
weights are the same bits after a step, the time of a step in turns, and where they differ.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing import spawn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from sklstm.nn import SequenceNetwork
from sklstm.nn._normalization import BatchNorm

LSTM: dict[str, Any] = {"hidden_sizes": (128,)}
DEFAULT = {"bidirectional": True, "pooling": "max", "conv_filters": (128, 256, 128)}
CASES = {
    "LSTM B256 T100 H128": (LSTM, 256, 100),
    "LSTM B64 T100 H128": (LSTM, 64, 100),
    "convolutions and LSTM B128 T128 H64": (DEFAULT, 128, 128),
}
N_TURNS, N_STEPS = 14, 4


def network(options: dict[str, Any]) -> SequenceNetwork:
    """The same network in both processes."""
    torch.manual_seed(0)
    return SequenceNetwork(6, 4, **options)


def share(rank: int, n: int, n_timesteps: int) -> tuple[Tensor, Tensor]:
    """Every second sequence of a batch, time-major in memory."""
    generator = torch.Generator().manual_seed(1)
    values_BTF = torch.randn(n_timesteps, n, 6, generator=generator).transpose(0, 1)
    return values_BTF[rank::2], torch.randint(4, (n,), generator=generator)[rank::2]


def flat_step(net: nn.Module, x: Tensor, y: Tensor) -> Callable[[], None]:
    """A step by one sum of gradients, loss and a flag."""
    parameters = list(net.parameters())
    optimizer = torch.optim.Adam(parameters, fused=True)

    def step() -> None:
        loss = cross_entropy(net(x, None), y) * 0.5
        gradients = torch.autograd.grad(loss, parameters)
        flat = [gradient.reshape(-1) for gradient in gradients]
        message = torch.cat([*flat, loss.detach().view(1), torch.zeros(1)])
        dist.all_reduce(message)
        pieces = message.split([len(piece) for piece in flat] + [2])
        for parameter, piece in zip(parameters, pieces[:-1], strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(piece.view(parameter.shape))
        optimizer.step()

    return step


def ddp_step(net: nn.Module, x: Tensor, y: Tensor) -> Callable[[], None]:
    """A step by DDP, and a second sum for the loss."""
    wrapped = DistributedDataParallel(net)
    optimizer = torch.optim.Adam(net.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        # The mean over the processes is taken by DDP.
        loss = cross_entropy(wrapped(x, None), y)
        loss.backward()
        optimizer.step()
        dist.all_reduce(loss.detach().view(1))

    return step


def same_in_both(tensor: Tensor) -> bool:
    """Whether a tensor is the same in both processes."""
    both = [torch.empty_like(tensor) for _ in range(2)]
    dist.all_gather(both, tensor.detach().contiguous())
    return torch.equal(*both)


def seconds(step: Callable[[], None]) -> float:
    """Time of a step."""
    dist.barrier()
    began = time.perf_counter()
    for _ in range(N_STEPS):
        step()
    return (time.perf_counter() - began) / N_STEPS


def compare(name: str, rank: int) -> None:
    """Print bits and times of one case."""
    options, n, n_timesteps = CASES[name]
    nets = network(options), network(options)
    data = share(rank, n, n_timesteps)
    steps = flat_step(nets[0], *data), ddp_step(nets[1], *data)
    for step in steps:
        step()
    pairs = zip(nets[0].parameters(), nets[1].parameters(), strict=True)
    are_same = all(torch.equal(a, b) for a, b in pairs)
    norms = [module for module in nets[1].modules() if isinstance(module, BatchNorm)]
    statistics = [same_in_both(norm.mean) for norm in norms[:1]]
    found = []
    for turn in range(N_TURNS):
        order = (0, 1) if turn % 2 else (1, 0)
        times = {i: seconds(steps[i]) for i in order}
        found.append(times[1] / times[0])
    low, median, high = np.percentile(found[2:], [25, 50, 75])
    if rank == 0:
        print(f"{name}: same bits {are_same}, statistics same in both {statistics}", flush=True)
        print(f"  time with DDP over flat {median:.2f} ({low:.2f} to {high:.2f})", flush=True)


def mishaps(rank: int) -> None:
    """Print what becomes of `torch.autograd.grad`, and of a process that raises."""
    net = network(LSTM)
    wrapped, (x, y) = DistributedDataParallel(net), share(rank, 16, 10)
    gradients = torch.autograd.grad(cross_entropy(wrapped(x, None), y), list(net.parameters()))
    are_same = same_in_both(gradients[0])
    if rank == 0:
        print(f"gradients of torch.autograd.grad are summed: {are_same}", flush=True)
    began = time.monotonic()
    if rank == 1:
        # As one that handles its error, or writes it down, for so long.
        time.sleep(15)
        return
    try:
        cross_entropy(wrapped(x, None), y).backward()
    except RuntimeError as error:
        waited = time.monotonic() - began
        print(f"one that raised is noticed after {waited:.0f} s: {error!s:.60}", flush=True)


def work(rank: int, port: int) -> None:
    """One of the two processes."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    for name in CASES:
        compare(name, rank)
    mishaps(rank)
    # Without a word to a process group whose other half is gone.
    os._exit(0)


def main() -> None:
    """Print the figures."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(work, (port,), nprocs=2)


if __name__ == "__main__":
    main()
