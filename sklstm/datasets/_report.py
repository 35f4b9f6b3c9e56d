"""The report on sequences and their targets: text, tables for notebooks, figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from sklstm._sequences import Array, IntArray
from sklstm._tables import aligned, html_table
from sklstm._validation._messages import counted, spanned
from sklstm.datasets._columns import Table, percent
from sklstm.datasets._leakage import Hint
from sklstm.datasets._report_figure import draw

# Rows of a table that are shown; the attributes have all.
MOST_ROWS = 20
TITLES = {
    "name": "name",
    "kind": "kind",
    "n_categories": "categories",
    "n_distinct": "distinct",
    "missing": "missing",
    "n_infinite": "infinite",
    "mean": "mean",
    "std": "std",
    "min": "min",
    "max": "max",
    "constant_within": "constant within",
}
PERCENTS = ("missing", "constant_within")


@dataclass(frozen=True, eq=False, repr=False)
class SequenceDataReport:
    """Report on sequences and their targets, as returned by `describe`.

    ``print`` shows it as text, a notebook as tables, and `plot` as a figure.

    Attributes
    ----------
    kind : {"numbers", "token ids", "texts"}
        Kind of timesteps. The features of "numbers" may include categories.
    lengths : ndarray of shape (n_sequences,), int64
        Number of timesteps of each sequence, without padding.
    features : dict of list
        One row per feature, as columns for ``pandas.DataFrame``: ``name``, ``kind``
        ("number", "category" or "token id"), ``missing`` (fraction of the timesteps),
        ``n_infinite``, ``mean``, ``std``, ``min`` and ``max`` of the finite values over all
        timesteps, ``constant``, ``constant_within`` (fraction of the sequences with two or more
        timesteps in which it is constant), and ``n_categories`` if there are categories.
    static : dict of list
        The same for the static columns, with ``n_distinct``, the number of distinct values. Empty
        if there are none.
    tokens : dict or None
        For token ids and texts: ``vocabulary_size``, ``n_distinct``, ``unknown`` (fraction of the
        timesteps), and ``frequent``, the most frequent tokens with their counts.
    target : dict or None
        ``kind`` "classes" with ``classes``, ``counts`` and ``imbalance`` (ratio of the largest to
        the smallest count); "several labels" with ``classes``, ``counts``, ``n_without`` (sequences
        without a label) and ``mean_number`` of labels; or "numbers" with ``mean``, ``std``,
        ``quartiles`` (minimum to maximum) and ``values`` of each column.
    groups : dict or None
        ``n_groups``, the sizes of the ``smallest`` and ``largest`` group, and for classes
        ``n_of_one_class``, the number of groups with a single class.
    hints : tuple of Hint
        Possible problems, each with ``kind``, ``column`` (or None) and ``text``. The kinds are
        "misread" (a warning of ``fit``, or a category that looks like a number); "infinite",
        "missing" and "constant" features; "nothing_measured" (sequences that lack all values, or
        all of a feature); for leakage "duplicates", "conflicting_targets",
        "duplicates_across_groups", "identifier", "clock", "name_of_target", "reveals_target" and
        "lengths_reveal_target"; and "rare_class".
    estimator : str
        Name of the estimator for this target.
    resolved_params : dict or None
        Values of "auto" in a fit of the default estimator, for the parameters that depend on the
        data. None if values are infinite.
    examples : list of (target, ndarray of shape (n_timesteps, n_features))
        Some sequences, drawn by `plot`.
    """

    kind: str
    lengths: IntArray
    features: Table
    static: Table
    tokens: dict[str, Any] | None
    target: dict[str, Any] | None
    groups: dict[str, Any] | None
    hints: tuple[Hint, ...]
    estimator: str
    resolved_params: dict[str, Any] | None
    examples: list[tuple[Any, Array]]

    @property
    def n_sequences(self) -> int:
        """Number of sequences."""
        return len(self.lengths)

    @property
    def n_features(self) -> int:
        """Number of features of a timestep."""
        return len(self.features["name"])

    def plot(self, *, figure: Any = None) -> Any:
        """Plot lengths, target, scales of the features or frequent tokens, and some sequences.

        Parameters
        ----------
        figure : matplotlib Figure, default=None
            Empty figure to draw on. None means a new one.

        Returns
        -------
        matplotlib Figure
            The figure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        return draw(self, figure)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._headline()}>"

    def __str__(self) -> str:
        parts = [self._headline()]
        for title, lines in self._sections():
            parts.append("\n".join([title, *(f"  {line}" for line in lines)]))
        for title, table in self._tables():
            parts.append("\n".join([title, *(f"  {line}" for line in aligned(table, 1))]))
        parts.append("\n".join(["Hints", *(f"  - {text}" for text in self._texts_of_hints())]))
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        parts = [f"<h3>{escape(self._headline())}</h3>"]
        for title, lines in self._sections():
            parts.append(f"<h4>{escape(title)}</h4><p>{'<br>'.join(map(escape, lines))}</p>")
        for title, table in self._tables():
            parts.append(f"<h4>{escape(title)}</h4>{html_table(table, 1)}")
        items = "".join(f"<li>{escape(text)}</li>" for text in self._texts_of_hints())
        return f"<div>{''.join(parts)}<h4>Hints</h4><ul>{items}</ul></div>"

    # Parts --------------------------------------------------------------------------------------

    def _headline(self) -> str:
        shortest, longest = int(self.lengths.min()), int(self.lengths.max())
        span = spanned(shortest, longest, "timestep")
        what = counted(self.n_features, "feature") if self.tokens is None else self.kind
        static = f", {len(self.static['name'])} static column(s)" if self.static else ""
        return f"{self.n_sequences} sequences of {span}, {what}{static}"

    def _sections(self) -> list[tuple[str, list[str]]]:
        longest, n = int(self.lengths.max()), int(self.lengths.sum())
        are_equal = bool((self.lengths == longest).all())
        spread = f"all {longest}" if are_equal else _quartiles(self.lengths)
        sections = [("Lengths", [f"{spread}; {n} timesteps together"])]
        if self.tokens is not None:
            sections.append(("Tokens", self._lines_of_tokens(self.tokens)))
        if self.target is not None:
            sections.append(("Target", _lines_of_target(self.target)))
        if self.groups is not None:
            sections.append(("Groups", _lines_of_groups(self.groups)))
        return [*sections, (f'"auto" of {self.estimator}', self._lines_of_auto())]

    def _tables(self) -> list[tuple[str, list[list[str]]]]:
        tables = [("Features", self.features), ("Static columns", self.static)]
        return [
            (title, _cells(table)) for title, table in tables if table and not self._skips(table)
        ]

    def _skips(self, table: Table) -> bool:
        return table is self.features and self.tokens is not None

    def _lines_of_tokens(self, tokens: dict[str, Any]) -> list[str]:
        frequent = _listed([f"{token!r} {n}" for token, n in tokens["frequent"].items()])
        return [
            f"vocabulary_size {tokens['vocabulary_size']}, {tokens['n_distinct']} ids occur,"
            f" {percent(tokens['unknown'])} of the tokens are unknown",
            f"most frequent: {frequent}",
        ]

    def _lines_of_auto(self) -> list[str]:
        if self.resolved_params is None:
            return ["a fit refuses infinite values"]
        return [f"{name}={value!r}" for name, value in self.resolved_params.items()]

    def _texts_of_hints(self) -> list[str]:
        return [hint.text for hint in self.hints] or ["none"]


