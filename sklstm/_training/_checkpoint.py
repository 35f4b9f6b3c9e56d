"""The file that a fit writes while it runs, and from which the same fit goes on."""

from __future__ import annotations

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
from sklstm._training._fingerprint import Fingerprint, as_text
from sklstm._training._net import SequenceNet
from sklstm._training._snapshot import restore_snapshot, take_snapshot
from sklstm._training._soundness import is_integer, is_real
from sklstm.exceptions import ModelFileError, TrainingDivergedError

CHECKPOINT = Kind("checkpoint", format=1)
FOLDER = "Several fits, as in a search, need an existing folder: each has a file of its own in it."


class Checkpoint:
    """Where a fit has come to, on the disk.

    Parameters
    ----------
    path : Path
        The file. What is in it is read first.
    fingerprint : Fingerprint
        Of the fit; that of another fit in the file is an error.
    seed : int
        The fit's, unless the file has one.
    interval : int
        Epochs from one writing to the next.
    """

    def __init__(self, path: Path, fingerprint: Fingerprint, seed: int, interval: int) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.seed = seed
        self.interval = interval
        # What the first training came to, as soon as the refit has begun.
        self.summary: dict[str, Any] | None = None
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
                f"The checkpoint {str(self.path)!r} is of another fit: {', '.join(differences)}."
                f"\n\nDelete the file to begin anew, or name another one. {FOLDER}"
            )

    def _take(self, content: Mapping[str, Any]) -> None:
        """The parts but for the fingerprint; ValueError for what no fit of its kind has written."""
        seed, summary, parameters = content["seed"], content["summary"], self.fingerprint.parameters
        is_drawn = parameters["random_state"] == as_text(None)
        if not (is_integer(seed) and 0 <= seed < 2**63 and (is_drawn or seed == self.seed)):
            raise ValueError(f"The seed cannot be {seed!r:.60}.")
        if summary is not None:
            refits = parameters["early_stopping"] == parameters["refit"] == as_text(True)
            _check_summary(summary, int(parameters["max_epochs"]) if refits else 0)
        self.seed, self.summary, self._snapshot = int(seed), summary, content["net"]

    def begin(self, net: SequenceNet) -> None:
        """Bring a net whose training has just begun to where it was, if it was anywhere."""
        if self._snapshot is None:
            self.write(net)
            return
        try:
            restore_snapshot(net, self._snapshot)
        except (RuntimeError, *MALFORMED) as error:
            raise self._makes_no_sense(error) from error
        self._snapshot = None

    def begin_refit(self, summary: dict[str, Any]) -> None:
        """The first training is over, and the next one begins anew."""
        self.summary, self._snapshot = summary, None

    def after_epoch(self, net: SequenceNet) -> None:
        """Write what the net has come to, if it is time or the end."""
        is_last = net.should_stop or net.n_epochs_done == net.max_epochs
        if is_last or net.n_epochs_done % self.interval == 0:
            self.write(net)

    def write(self, net: SequenceNet) -> None:
        """Replace the file; after an error it is the earlier one."""
        content = {
            "fingerprint": asdict(self.fingerprint),
            "seed": self.seed,
            "summary": self.summary,
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


def _check_summary(summary: Mapping[str, Any], max_epochs: int) -> None:
    """Raise ValueError unless a training of so many epochs at most may have come to this."""
    history, best = summary["history"], summary["best_epoch"]
    n_epochs = len(history["epoch"])
    fits = (
        summary.keys() == {"history", "best_epoch", "best_score", "stop_reason"}
        and all(array.shape == (n_epochs,) for array in history.values())
        and is_integer(best)
        and 1 <= best <= min(n_epochs, max_epochs)
        and is_real(summary["best_score"])
        and summary["stop_reason"] in ("no_improvement", "callback", "max_epochs")
    )
    if not fits:
        raise ValueError("What the training before the refit came to is impossible.")


@contextmanager
def open_checkpoint(
    given: str | os.PathLike[str],
    fingerprint: Fingerprint,
    *,
    seed: int,
    interval: int,
    is_repeatable: bool,
) -> Iterator[Checkpoint]:
    """The checkpoint of the fit, for it alone.

    Afterwards it is kept if the fit ``is_repeatable``, so that the same call has its result at
    once. Otherwise, and if the training diverged, it is removed.
    """
    path = Path(given)
    if path.is_dir():
        path /= f"{fingerprint.digest[:32]}.safetensors"
    # Two names of a file are one.
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
            yield Checkpoint(path, fingerprint, seed, interval)
        except TrainingDivergedError:
            path.unlink(missing_ok=True)
            raise
        if not is_repeatable:
            path.unlink(missing_ok=True)
