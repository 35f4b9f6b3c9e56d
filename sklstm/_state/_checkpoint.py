"""Checkpoint files: saved in the course of a fit, and resumed by the same fit."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sklstm._files._atomic import follow_links
from sklstm._files._container import MALFORMED, Kind, read_file, write_file
from sklstm._files._lock import locked
from sklstm._files._values import UnstorableError
from sklstm._state._fingerprint import Fingerprint, as_text, fingerprint
from sklstm._state._snapshot import describe_optimizer, restore_snapshot, take_snapshot
from sklstm._training._callbacks import depends_on_max_epochs
from sklstm._training._fitting import Job
from sklstm._training._net import SequenceNet
from sklstm._training._soundness import is_integer
from sklstm.exceptions import ModelFileError, TrainingDivergedError

CHECKPOINT = Kind("checkpoint", format=2)
FOLDER = "Several fits, as in a search, need an existing folder: each has a file of its own in it."
SLASHES = tuple(filter(None, (os.sep, os.altsep)))
RAISED = (
    " max_epochs can be raised where no epoch depends on it: with mixup_alpha=0, lr_schedule=None"
    " or 'plateau', and no scheduler among the callbacks."
)
# The end of a fit stays in the file if the next one has so many times its number of epochs. So
# there are few of them, and those of a successive halving are all there.
MIN_FACTOR = 2


class IsAheadError(ValueError):
    """The file holds a fit of more epochs, and not the end of this one."""


class Checkpoint:
    """Training state of a fit in a file.

    Parameters
    ----------
    path : Path
        The file. If it exists, it is read and checked.
    fingerprint : Fingerprint
        Fingerprint of the fit. A file with a different one is an error.
    seed : int
        Seed of the fit, unless the file has one.
    max_epochs : int
        Number of epochs of the fit.
    goes_on : bool
        Whether a fit of fewer epochs is the beginning of this one.

    Attributes
    ----------
    n_rows_done : int
        Number of rows of the history that the file has of this fit.
    is_complete : bool
        Whether the fit ended otherwise than by its time limit.
    """

    def __init__(
        self, path: Path, fingerprint: Fingerprint, seed: int, *, max_epochs: int, goes_on: bool
    ) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.seed = seed
        self._max_epochs = max_epochs
        self._goes_on = goes_on
        self.n_rows_done = 0
        self.is_complete = True
        self._snapshot: Mapping[str, Any] | None = None
        # Ends of fits of fewer epochs.
        self._ended: list[Mapping[str, Any]] = []
        if path.exists():
            self._read()

    def _read(self) -> None:
        content = read_file(self.path, CHECKPOINT)
        try:
            earlier = Fingerprint(**content["fingerprint"])
            planned = int(earlier.parameters["max_epochs"])
            differences = self._differences(earlier)
            if not differences:
                self._take(content, planned)
        except IsAheadError:
            raise
        except MALFORMED as error:
            raise self._makes_no_sense(error) from error
        if differences:
            raised = RAISED if any("'max_epochs'" in clause for clause in differences) else ""
            raise ValueError(
                f"The checkpoint {str(self.path)!r} belongs to a different fit:"
                f" {', '.join(differences)}."
                f"\n\nDelete the file to start over, or name another one. {FOLDER}{raised}"
            )

    def _differences(self, earlier: Fingerprint) -> list[str]:
        if not self._goes_on:
            return self.fingerprint.differences(earlier)
        return self.fingerprint.without("max_epochs").differences(earlier.without("max_epochs"))

    def _take(self, content: Mapping[str, Any], planned: int) -> None:
        """Take seed and snapshot; raise ValueError if no such fit can have written them.

        ``planned`` is the number of epochs of the fit that wrote them.
        """
        seed = content["seed"]
        is_drawn = self.fingerprint.parameters["random_state"] == as_text(None)
        if not (is_integer(seed) and 0 <= seed < 2**63 and (is_drawn or seed == self.seed)):
            raise ValueError(f"The seed cannot be {seed!r:.60}.")
        ended, net = list(content["ended"]), content["net"]
        for snapshot in [*ended, net]:
            counts = {name: snapshot["progress"][name] for name in ("n_rows", "n_steps")}
            for name, n in {"n_epochs_done": snapshot["n_epochs_done"], **counts}.items():
                if not is_integer(n) or n < 0:
                    raise ValueError(f"{name} cannot be {n!r:.60}.")
        n_begun = net["n_epochs_done"] + bool(net["progress"]["n_steps"])
        if self._goes_on and n_begun > self._max_epochs:
            net = self._end_of(ended, n_begun)
        elif net["n_epochs_done"] == planned <= self._max_epochs / MIN_FACTOR:
            # A copy: the optimizer that goes on writes into the arrays of its state.
            ended.append(copy.deepcopy(net))
        self.seed, self.n_rows_done = int(seed), int(net["progress"]["n_rows"])
        self._snapshot, self._ended = net, ended

    def _end_of(self, ended: list[Mapping[str, Any]], n_begun: int) -> Mapping[str, Any]:
        """The end of this fit, of which nothing is left to do."""
        for snapshot in ended:
            if snapshot["n_epochs_done"] == self._max_epochs:
                return snapshot
        raise IsAheadError(
            f"The checkpoint {str(self.path)!r} is that of {n_begun} epochs, more than"
            f" max_epochs={self._max_epochs}.\n\nSet max_epochs to {n_begun} or more, delete"
            f" the file to start over, or name another one. {FOLDER}"
        )

    @property
    def snapshot(self) -> Mapping[str, Any] | None:
        """The saved state, if any, until it is restored."""
        return self._snapshot

    def begin(self, net: SequenceNet) -> None:
        """Restore the saved state, if any, to a net whose training has just begun."""
        if self._snapshot is None:
            self.write(net)
            return
        try:
            restore_snapshot(net, self._snapshot)
        except (RuntimeError, *MALFORMED) as error:
            raise self._makes_no_sense(error) from error
        self._snapshot = None

    def write(self, net: SequenceNet) -> None:
        """Replace the file atomically: an error leaves the earlier one."""
        content = {
            "fingerprint": asdict(self.fingerprint),
            "seed": self.seed,
            "net": take_snapshot(net),
            "ended": self._ended,
        }
        try:
            write_file(self.path, CHECKPOINT, content)
        except UnstorableError as error:
            remedy = "Let callbacks record plain values, or fit without checkpoint."
            raise TypeError(f"{error}\n\n{remedy}") from error

    def _makes_no_sense(self, error: Exception) -> ModelFileError:
        return ModelFileError(
            f"{str(self.path)!r} does not describe a training: {type(error).__name__}:"
            f" {error!s:.200}"
        )


@contextmanager
def open_checkpoint(job: Job) -> Iterator[Checkpoint | None]:
    """Open and lock the checkpoint of a fit; None if the parameter is None.

    The file is kept at the end, so that the same call returns at once, unless the training diverged
    or the seed was drawn and the training is complete.
    """
    configuration = job.configuration
    if configuration.checkpoint is None:
        yield None
        return
    of_this_fit = fingerprint(
        configuration,
        job.data,
        job.held_out,
        job.previous,
        optimizer=describe_optimizer(configuration),
        seed=configuration.random_state if job.has_seed else None,
    )
    goes_on = not depends_on_max_epochs(configuration)
    paths = _paths(_check_path(configuration.checkpoint), of_this_fit, goes_on=goes_on)
    with ExitStack() as stack:
        for number, path in enumerate(paths, 1):
            try:
                opened = stack.enter_context(_opened(path, job, of_this_fit, goes_on=goes_on))
            except (BlockingIOError, IsAheadError):
                if number == len(paths):
                    raise
            else:
                break
        yield opened


def _check_path(checkpoint: str | os.PathLike[str]) -> Path:
    """The path; FileNotFoundError if it ends in a slash, which a Path drops, and is no folder."""
    path = Path(checkpoint)
    if os.fspath(checkpoint).endswith(SLASHES) and not path.is_dir():
        raise FileNotFoundError(
            f"The checkpoint {checkpoint!r} is not an existing folder."
            f"\n\nMake it first, os.makedirs({checkpoint!r}, exist_ok=True), or leave out the last"
            " character to name a file."
        )
    return path


def _paths(path: Path, fingerprint: Fingerprint, *, goes_on: bool) -> list[Path]:
    """Paths of the file of a fit, the preferred one first.

    In a folder, fits that differ in their number of epochs have one file, where they can go on from
    each other. Where they cannot, being at work at the same time or in the wrong order, each has a
    file of its own.
    """
    if not path.is_dir():
        return [path]
    own, shared = (
        path / f"{of.digest[:32]}.safetensors"
        for of in (fingerprint, fingerprint.without("max_epochs"))
    )
    return [shared, own] if goes_on and not own.exists() else [own]


@contextmanager
def _opened(
    path: Path, job: Job, fingerprint: Fingerprint, *, goes_on: bool
) -> Iterator[Checkpoint]:
    """Lock and read a checkpoint."""
    # The lock must be the same for every link to the file.
    path = follow_links(path)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path))
        except BlockingIOError as error:
            raise BlockingIOError(
                f"The checkpoint {str(path)!r} is in use by another fit.\n\nWait for its end, or"
                f" name another one. {FOLDER}"
            ) from error
        seed, max_epochs = job.configuration.random_state, job.configuration.max_epochs
        try:
            checkpoint = Checkpoint(path, fingerprint, seed, max_epochs=max_epochs, goes_on=goes_on)
            yield checkpoint
        except TrainingDivergedError:
            path.unlink(missing_ok=True)
            raise
        if not job.has_seed and checkpoint.is_complete:
            path.unlink(missing_ok=True)
