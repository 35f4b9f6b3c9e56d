"""The machine, its threads and the versions that figures were taken with."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import KERAS_PYTHON

PACKAGES = ("torch", "skorch", "scikit-learn", "numpy")
KERAS_PACKAGES = ("keras", "tensorflow_cpu", "scikeras", "scikit-learn", "numpy")


def environment() -> dict[str, Any]:
    """Processor, cores, threads and versions, as they stand in the results."""
    return {
        "processor": processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": has_bfloat16(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", ""),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: version(name) for name in PACKAGES},
        "keras_packages": keras_versions(),
    }


class Clock:
    """What time passes, and how much of the cores' time other processes take meanwhile."""

    def __init__(self) -> None:
        self._start = self._now()

    def read(self) -> tuple[float, float | None]:
        """Seconds since the start, and the fraction of the cores that others had (Linux only)."""
        seconds, ours, busy = (b - a for a, b in zip(self._start, self._now(), strict=True))
        share = max(0.0, busy - ours) / (seconds * os.cpu_count())
        return round(seconds, 1), round(share, 3) if busy else None

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds: the time, the work of this process and its ended children, all work."""
        return time.perf_counter(), sum(os.times()[:4]), _busy_seconds()


def _busy_seconds() -> float:
    """Of all cores since the start of the system; 0 where Linux does not tell."""
    try:
        first_line = Path("/proc/stat").read_text().split("\n")[0]
    except OSError:
        return 0.0
    user, nice, system, *_ = map(int, first_line.split()[1:])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def processor() -> str:
    """The processor's name as Linux has it, else as Python has it."""
    found = re.search(r"model name\s*:\s*(.*)", _cpuinfo())
    return found[1] if found else platform.processor()


def has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16 (Linux on x86 only)."""
    return bool(re.search(r"avx512_bf16|amx_bf16", _cpuinfo()))


def keras_versions() -> dict[str, str]:
    """Versions in the environment that Keras has to itself; empty without one."""
    code = (
        "import json; from importlib.metadata import version;"
        f"print(json.dumps({{n: version(n) for n in {KERAS_PACKAGES}}}))"
    )
    if not KERAS_PYTHON.exists():
        return {}
    output = subprocess.run([KERAS_PYTHON, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(output.stdout)


def describe(environment: dict[str, Any]) -> str:
    """One sentence for people."""
    ours, keras = (
        ", ".join(f"{name} {number}" for name, number in environment[key].items())
        for key in ("packages", "keras_packages")
    )
    return (
        f"{environment['processor']}, {environment['cores']} cores, {environment['capability']},"
        f" {environment['torch_threads']} torch threads, {environment['system']},"
        f" Python {environment['python']}, {ours}; beside it {keras or 'no Keras'}."
    )


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
