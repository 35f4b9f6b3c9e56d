"""The themes, in the order of the report.

A theme is a module with ``TITLE``, ``cases(long)``, which says what is measured, ``targets``, which
compares a result with what was aimed at, and ``draw``, which makes its picture.
"""

from __future__ import annotations

from types import ModuleType

from benchmarks.themes import (
    bfloat16,
    fit,
    growth,
    imports,
    limit,
    memory,
    prediction,
    scale,
    search,
    single,
    step,
    stream,
    unequal,
)

THEMES: dict[str, ModuleType] = {
    "step": step,
    "unequal": unequal,
    "fit": fit,
    "prediction": prediction,
    "single": single,
    "stream": stream,
    "memory": memory,
    "search": search,
    "bfloat16": bfloat16,
    "growth": growth,
    "limit": limit,
    "imports": imports,
    "scale": scale,
}
