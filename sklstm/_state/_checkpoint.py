"""Checkpoint files: saved in the course of a fit, and resumed by the same fit."""

from __future__ import annotations

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
from sklstm._training._fitting import Job
from sklstm._training._net import SequenceNet
from sklstm._training._soundness import is_integer
from sklstm.exceptions import ModelFileError, TrainingDivergedError

CHECKPOINT = Kind("checkpoint", format=1)
FOLDER = "Several fits, as in a search, need an existing folder: each has a file of its own in it."


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

    Attributes
    ----------
    n_rows_done : int
        Number of rows of the history that the file has of this fit.
    is_complete : bool
        Whether the fit ended otherwise than by its time limit.
    """

    def __init__(self, path: Path, fingerprint: Fingerprint, seed: int) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.seed = seed
        self.n_rows_done = 0
        self.is_complete = True
        self._snapshot: Mapping[str, Any] | None = None
        if path.exists():
            self._read()

    def _read(self) -> None:
        content = read_file(self.path, CHECKPOINT)
        try:
            earlier = Fingerprint(**content["fingerprint"])
            differences = self.fingerprint.differences(earlier)
            if not differences:
                self._take(content)
        except MALFORMED as error:
            raise self._makes_no_sense(error) from error
        if differences:
            raise ValueError(
                f"The checkpoint {str(self.path)!r} belongs to a different fit:"
                f" {', '.join(differences)}."
                f"\n\nDelete the file to start over, or name another one. {FOLDER}"
            )

    def _take(self, content: Mapping[str, Any]) -> None:
        """Take seed and snapshot; raise ValueError if no such fit can have written them."""
        seed = content["seed"]
        is_drawn = self.fingerprint.parameters["random_state"] == as_text(None)
        if not (is_integer(seed) and 0 <= seed < 2**63 and (is_drawn or seed == self.seed)):
            raise ValueError(f"The seed cannot be {seed!r:.60}.")
        n_rows_done = content["net"]["progress"]["n_rows"]
        if not is_integer(n_rows_done) or n_rows_done < 0:
            raise ValueError(f"n_rows cannot be {n_rows_done!r:.60}.")
        self.seed, self.n_rows_done = int(seed), int(n_rows_done)
        self._snapshot = content["net"]

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
    path = Path(configuration.checkpoint)
    if path.is_dir():
        path /= f"{of_this_fit.digest[:32]}.safetensors"
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
        try:
            checkpoint = Checkpoint(path, of_this_fit, configuration.random_state)
            yield checkpoint
        except TrainingDivergedError:
            path.unlink(missing_ok=True)
            raise
        if not job.has_seed and checkpoint.is_complete:
            path.unlink(missing_ok=True)
