"""Worker processes: how they are started, asked and ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class WorkerFailedError(RuntimeError):
    """A worker could not be started, has died, or has raised an exception."""


class Process:
    """An interpreter that prepares and runs works on demand."""

    def __init__(self, python: Path, cores: int | None = None) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the process)
        try:
            self._popen = subprocess.Popen(
                [python, "-m", "benchmarks.worker", *([] if cores is None else [str(cores)])],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
            )
        except FileNotFoundError as error:
            self._log.close()
            raise WorkerFailedError(f"there is no {os.path.relpath(python, ROOT)}") from error

    def ask(self, **request: Any) -> None:
        """Send a request. Where nobody reads it, the missing reply tells."""
        with suppress(BrokenPipeError):
            print(json.dumps(request), file=self._popen.stdin, flush=True)

    def reply(self) -> dict[str, Any]:
        """Wait for the reply to the oldest request."""
        line = self._popen.stdout.readline()
        if not line:
            raise WorkerFailedError(f"died with {self._popen.wait()}: {self._last_words()}")
        reply = json.loads(line)
        if "failed" in reply:
            raise WorkerFailedError(_plain(reply["failed"]))
        return reply

    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._popen.poll() is None

    def close(self) -> None:
        """Let it end."""
        with suppress(BrokenPipeError):
            self._popen.stdin.close()
        self._popen.wait()
        self._popen.stdout.close()
        self._log.close()

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().splitlines()
        return _plain(next((line for line in reversed(lines) if line.strip()), ""))


def _plain(message: str) -> str:
    """The first line, without what a table would take for markup."""
    return re.sub(r"[`*|\\]", "", message.split("\n")[0])


class Pool:
    """The processes of a theme. They live from case to case, as a user's session does."""

    def __init__(self) -> None:
        self._processes: dict[str, Process] = {}

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.keep(())

    def get(self, home: str, python: Path, cores: int | None) -> Process:
        """The process of that name, started if there is none."""
        if home not in self._processes:
            self._processes[home] = Process(python, cores)
        return self._processes[home]

    def keep(self, homes: Iterable[str]) -> None:
        """End all processes but these, and let these forget what they have prepared."""
        kept = set(homes)
        for home, process in list(self._processes.items()):
            if home not in kept or not process.is_alive():
                self._processes.pop(home).close()
            else:
                process.ask(do="clear")
                process.reply()
