"""How far an epoch is: its steps, its loss so far, and where it pauses."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Number of batches whose losses are kept, and then summed at once.
N_KEPT = 1024


class RunningLoss:
    """Weighted mean of the losses of batches, in bounded memory, and read from the device once.

    The mean of up to `N_KEPT` losses is that of a list of them, to the bit.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start over."""
        self._losses: list[Tensor] = []
        self._weights: list[Tensor] = []
        self._n_kept = 0
        # Of loss times weight and of weights, float64, of all that are not kept any more.
        self._sums: Tensor | None = None

    def add(self, losses: Tensor, weights: Tensor) -> None:
        """Add a batch, or several in their order."""
        self._losses.append(losses.reshape(-1))
        self._weights.append(weights.reshape(-1))
        self._n_kept += losses.numel()
        if self._n_kept >= N_KEPT:
            self._sum_up()

    def mean(self) -> float:
        """The mean, NaN of nothing."""
        losses, weights = self._kept()
        if self._sums is None:
            return float((losses * weights).sum() / weights.sum())
        total, weight = (self._sums + _sums_of(losses, weights)).tolist()
        return total / weight if weight else math.nan

    def state_dict(self) -> dict[str, Tensor]:
        """What is kept, and the sums, on the CPU."""
        losses, weights = self._kept()
        sums = torch.zeros(2, dtype=torch.float64) if self._sums is None else self._sums
        return {"losses": losses.cpu(), "weights": weights.cpu(), "sums": sums.cpu()}

    def load_state_dict(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Restore the state."""
        self.reset()
        if state["sums"][1] > 0:
            self._sums = state["sums"].to(device)
        if len(state["losses"]):
            self.add(state["losses"].to(device), state["weights"].to(device))

    def _kept(self) -> tuple[Tensor, Tensor]:
        if not self._losses:
            return torch.zeros(0), torch.zeros(0)
        return torch.cat(self._losses), torch.cat(self._weights)

    def _sum_up(self) -> None:
        """Sum up whole runs of `N_KEPT`, wherever steps have been interrupted."""
        losses, weights = self._kept()
        n_summed = len(losses) - len(losses) % N_KEPT
        for start in range(0, n_summed, N_KEPT):
            run = slice(start, start + N_KEPT)
            sums = _sums_of(losses[run], weights[run])
            self._sums = sums if self._sums is None else self._sums + sums
        self._losses, self._weights = [losses[n_summed:]], [weights[n_summed:]]
        self._n_kept = len(losses) - n_summed


def n_kept_of(n_batches: int) -> int:
    """Number of losses that are kept of so many batches."""
    return n_batches % N_KEPT


def _sums_of(losses: Tensor, weights: Tensor) -> Tensor:
    return torch.stack([(losses * weights).sum(), weights.sum()]).double()


class Progress:
    """How far the current epoch is, and where within it something is due.

    Parameters
    ----------
    checkpoint_interval, validation_interval : int, default=None
        Numbers of steps, as the parameters of the estimators.

    Attributes
    ----------
    n_steps : int
        Number of steps of the current epoch that have been taken.
    n_rows : int
        Number of rows of the history that this training has completed.
    has_open_row : bool
        Whether the last row of the history is of steps that are being taken.
    is_within_epoch : bool
        Whether the row that ends now ends within an epoch.
    n_epochs_before : int
        Number of epochs of earlier trainings.
    loss : RunningLoss
        Mean loss of the row.
    """

    def __init__(
        self, checkpoint_interval: int | None = None, validation_interval: int | None = None
    ) -> None:
        self.checkpoint_interval = checkpoint_interval
        self.validation_interval = validation_interval
        self.n_steps = self.n_rows = self.n_epochs_before = 0
        self.n_steps_before_row = 0
        self.has_open_row = self.is_within_epoch = False
        self.loss = RunningLoss()
        self._row_began = 0.0
        self._seconds_before = 0.0
        self._drawn_from: Mapping[str, Any] | None = None

    def begin_epoch(self, rng: np.random.Generator) -> None:
        """Begin, or go on: an epoch's plan is drawn from this generator again."""
        self._drawn_from = rng.bit_generator.state

    def end_epoch(self) -> None:
        """End the epoch, whole or not."""
        self.n_steps = self.n_steps_before_row = 0
        self._drawn_from = None

    def begin_row(self) -> float:
        """Begin a row of the history; seconds that it has taken in an earlier process."""
        before, self._seconds_before = self._seconds_before, 0.0
        self._row_began = time.time() - before
        self.has_open_row = True
        return before

    def end_row(self) -> None:
        """End the row."""
        self.n_rows += 1
        self.n_steps_before_row = self.n_steps
        self.has_open_row = False
        self.loss.reset()

    def take(self, losses: Tensor, weights: Tensor) -> None:
        """Count steps that were taken, of these losses and weights."""
        self.n_steps += losses.numel()
        self.loss.add(losses, weights)

    def is_due(self, interval: int | None, n_batches: int) -> bool:
        """Whether something is due now, within an epoch."""
        return interval is not None and self.n_steps < n_batches and self.n_steps % interval == 0

    def n_until_pause(self, n_batches: int) -> int:
        """Number of steps until something is due, or until the end of the epoch."""
        intervals = (self.checkpoint_interval, self.validation_interval)
        return min([n_batches - self.n_steps, *(i - self.n_steps % i for i in intervals if i)])

    def state_of_generator(self, rng: np.random.Generator) -> Mapping[str, Any]:
        """State from which the current epoch was drawn, or the next one will be."""
        return rng.bit_generator.state if self._drawn_from is None else self._drawn_from

    def state_dict(self) -> dict[str, Any]:
        """What a training goes on from, beside the generator."""
        open_for = time.time() - self._row_began if self.has_open_row else 0.0
        return {
            "n_steps": self.n_steps,
            "n_steps_before_row": self.n_steps_before_row,
            "n_rows": self.n_rows,
            "seconds": open_for,
            **self.loss.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Restore the state."""
        self.n_steps, self.n_rows = state["n_steps"], state["n_rows"]
        self.n_steps_before_row = state["n_steps_before_row"]
        self._seconds_before = state["seconds"]
        self.loss.load_state_dict(state, device)
