"""What the GPU can do with nothing around it: cuDNN alone, matrix products, its memory."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.gpu.work import Work, seconds_of

# Side of square matrices, and size of a copied block in MiB; on a CPU smaller ones.
SIDE, BLOCK = {"cuda": 8192, "cpu": 256}, {"cuda": 2048, "cpu": 16}


def bare_kernels(work: Work, device: str) -> float:
    """Seconds of cuDNN's forward and backward pass alone."""
    X = torch.from_numpy(work.data()[0][: work.batch_size]).to(device)
    lstm = work.network().lstm.to(device)

    def once() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=work.precision == "bfloat16"):
            states, _ = lstm(X)
        states.sum().backward()

    return seconds_of(once)


def product_rate(device: str, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product."""
    side = SIDE[torch.device(device).type]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2.0 * side**3 / seconds_of(lambda: torch.mm(a, b))


def memory_rate(device: str) -> float:
    """Bytes a second that a copy on the device reads and writes."""
    block = torch.ones(BLOCK[torch.device(device).type] * 2**20, dtype=torch.uint8, device=device)
    target = torch.empty_like(block)
    return 2.0 * block.numel() / seconds_of(lambda: target.copy_(block))


def bytes_of(work: Work) -> float:
    """What a step at least reads and writes: inputs, states and cells, forward and back."""
    size = 2 if work.precision == "bfloat16" else 4
    states = 2 * work.width * work.n_directions
    per_timestep = 3 * (work.n_features + states)
    return float(size * work.batch_size * work.n_timesteps * per_timestep)


def limits_table(steps: list[dict[str, Any]], works: tuple[Work, ...], device: str) -> list[Any]:
    """Fractions of what kernels alone, matrix products and memory would allow, of each step."""
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    rates = {name: product_rate(device, dtype) for name, dtype in dtypes.items()}
    memory, rows = memory_rate(device), []
    for row, work in zip(steps, works, strict=True):
        ms = row["sklstm"]
        rows.append({
            "work": row["work"],
            "kernels alone / sklstm": row["kernels alone"] / ms,
            "of the rate of matrix products": 1e3 * work.operations / rates[work.precision] / ms,
            "of the rate of memory": 1e3 * bytes_of(work) / memory / ms,
        })  # fmt: skip
    rates_row = {"work": "the GPU: float32, bfloat16 (Tflop/s), memory (GB/s)"}
    found = [rates["float32"] / 1e12, rates["bfloat16"] / 1e12, memory / 1e9]
    return [*rows, rates_row | dict(zip(list(rows[0])[1:], found, strict=True))]
