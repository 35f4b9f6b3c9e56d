"""The machine, its threads and the versions that figures were taken with."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
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
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: version(name) for name in PACKAGES},
        "keras_packages": keras_versions(),
    }


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
