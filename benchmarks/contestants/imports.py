"""Importing a module in a new interpreter."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.data import Data
from benchmarks.work import Settings, Work


def start(settings: Settings, data: Data | None) -> Work:
    """A new interpreter that imports one module, or none, and ends."""
    command = [sys.executable, "-c", f"import {settings.module or 'sys'}"]

    def run(repeat: int) -> subprocess.CompletedProcess:
        return subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    return Work(run, lambda completed: {"exit code": completed.returncode})
