"""The hints of a report: what should be looked at before a fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sklstm._sequences import Array
from sklstm._validation._messages import counted, enumerate_names
from sklstm._validation._numbers import are_mostly_numbers, reads_as_number
from sklstm.datasets._checked import Checked
from sklstm.datasets._columns import FeatureStatistics, Table, percent
from sklstm.datasets._leakage import (
    Hint,
    Target,
    duplicates,
    identifies,
    reveals,
    telling_names,
)

LAST = " in the last timestep"


class Candidate(NamedTuple):
    """One value for each sequence, NaN where there is none, that might tell the target."""

    column: str
    values: Array
    are_codes: bool = False
    is_last: bool = False
    # What the values are, for texts: of a static column nothing needs to be said.
    which: str = ""


def hints_of(checked: Checked, statistics: FeatureStatistics, features: Table) -> Iterator[Hint]:
    """All hints."""
    yield from (Hint("misread", None, text) for text in checked.warnings)
    yield from _at_texts(checked)
    yield from _at_values(features, checked.estimator)
    if not checked.takes_tokens:
        yield from _at_nothing_measured(checked, statistics)
        yield from telling_names([*checked.names, *checked.static_names])
        yield from _at_time(checked, statistics)
    yield from duplicates(checked.sequences, checked.targets, checked.groups)
    targets = [*_targets(checked)]
    yield from _at_rare_classes(targets)
    lengths = checked.sequences.lengths.astype(np.float64)
    for target in targets:
        if reveals(lengths, target):
            yield Hint("lengths_reveal_target", None, f"The lengths alone tell {target.name}.")
    for candidate in _candidates(checked, statistics):
        yield from _at_candidate(candidate, targets)


def _at_texts(checked: Checked) -> Iterator[Hint]:
    """Categories that look like measurements, read as texts because of a few others."""
    for name, values in checked.schema.categories.items():
        if not are_mostly_numbers(values):
            continue
        # Whole numbers may be codes.
        numbers = filter(reads_as_number, values)
        fractions = [value for value in numbers if not value.lstrip("-").isdigit()]
        if fractions:
            text = (
                f"{name!r} is a category although most of its texts are numbers, such as"
                f" {fractions[0]!r}. If it is a measurement: pandas.to_numeric(...,"
                " errors='coerce')."
            )
            yield Hint("misread", name, text)


def _at_values(features: Table, estimator: str) -> Iterator[Hint]:
    columns = zip(*features.values(), strict=True)
    rows: list[dict[str, Any]] = [dict(zip(features, column, strict=True)) for column in columns]
    infinite = [row for row in rows if row["n_infinite"]]
    if infinite:
        found = enumerate_names(infinite, lambda row: f"{row['name']!r} ({row['n_infinite']})")
        yield _of(infinite, "infinite", f"Infinite values, which a fit refuses: {found}.")
    missing = [row for row in rows if row["missing"] and row["kind"] == "number"]
    if missing:
        found = enumerate_names(missing, lambda row: f"{row['name']!r} ({percent(row['missing'])})")
        remedy = f"Put sklstm.preprocessing.SequenceImputer() before {estimator}"
        yield _of(missing, "missing", f"Missing values: {found}. {remedy}.")
    constant = [row for row in rows if row["constant"] and row["missing"] < 1]
    if constant:
        found = enumerate_names(constant, lambda row: repr(row["name"]))
        yield _of(constant, "constant", f"Constant, so they say nothing: {found}.")


def _at_nothing_measured(checked: Checked, statistics: FeatureStatistics) -> Iterator[Hint]:
    """Sequences whose values, or those of a feature, are all missing."""
    if checked.schema.categories:
        return
    # Without a finite value: what there is may be infinite.
    unknown = set(np.flatnonzero(np.isnan(statistics.lowest).all(axis=1)).tolist())
    pairs = enumerate(checked.sequences)
    empty = [index for index, x in pairs if index in unknown and np.isnan(x).all()]
    if empty:
        found = enumerate_names(empty, lambda index: f"X[{index}]")
        has, them = ("has", "it") if len(empty) == 1 else ("have", "them")
        text = (
            f"{counted(len(empty), 'sequence')} {has} no measurement: {found}. Leave {them} out: an"
            " imputer would make up all values."
        )
        yield Hint("nothing_measured", None, text)
    lacks = np.isnan(statistics.lowest) & (statistics.n_infinite == 0)
    lacks[empty] = False
    rows_of = {name: np.flatnonzero(lacks[:, at]) for at, name in enumerate(checked.names)}
    several = len(checked.sequences) - len(empty)
    partly = [name for name, rows in rows_of.items() if 0 < len(rows) < several]
    if partly:
        found = enumerate_names(
            partly,
            lambda name: f"{name!r} ({enumerate_names(rows_of[name], lambda row: f'X[{row}]')})",
        )
        text = (
            f"Features without any value in some sequences: {found}. An imputer would make up all"
            " of them."
        )
        yield Hint("nothing_measured", partly[0] if len(partly) == 1 else None, text)


def _of(rows: list[dict[str, Any]], kind: str, text: str) -> Hint:
    """The hint at one feature, or at several."""
    return Hint(kind, rows[0]["name"] if len(rows) == 1 else None, text)


def _at_time(checked: Checked, statistics: FeatureStatistics) -> Iterator[Hint]:
    """Numbers that only count."""
    is_short = (checked.sequences.lengths < 2).all() and len(checked.sequences) < 10
    numbers = [name for name in checked.names if name not in checked.schema.categories]
    for at, name in enumerate(numbers):
        if statistics.increases[at] and len(checked.sequences) > 1 and not is_short:
            text = f"{name!r} grows from each timestep to the next over all data, as an index does."
            yield Hint("identifier", name, text)
        elif not np.isnan(statistics.step[at]):
            text = f"{name!r} grows by {statistics.step[at]:.6g} a timestep, as a clock does."
            yield Hint("clock", name, text)


def _targets(checked: Checked) -> Iterator[Target]:
    if checked.targets is None:
        return
    if checked.targets.ndim == 1:
        values = checked.targets
        if not checked.predicts_numbers:
            values = np.unique(values, return_inverse=True)[1]
        yield Target(values, not checked.predicts_numbers, "the target")
        return
    for column, values in enumerate(checked.targets.T):
        yield Target(values, not checked.predicts_numbers, f"y[:, {column}]")


def _at_rare_classes(targets: list[Target]) -> Iterator[Hint]:
    for target in targets:
        if target.are_classes:
            rare = int((np.unique(target.values, return_counts=True)[1] == 1).sum())
            if rare:
                text = f"{rare} class(es) of {target.name} have one sequence, too few for a split."
                yield Hint("rare_class", None, text)


def _candidates(checked: Checked, statistics: FeatureStatistics) -> Iterator[Candidate]:
    sequences = checked.sequences
    if not checked.takes_tokens:
        lows, highs = statistics.lowest, statistics.highest
        last = sequences.values[sequences.offsets[1:] - 1]
        numbers = [name for name in checked.names if name not in checked.schema.categories]
        for at, name in enumerate(numbers):
            is_constant = bool((lows[:, at] == highs[:, at]).all())
            if is_constant and (sequences.lengths > 1).any():
                yield Candidate(name, lows[:, at], which=", constant in each sequence,")
            elif np.isfinite(last[:, at]).all():
                yield Candidate(name, last[:, at], False, True, LAST)
    codes, static = sequences.codes, checked.schema.static
    for at, name in enumerate(checked.schema.categories):
        if codes is not None:
            ends = codes[sequences.offsets[1:] - 1, at].astype(np.float64)
            yield Candidate(name, ends, True, True, LAST)
    if static is not None and sequences.static is not None:
        table, n = sequences.static, len(static.numbers)
        for at, name in enumerate(static.numbers):
            yield Candidate(name, table[:, at])
        for at, name in enumerate(static.categories, start=n):
            yield Candidate(name, table[:, at], True)


def _at_candidate(candidate: Candidate, targets: list[Target]) -> Iterator[Hint]:
    column, which = candidate.column, candidate.which
    if identifies(candidate.values) and not candidate.is_last:
        text = f"{column!r}{which} has another value for each sequence, as an id has."
        yield Hint("identifier", column, text)
    for target in targets:
        # A measurement whose last values are apart is what classes may differ in.
        kind = {"are_codes": candidate.are_codes, "by_range": not candidate.is_last}
        if reveals(candidate.values, target, **kind):
            yield Hint("reveals_target", column, f"{column!r}{which} alone tells {target.name}.")
