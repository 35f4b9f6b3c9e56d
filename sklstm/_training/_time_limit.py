"""Time limits: when a training ends, and how its schedule is planned again for the time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from torch import nn

from sklstm._batching._loader import LabelledSequences
from sklstm._tasks._task import Task
from sklstm.nn._ensemble import TokenEnsemble

# Cost of a prediction relative to that of a training step of as many sequences.
PREDICTION_COST = 1 / 3
# Seconds that the end of a fit takes in any case: threads and heap are given back.
END_SECONDS = 0.005
# The pace is known after an epoch, or after this share of the time.
SETTLING_SHARE = 0.1
# The cost of a step is a mean over the steps of about an epoch, and over at least so many.
MIN_WINDOW = 16
# Maximum number of steps that a GPU takes between two looks at the clock, which wait for it, and
# maximum share of the steps left.
MAX_AT_ONCE, SHARE_AT_ONCE = 32, 1 / 8


# A clock in seconds that is never set back. Tests put another one here.
clock = time.monotonic


def now() -> float:
    """Seconds of the clock."""
    return clock()


@dataclass(frozen=True)
class TimeLimit:
    """Time that a fit may take.

    Parameters
    ----------
    seconds : float
        The time, from the call of ``fit``.
    began : float
        When it was called.
    """

    seconds: float
    began: float

    @property
    def deadline(self) -> float:
        """When the time is over."""
        return self.began + self.seconds


@dataclass(frozen=True)
class Reserve:
    """What is left to do when the last step has been taken.

    Parameters
    ----------
    seconds : float, default=0.0
        Estimate by what was measured before.
    n_predicted : int, default=0
        Number of sequences that are predicted once, by the network.
    n_scored : int, default=0
        Number of sequences that are predicted at the end of each epoch.
    """

    seconds: float = 0.0
    n_predicted: int = 0
    n_scored: int = 0

    @classmethod
    def of(
        cls,
        module: nn.Module,
        task: Task,
        *,
        n_read: int,
        n_shared: int,
        held_out: LabelledSequences | None,
        known: LabelledSequences | None,
        n_scored: int,
        seconds: float,
    ) -> Self:
        """Reserve of a training of ``n_read`` sequences.

        ``n_shared`` of them are predicted for the share of the network, ``held_out`` sequences for
        shares and shifts, ``known`` ones and ``n_scored`` of the training in each epoch. What is
        fitted in closed form has taken some ``seconds`` before.
        """
        n_held_out, n_known = (0 if part is None else len(part) for part in (held_out, known))
        n_shifted = (n_held_out or n_known) if task.fits_shifts else 0
        # With the linear model of tokens, which is then fitted to all; or with convolutions.
        fits_again = isinstance(module, TokenEnsemble) and n_held_out > 0
        n_again = n_held_out + (n_read if fits_again else n_shifted)
        n_predicted = n_shared + n_held_out + n_shifted
        return cls(seconds * n_again / n_read, n_predicted, n_known + n_scored)


class Pace:
    """How far a training is, and how far its schedule has to be, to end in time.

    The place of step k is k, from 0 to ``n_steps - 1``, as long as all steps fit into the time
    left. Otherwise, the rest of the places is spread evenly over the steps that do fit, anew after
    each of them.

    Parameters
    ----------
    limit : TimeLimit
        Time of the fit.
    n_epochs, n_batches : int
        Number of epochs of the whole training, and of steps of an epoch.
    batch_size : int
        Number of sequences of a step.
    reserve : Reserve
        What is left to do after the training.
    now : callable, default=now
        The clock; of several ranks the first one's.
    """

    def __init__(
        self,
        limit: TimeLimit,
        n_epochs: int,
        n_batches: int,
        batch_size: int,
        reserve: Reserve,
        now: Callable[[], float] = now,
    ) -> None:
        self._now = now
        self._limit = limit
        self.n_steps = n_epochs * n_batches
        self._n_batches = n_batches
        self._reserve = reserve
        self._n_scored = PREDICTION_COST * reserve.n_scored / batch_size
        self._n_predicted = PREDICTION_COST * reserve.n_predicted / batch_size
        self.is_over = False
        self.begin(0)

    def begin(self, n_epochs_done: int, n_steps_done: int = 0) -> None:
        """Begin to count, after epochs of an earlier call, and steps of the next one."""
        # When the last step ended, and when the clock was read last.
        self._began = self._last = self._seen = self._now()
        self._n_planned = self._n_taken = n_epochs_done * self._n_batches + n_steps_done
        self.place = float(self._n_planned)
        self._n_measured = 0
        self._per_step: float | None = None
        self._per_epoch_end: float | None = None

    @property
    def is_on_plan(self) -> bool:
        """Whether the place of the next step is what it is without a limit."""
        return self.place == self._n_planned

    @property
    def n_at_once(self) -> int:
        """Number of steps to take on a GPU before the clock is read."""
        if self._per_step is None:
            return 1
        return min(MAX_AT_ONCE, max(1, int(SHARE_AT_ONCE * self._n_fitting())))

    @property
    def has_one_step(self) -> bool:
        """Whether the time was over after a single step."""
        return self.is_over and self._n_measured == 1

    def take(self, n_steps: int) -> bool:
        """Count steps that were just taken; whether the time is over."""
        self._seen = self._now()
        # The first step is slower: kernels are compiled and the optimizer's state is allocated.
        if self._n_measured:
            window = min(self._n_measured - 1 + n_steps, max(self._n_batches, MIN_WINDOW))
            latest = (self._seen - self._last) / n_steps
            before = latest if self._per_step is None else self._per_step
            self._per_step = before + (latest - before) * min(1.0, n_steps / window)
        self._last = self._seen
        self._n_measured += n_steps
        self._n_taken += n_steps
        return self._look()

    def end_epoch(self) -> bool:
        """Measure what followed the last step of an epoch; whether the time is over."""
        self._seen = self._now()
        self._per_epoch_end = self._seen - self._last
        return self._look()

    def advance(self) -> None:
        """Move to the place of the next step."""
        self._n_planned += 1
        n_left = self.n_steps - self._n_planned
        if self._has_settled():
            n_left = min(n_left, self._n_fitting() - (self._n_planned - self._n_taken))
        self.place += (self.n_steps - 1 - self.place) / max(1, n_left)

    def _look(self) -> bool:
        has_steps = self._n_taken < self.n_steps
        self.is_over |= has_steps and self._seconds_left() < (self._per_step or 0.0)
        return self.is_over

    def _has_settled(self) -> bool:
        total = self._limit.deadline - self._began
        is_late = self._seen - self._began >= SETTLING_SHARE * total
        return self._per_step is not None and (is_late or self._n_measured >= self._n_batches)

    def _n_fitting(self) -> int:
        """Number of steps that fit into the time left."""
        # 0 as long as the clock does not tick.
        if not self._per_step:
            return self.n_steps
        return int(min(max(0.0, self._seconds_left() / self._per_step), self.n_steps))

    def _seconds_left(self) -> float:
        """Time left for steps at the latest look at the clock."""
        per_step = self._per_step or 0.0
        at_end = self._per_epoch_end
        if at_end is None:
            at_end = self._n_scored * per_step
        after = self._reserve.seconds + self._n_predicted * per_step + END_SECONDS
        return self._limit.deadline - self._seen - at_end - after
