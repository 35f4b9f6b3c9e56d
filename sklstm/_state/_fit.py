"""One fit from its job to the trained net: in this process alone, or by several ranks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch

from sklstm._data._labelled import Labelled
from sklstm._runtime._device import count_cuda_devices
from sklstm._runtime._modes import own_modes
from sklstm._runtime._randomness import own_turn
from sklstm._runtime._ranks import Ranks, is_first, take_launcher
from sklstm._runtime._threads import single_threaded
from sklstm._runtime._torch_settings import own_settings
from sklstm._runtime._within import within
from sklstm._state._checkpoint import Checkpoint, open_checkpoint
from sklstm._state._fingerprint import as_text, digest_of
from sklstm._state._sendable import check_sendable
from sklstm._state._snapshot import restore_snapshot
from sklstm._training._agreement import check_same_data, for_other_ranks
from sklstm._training._fitting import Job, fit_model
from sklstm._training._net import SequenceNet
from sklstm._training._time_limit import TimeLimit, now
from sklstm._training._train import TrainingSummary

# Trained net, its summary and its seed.
Trained = tuple[SequenceNet, TrainingSummary, int]


def fit(job: Job) -> Trained:
    """Trained net, its summary and its seed; by ranks, if there is someone to start them."""
    launcher = take_launcher()
    return fit_resumably(job) if launcher is None else launcher.run(RankedFit(job))


def fit_resumably(job: Job, ranks: Ranks | None = None) -> Trained:
    """The same of a process alone, or of one of the ``ranks``."""
    with _opened(job, ranks) as checkpoint:
        if job.fit_task is not None:
            n_rows_done = 0 if checkpoint is None else checkpoint.n_rows_done
            by_epoch = job.configuration.validation_interval is None
            n_rows = job.configuration.max_epochs if by_epoch else None
            job.fit_task.begin(n_rows, n_rows_done)
        fitted = fit_model(job, checkpoint, ranks)
        if checkpoint is not None:
            checkpoint.is_complete = fitted[1].stop_reason != "max_time"
        return fitted


@contextmanager
def _opened(job: Job, ranks: Ranks | None) -> Iterator[Checkpoint | ToldCheckpoint | None]:
    with open_checkpoint(job) as own:
        is_there = own is not None if ranks is None else ranks.tell(own is not None)
        yield ToldCheckpoint(own, ranks) if ranks is not None and is_there else own


class ToldCheckpoint:
    """Checkpoint that rank 0 reads and writes, and whose content it tells the others.

    Parameters
    ----------
    own : Checkpoint or None
        That of rank 0.
    ranks : Ranks
        The ranks.
    """

    def __init__(self, own: Checkpoint | None, ranks: Ranks) -> None:
        self._own, self._ranks = own, ranks
        known = (0, 0) if own is None else (own.seed, own.n_rows_done)
        self.seed, self.n_rows_done = ranks.tell(known)

    @property
    def is_complete(self) -> bool:
        """As of `Checkpoint`."""
        return self._own is None or self._own.is_complete

    @is_complete.setter
    def is_complete(self, value: bool) -> None:
        if self._own is not None:
            self._own.is_complete = value

    def begin(self, net: SequenceNet) -> None:
        """Restore the saved state, if any, to a net whose training has just begun."""
        own = self._own
        snapshot: Mapping[str, Any] | None = self._ranks.tell(None if own is None else own.snapshot)
        if own is not None:
            own.begin(net)
        elif snapshot is not None:
            restore_snapshot(net, snapshot)

    def write(self, net: SequenceNet) -> None:
        """Save the state, in rank 0."""
        if self._own is not None:
            self._own.write(net)


class RankedFit:
    """A `Work`: a fit that ranks compute.

    Parameters
    ----------
    job : Job
        The fit, with the user's callbacks.
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    @property
    def data(self) -> FitData:
        """Training and validation data."""
        return FitData(self._job.data, self._job.held_out)

    @property
    def device(self) -> torch.device:
        """Device that the ranks compute on."""
        device: torch.device = self._job.configuration.device
        return device

    @property
    def call(self) -> RankOfFit:
        """Function that computes a rank elsewhere."""
        limit = self._job.limit
        elapsed = None if limit is None else now() - limit.began
        # Its parts come by ``data``; scikit-learn's callbacks stay with the caller.
        job = replace(self._job, data=None, held_out=None, fit_task=None)  # type: ignore[arg-type]
        return RankOfFit(job, elapsed)

    def here(self, ranks: Ranks, device: torch.device | None = None) -> Trained:
        """Compute a rank in this process, on another device if one is given."""
        return compute(_on(self._job, device or self.device), ranks)

    def receive(self, returned: Trained) -> Trained:
        """The result, of what `call` returned in rank 0, on the device of the same name here."""
        net, summary, _ = returned
        if self._job.fit_task is not None:
            # scikit-learn's callbacks are told of the fit alone: its epochs were elsewhere.
            self._job.fit_task.begin(len(summary.history["epoch"]), 0)
        if (self.device.index or 0) < count_cuda_devices():
            move(net, self.device)
        return returned


