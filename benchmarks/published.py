"""Published figures, read from ``published.csv``, whose head names the sources."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

FILE = Path(__file__).parent / "published.csv"
# Of these the best figure counts: one architecture, with and without attention.
LSTM_FCN = ("LSTM-FCN", "ALSTM-FCN")


def read(path: Path = FILE) -> pd.DataFrame:
    """One row for each figure: ``set``, ``method``, ``measure``, ``figure`` and ``source``.

    Figures are text, as they are in the file: 0.289 was published with three digits.
    """
    return pd.read_csv(path, comment="#", dtype=str)


def accuracies(published: pd.DataFrame) -> pd.DataFrame:
    """Accuracies by set and method. Where sources differ, the first one counts."""
    rows = published[published["measure"] == "accuracy"].drop_duplicates(["set", "method"])
    return rows.astype({"figure": float}).pivot(index="set", columns="method", values="figure")


def of_all_sources(published: pd.DataFrame, name: str, method: str) -> list[float]:
    """What each source says of a method's accuracy on a set, in the order of the file."""
    rows = published[(published["set"] == name) & (published["method"] == method)]
    return [float(figure) for figure in rows.loc[rows["measure"] == "accuracy", "figure"]]


def best_of(published: pd.DataFrame, name: str, methods: Iterable[str]) -> list[float]:
    """The best accuracy of some methods on a set, as a list of one figure or none."""
    found = [figure for m in methods for figure in of_all_sources(published, name, m)]
    return [max(found)] if found else []


def as_text(figures: Iterable[float]) -> str:
    """Figures of three digits, each once, "-" where there are none."""
    return " / ".join(dict.fromkeys(f"{figure:.3f}" for figure in figures)) or "-"


def with_sources(published: pd.DataFrame, name: str) -> str:
    """All methods on a set, such as "DCNN 12.61 (Li 2018), LSTM 16.14 (Zheng 2017)"."""
    rows = published[published["set"] == name]
    by_source = {
        source: ", ".join(f"{row.method} {row.figure}" for row in of_it.itertuples())
        for source, of_it in rows.groupby("source", sort=False)
    }
    return ", ".join(f"{figures} ({source})" for source, figures in by_source.items())