def _quartiles(values: Array) -> str:
    lowest, low, median, high, highest = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    return (
        f"min {_number(lowest)}, quartiles {_number(low)}, {_number(median)}, {_number(high)},"
        f" max {_number(highest)}"
    )


def _lines_of_target(target: dict[str, Any]) -> list[str]:
    if target["kind"] == "numbers":
        rows = zip(target["mean"], target["std"], target["values"].T, strict=True)
        return [
            f"numbers{f' y[:, {i}]' if len(target['mean']) > 1 else ''}: mean {_number(mean)},"
            f" std {_number(std)}, {_quartiles(values)}"
            for i, (mean, std, values) in enumerate(rows)
        ]
    pairs = zip(target["classes"], target["counts"], strict=True)
    listed = _listed([f"{label!r} {n}" for label, n in pairs])
    if target["kind"] == "classes":
        ratio = f"largest to smallest {_number(target['imbalance'])}"
        return [f"{len(target['classes'])} classes: {listed}; {ratio}"]
    return [
        f"{len(target['classes'])} labels: {listed}; {_number(target['mean_number'])} a sequence,"
        f" {target['n_without']} sequences without any"
    ]


def _lines_of_groups(groups: dict[str, Any]) -> list[str]:
    line = f"{groups['n_groups']} groups of {groups['smallest']} to {groups['largest']} sequences"
    if "n_of_one_class" in groups:
        line += f", {groups['n_of_one_class']} of them of one class"
    return [line]


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - MOST_ROWS} more" * (len(items) > MOST_ROWS)
    return ", ".join(items[:MOST_ROWS]) + more


def _number(value: float) -> str:
    return f"{value:.4g}"


# Tables -------------------------------------------------------------------------------------------


def _cells(table: Table) -> list[list[str]]:
    """The title row and the first rows of a table, as texts."""
    names = [
        name for name in TITLES if name in table and (name != "n_infinite" or any(table[name]))
    ]
    rows = [[TITLES[name] for name in names]]
    n = len(table["name"])
    rows += [[_cell(name, table[name][at]) for name in names] for at in range(min(n, MOST_ROWS))]
    if n > MOST_ROWS:
        rows.append([f"and {n - MOST_ROWS} more", *[""] * (len(names) - 1)])
    return rows


def _cell(name: str, value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if name in PERCENTS:
        return percent(value)
    return _number(value) if isinstance(value, float) else str(value)
