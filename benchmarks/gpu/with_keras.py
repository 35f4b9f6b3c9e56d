"""Keras on torch, where an environment has both, or has Keras and can use the torch of this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.work import N_CLASSES, Work
from benchmarks.harness import KERAS_PYTHON

SCRIPT = Path(__file__).with_name("keras_fit.py")
NO_KERAS = "no Python with Keras: make .venv-keras/.installed"
# More is not waited for.
SECONDS, N_EPOCHS = 40, 4


def keras_steps(works: tuple[Work, ...], device: str) -> list[float | str]:
    """Seconds of a step of each work; the reason where there are none."""
    given = {
        "works": [asdict(work) for work in works],
        "device": device,
        "n_epochs": N_EPOCHS,
        "n_classes": N_CLASSES,
        "folders": [str(Path(torch.__file__).parents[1])],
    }
    found: list[float] = []
    reason = NO_KERAS
    for python in filter(_has_keras, (Path(sys.executable), KERAS_PYTHON)):
        found, reason = _run(python, given)
        if found:
            break
    return [*found, *[reason] * (len(works) - len(found))]


def _run(python: Path, given: dict[str, Any]) -> tuple[list[float], str]:
    """Seconds, as far as they came, and the reason for those that did not."""
    command = [str(python), str(SCRIPT), json.dumps(given)]
    # Not the script's folder, in which a module is called `work`, as one of ours.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        try:
            subprocess.run(
                command, env=environment, stdout=output, stderr=errors, timeout=SECONDS, check=True
            )
            reason = ""
        except subprocess.TimeoutExpired:
            reason = f"not within {SECONDS} s"
        except subprocess.CalledProcessError:
            errors.seek(0)
            reason = (errors.read().strip().splitlines() or ["failed"])[-1][:60]
        output.seek(0)
        return [float(line) for line in output.read().split()], reason


def _has_keras(python: Path) -> bool:
    if not python.exists():
        return False
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('keras') is None)"
    return subprocess.run([str(python), "-c", code]).returncode == 0
