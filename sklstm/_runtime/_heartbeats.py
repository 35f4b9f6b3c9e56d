"""Heartbeats of ranks in a store, and their errors: who has failed, died or hangs."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import traceback
from contextlib import suppress
from typing import Any

from sklstm.exceptions import RankError

# Seconds between two beats, and number of own beats after which one that does not beat is dead, if
# a connection has broken as well.
INTERVAL, N_MISSED = 0.5, 4
# Maximum length of an error's text in the store.
MAX_TEXT = 20_000
GO_ON = "With checkpoint=..., the same call of fit goes on from the last state in it."


class Heartbeats:
    """Tells other ranks that this one is alive, and finds out whether they are.

    Time is counted in own beats: a machine that sleeps, or a job that is suspended as a whole,
    does not make the others look dead.

    Parameters
    ----------
    store : torch.distributed.Store
        A connection of its own: others may wait in theirs.
    rank, size : int
        Number of this rank and number of ranks.
    timeout : float
        Seconds without a beat after which a rank hangs.
    gpu : str, default=None
        Name of this rank's GPU.
    """

    def __init__(
        self, store: Any, rank: int, size: int, timeout: float, gpu: str | None = None
    ) -> None:
        self.rank, self.size, self.timeout = rank, size, timeout
        self.hung: RankError | None = None
        self._store = store
        self._n_beats = 0
        self._latest = [b""] * size
        self._missed = [0] * size
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sklstm-heartbeats", daemon=True)
        who = {"process": os.getpid(), "host": socket.gethostname(), "gpu": gpu}
        store.set(f"who/{rank}", json.dumps(who))
        store.set(f"beat/{rank}", "0")

    def has_arrived(self, rank: int) -> bool:
        """Whether a rank has begun."""
        return bool(self._store.check([f"beat/{rank}"]))

    def begin(self) -> None:
        """Begin to beat, when all ranks have arrived."""
        self._thread.start()

    def end(self) -> None:
        """End the thread."""
        self._is_over.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=INTERVAL)

    def leave(self) -> None:
        """Let the others know that this rank ends, so that it does not look dead."""
        with suppress(RuntimeError):
            self._store.set(f"left/{self.rank}", "1")

    def report(self, error: BaseException) -> None:
        """Put an error into the store, unless one is there: the others' are its consequences."""
        text = "".join(traceback.format_exception(error))[-MAX_TEXT:]
        kind = type(error).__name__
        report = {"rank": self.rank, "kind": kind, "message": str(error), "traceback": text}
        with suppress(RuntimeError):
            self._store.compare_set("error", "", json.dumps(report))

    def failure(self) -> RankError:
        """Why another rank no longer answers; takes seconds if it has not said so itself."""
        for _ in range(4 * N_MISSED):
            reported = self._reported() or self.hung
            if reported is not None:
                return reported
            lost = [r for r in range(self.size) if self._missed[r] >= N_MISSED]
            if lost:
                return self._lost(lost[0])
            time.sleep(INTERVAL / 2)
        return RankError(f"The connection to another rank was lost.\n\n{GO_ON}")

    def check(self) -> None:
        """Raise what is known by now of a rank that has failed or hangs."""
        failure = self._reported() or self.hung
        if failure is not None:
            raise failure

    def _run(self) -> None:
        while not self._is_over.wait(INTERVAL):
            try:
                self._beat()
            except (RuntimeError, ValueError):
                # The store is at rank 0, or ends with all ranks.
                if not self._is_over.is_set():
                    self._missed[0] = max(self._missed[0], N_MISSED)
                return

    def _beat(self) -> None:
        self._n_beats += 1
        self._store.set(f"beat/{self.rank}", str(self._n_beats))
        beats = self._store.multi_get([f"beat/{r}" for r in range(self.size)])
        for r, beat in enumerate(beats):
            is_alive = beat != self._latest[r] or r == self.rank
            self._missed[r] = 0 if is_alive or self._has_left(r) else self._missed[r] + 1
        self._latest = beats
        longest = max(self._missed)
        if longest * INTERVAL > self.timeout:
            self.hung = self._hangs(self._missed.index(longest))

    def _has_left(self, rank: int) -> bool:
        return bool(self._store.check([f"left/{rank}"]))

    def _reported(self) -> RankError | None:
        with suppress(RuntimeError):
            if self._store.check(["error"]):
                report = json.loads(self._store.get("error"))
                message = (
                    f"{self.describe(report['rank'])} raised {report['kind']}: {report['message']}"
                )
                error = RankError(message, report["rank"])
                error.add_note(f"\nIn rank {report['rank']}:\n\n{report['traceback']}")
                return error
        return None

    def _lost(self, rank: int) -> RankError:
        return RankError(
            f"{self.describe(rank)} has died: it was killed, by the system if memory ran out, or"
            f" crashed.\n\n{GO_ON}",
            rank,
        )

    def _hangs(self, rank: int) -> RankError:
        return RankError(
            f"{self.describe(rank)} has not answered for {self.timeout:g} seconds: it hangs, or its"
            f" machine or the network does.\n\n{GO_ON}",
            rank,
        )

    def describe(self, rank: int) -> str:
        """A rank, for a message."""
        with suppress(RuntimeError, ValueError):
            who = self.who(rank)
            return f"Rank {rank} of {self.size} (process {who['process']} on {who['host']})"
        return f"Rank {rank} of {self.size}"

    def who(self, rank: int) -> dict[str, Any]:
        """Process, host and GPU of a rank."""
        who: dict[str, Any] = json.loads(self._store.get(f"who/{rank}"))
        return who
