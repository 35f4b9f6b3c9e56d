"""A process that works on demand: ``python -m benchmarks.worker``, started by `benchmarks.harness`.

Requests and replies are JSON, one a line. A request to prepare names a module of contestants, a
function in it, settings and a file of data; a request to run names what was prepared.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from benchmarks.data import load
from benchmarks.work import Settings, Work


def prepare(works: dict[str, Work], request: dict[str, Any]) -> dict[str, Any]:
    """Build a work and keep it under its name."""
    module = importlib.import_module(f"benchmarks.contestants.{request['contestant']}")
    settings = Settings(**request["settings"])
    data = load(request["data"]).first(settings.n_sequences) if request["data"] else None
    works[request["name"]] = getattr(module, request["work"])(settings, data)
    return {}


def run(works: dict[str, Work], request: dict[str, Any]) -> dict[str, Any]:
    """Seconds, the rise of memory at its peak, and what the work says of its result."""
    work = works[request["name"]]
    forget_peak()
    before = resident_mib("VmRSS")
    start = time.perf_counter()
    result = work.run(request["repeat"])
    seconds = time.perf_counter() - start
    peak = resident_mib("VmHWM")
    memory = None if before is None else peak - before
    return {"seconds": seconds, "memory_mib": memory, "checks": work.check(result)}


def clear(works: dict[str, Work], request: dict[str, Any]) -> dict[str, Any]:
    """Forget what was prepared."""
    works.clear()
    return {}


def resident_mib(field: str) -> float | None:
    """Resident memory now (VmRSS) or at its peak (VmHWM) in MiB; None where Linux does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else None


def forget_peak() -> None:
    """Let Linux count the peak of the resident memory anew."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def take_over_stdout() -> TextIO:
    """The pipe to the driver; what libraries print goes to stderr from now on."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return channel


def main() -> None:
    """Answer requests until there are no more."""
    channel = take_over_stdout()
    works: dict[str, Work] = {}
    commands = {"prepare": prepare, "run": run, "clear": clear}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = commands[request["do"]](works, request)
        except Exception as error:  # whatever it is, it is reported in the table
            reply = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=channel, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        # Before torch is imported: its threads are counted then.
        os.sched_setaffinity(0, range(int(sys.argv[1])))
    main()
