"""Contestants in processes of their own, made to work in turns: A B C A B C ..."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data import Recipe
from benchmarks.processes import ROOT, Pool, Process, WorkerFailedError
from benchmarks.work import Settings

# scikeras needs an older scikit-learn than sklstm.
KERAS_PYTHON = ROOT / ".venv-keras/bin/python"
IN_KERAS_ENVIRONMENT = {"with_keras", "with_scikeras", "port_keras"}
# Seconds between two runs: a team of threads goes on spinning for a while after its work.
PAUSE = 0.02


@dataclass(frozen=True)
class Entry:
    """One contestant in one case.

    Attributes
    ----------
    name : str
        What it is called in tables.
    contestant, work : str
        The module in `benchmarks.contestants` and the function in it.
    units : float
        Each time is divided by this: steps, epochs, sequences, candidates.
    process : str
        Entries with the same one share an interpreter; by default each name has its own.
    cores : int or None
        Use only so many cores.
    """

    name: str
    contestant: str
    work: str
    settings: Settings
    data: Recipe | None = None
    units: float = 1.0
    process: str = ""
    cores: int | None = None

    def home(self, pool: Pool) -> Process:
        """The process that it works in."""
        in_keras = self.contestant in IN_KERAS_ENVIRONMENT
        python = KERAS_PYTHON if in_keras else Path(sys.executable)
        return pool.get(self.process or self.name, python, self.cores)


@dataclass(frozen=True)
class Case:
    """Entries that do the same work, timed in turns; a time is given for one ``unit``.

    Where it is ``for_memory`` one run is enough, each in a new process.
    """

    name: str
    unit: str
    entries: tuple[Entry, ...]
    for_memory: bool = False


@dataclass
class Record:
    """What was measured of an entry.

    Attributes
    ----------
    seconds : list of float
        Of each repeat, in the order in which they ran, for all units together.
    memory_mib : float or None
        By how much the resident memory rose in the first run, at its peak.
    checks : list of dict
        What the work said of the result of each repeat.
    failed : str
        Why there is no measurement; empty if there is one.
    """

    name: str
    units: float
    settings: dict[str, Any]
    seconds: list[float] = field(default_factory=list)
    memory_mib: float | None = None
    checks: list[dict[str, float]] = field(default_factory=list)
    failed: str = ""

    @property
    def unit_seconds(self) -> list[float]:
        """Seconds for one unit, of each repeat."""
        return [seconds / self.units for seconds in self.seconds]


class Shelf:
    """Files of data, each written once."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._paths: dict[Recipe, Path] = {}

    def path(self, recipe: Recipe | None) -> str:
        """The file of a recipe; empty for none."""
        if recipe is None:
            return ""
        if recipe not in self._paths:
            self._paths[recipe] = self._folder / f"{len(self._paths)}.npz"
            recipe.make().save(self._paths[recipe])
        return str(self._paths[recipe])


def measure(case: Case, pool: Pool, shelf: Shelf, repeats: int) -> list[Record]:
    """Let the entries of a case work in turns: once to warm up, then ``repeats`` times."""
    pool.keep(() if case.for_memory else [entry.process or entry.name for entry in case.entries])
    records = {e: Record(e.name, e.units, asdict(e.settings)) for e in case.entries}
    for entry, record in records.items():
        _ask_to_prepare(entry, record, pool, shelf)
    # All get ready at the same time.
    for entry, record in records.items():
        _receive(entry, record, pool)
    for repeat in range(2 if case.for_memory else repeats + 1):
        for entry, record in records.items():
            _run(entry, record, pool, repeat)
    return list(records.values())


def _ask_to_prepare(entry: Entry, record: Record, pool: Pool, shelf: Shelf) -> None:
    request = {
        "do": "prepare",
        "name": entry.name,
        "contestant": entry.contestant,
        "work": entry.work,
        "settings": record.settings,
        "data": shelf.path(entry.data),
    }
    try:
        entry.home(pool).ask(**request)
    except WorkerFailedError as error:
        record.failed = str(error)


def _receive(entry: Entry, record: Record, pool: Pool) -> dict[str, Any] | None:
    """The reply of an entry that has not failed before, None if it fails now."""
    if record.failed:
        return None
    try:
        return entry.home(pool).reply()
    except WorkerFailedError as error:
        record.failed = str(error)
        return None


def _run(entry: Entry, record: Record, pool: Pool, repeat: int) -> None:
    """One run; that of number 0 warms up, and its memory is what counts."""
    if record.failed:
        return
    time.sleep(PAUSE)
    entry.home(pool).ask(do="run", name=entry.name, repeat=repeat)
    reply = _receive(entry, record, pool)
    if reply is None:
        return
    if repeat == 0:
        record.memory_mib = reply["memory_mib"]
    else:
        record.seconds.append(reply["seconds"])
        record.checks.append(reply["checks"])
