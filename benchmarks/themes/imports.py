"""Time to import the package, in a new interpreter, beside what it stands on."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmarks.harness import Case, Entry
from benchmarks.pictures import bars
from benchmarks.results import Target, ThemeResult
from benchmarks.work import Settings

TITLE = "Import"
MODULES = {
    "sklstm": "sklstm",
    "sklstm.LSTMSequenceClassifier": "sklstm; sklstm.LSTMSequenceClassifier",
    "torch": "torch",
    "scikit-learn": "sklearn.base",
    "nothing": "",
}


def cases(long: bool) -> list[Case]:
    """One case; the interpreter's own start is in all of them."""
    entries = (
        Entry(name, "imports", "start", Settings(module=module), process="imports")
        for name, module in MODULES.items()
    )
    return [Case("import in a new interpreter", "start", tuple(entries))]


def targets(result: ThemeResult) -> list[Target]:
    """There are none."""
    return []


def draw(result: ThemeResult) -> Figure:
    """Milliseconds from start to end."""
    return bars(result.cases, "milliseconds")