class FitData(NamedTuple):
    """Training and validation data of a fit."""

    training: Labelled
    held_out: Labelled | None


@dataclass(frozen=True, eq=False)
class RankOfFit:
    """A fit without its data, and how long ago it was called."""

    job: Job
    elapsed: float | None

    def __reduce__(self) -> tuple[Any, ...]:
        check_sendable(self.job.configuration)
        return RankOfFit, (self.job, self.elapsed)

    def on(self, device: torch.device) -> RankOfFit:
        """The same on another device."""
        return replace(self, job=_on(self.job, device))

    def for_others(self) -> RankOfFit:
        """The same for ranks other than the first one, without the user's callbacks."""
        configuration = for_other_ranks(self.job.configuration)
        # loky pickles in another thread, and would not give the error to the caller.
        check_sendable(configuration)
        return replace(self, job=replace(self.job, configuration=configuration))

    def __call__(self, data: FitData, ranks: Ranks) -> Trained | None:
        """Compute a rank; the result in rank 0."""
        limit = self.job.limit
        if limit is not None and self.elapsed is not None:
            # The clock of another process, or machine.
            limit = TimeLimit(limit.seconds, now() - self.elapsed)
        job = replace(self.job, data=data.training, held_out=data.held_out, limit=limit)
        configuration = job.configuration
        settings = own_settings(
            training=True,
            on_gpu=configuration.device.type != "cpu",
            may_use_tf32=configuration.precision == "tf32",
        )
        contexts = [settings, own_modes(gradients=True), single_threaded(), own_turn()]
        trained = within(contexts, lambda: compute(job, ranks))
        # A CUDA device of another machine may not be there where the result is read.
        move(trained[0], torch.device("cpu"))
        return trained if is_first(ranks) else None


def _on(job: Job, device: torch.device) -> Job:
    """The same on another device."""
    return replace(job, configuration=replace(job.configuration, device=device))


def move(net: SequenceNet, device: torch.device) -> None:
    """Put a trained net, with the state of its optimizer, on a device."""
    net.module_.to(device)
    net.device = str(device)
    for state in net.optimizer_.state.values():
        for name, value in state.items():
            state[name] = value.to(device) if isinstance(value, torch.Tensor) else value


def compute(job: Job, ranks: Ranks) -> Trained:
    """Compute a rank of a fit in this process."""
    check_same_data(ranks, _described(job))
    seed = ranks.tell(job.configuration.random_state)
    job = replace(job, configuration=replace(job.configuration, random_state=seed))
    if is_first(ranks):
        return fit_resumably(job, ranks)
    job = replace(job, configuration=for_other_ranks(job.configuration), fit_task=None)
    with warnings.catch_warnings():
        # Those of rank 0 are enough.
        warnings.simplefilter("ignore")
        return fit_resumably(job, ranks)


def _described(job: Job) -> list[str]:
    """What tells fits of different data or networks apart, without reading the sequences."""
    parts = [job.data] + ([] if job.held_out is None else [job.held_out])
    digests = [
        digest_of(part.sequences.lengths, *part.task.digest_of(part.targets), part.sample_weight)
        for part in parts
    ]
    configuration = job.configuration
    sizes = (configuration.batch_size, configuration.max_epochs, configuration.learning_rate)
    return [*digests, as_text(sizes), as_text(vars(configuration.network))]
