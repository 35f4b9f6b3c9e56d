"""The figure of a report: lengths, target, features or tokens, and some sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sklstm._optional import require
from sklstm._sequences import Array

if TYPE_CHECKING:
    from sklstm.datasets._report import SequenceDataReport

# The most bars, lines and characters of a label that stay legible.
MOST_BARS, MOST_LINES, MOST_CHARACTERS = 20, 8, 24
# A feature whose scale is so many times another's makes a logarithmic axis.
LARGE_RATIO = 100


def draw(report: SequenceDataReport, figure: Any) -> Any:
    """Draw a report on a figure, or on a new one."""
    if figure is None:
        pyplot = require("matplotlib.pyplot", extra="plots")
        figure = pyplot.figure(figsize=(10, 6.2), layout="constrained")
    # Of categories alone there is nothing to draw.
    has_examples = report.tokens is not None or "number" in report.features["kind"]
    overview, *below = figure.subfigures(
        1 + has_examples, 1, height_ratios=(1.25, 1)[: 1 + has_examples], squeeze=False
    )[:, 0]
    axes = overview.subplots(1, 3 if report.target is not None else 2)
    _draw_lengths(axes[0], report)
    if report.target is not None:
        _draw_target(axes[1], report.target)
    if report.tokens is None:
        _draw_scales(axes[-1], report)
    else:
        _draw_tokens(axes[-1], report.tokens)
    if has_examples:
        _draw_examples(below[0], report)
    return figure


def _draw_lengths(ax: Any, report: SequenceDataReport) -> None:
    lengths = report.lengths
    span = int(lengths.max() - lengths.min()) + 1
    # Bins of whole timesteps.
    width = -(-span // 30)
    edges = lengths.min() - 0.5 + width * np.arange(-(-span // width) + 1)
    ax.hist(lengths, edges, color="C0", edgecolor="white", linewidth=0.5)
    ax.set(title="Lengths", xlabel="timesteps", ylabel="sequences")
    if span == 1:
        ax.set(xticks=[lengths[0]], xlim=(lengths[0] - 2, lengths[0] + 2))
    else:
        ax.xaxis.get_major_locator().set_params(integer=True)


def _draw_target(ax: Any, target: dict[str, Any]) -> None:
    if target["kind"] == "numbers":
        n_bins = int(np.clip(np.sqrt(len(target["values"])), 5, 50))
        for column, values in enumerate(target["values"].T[:MOST_LINES]):
            ax.hist(values, n_bins, histtype="step", color=f"C{column}", label=f"y[:, {column}]")
        if len(target["mean"]) > 1:
            ax.legend(fontsize="small")
        ax.set(title="Target", xlabel="y", ylabel="sequences")
        return
    labels, counts = target["classes"], np.array(target["counts"])
    n = len(labels)
    # The classes in their order if all can be drawn, otherwise the largest.
    rows = np.arange(n) if n <= MOST_BARS else np.argsort(-counts, kind="stable")[:MOST_BARS]
    ax.barh(np.arange(len(rows)), counts[rows], color="C0")
    ax.set_yticks(np.arange(len(rows)), [_short(labels[row]) for row in rows])
    ax.invert_yaxis()
    noun = "Labels" if target["kind"] == "several labels" else "Classes"
    ax.set(title=noun if len(rows) == n else f"{noun}, {len(rows)} of {n}", xlabel="sequences")


def _draw_tokens(ax: Any, tokens: dict[str, Any]) -> None:
    frequent = tokens["frequent"]
    ax.barh(np.arange(len(frequent)), list(frequent.values()), color="C0")
    ax.set_yticks(np.arange(len(frequent)), [_short(token) for token in frequent])
    ax.invert_yaxis()
    ax.set(title="Most frequent tokens", xlabel="timesteps")


def _draw_scales(ax: Any, report: SequenceDataReport) -> None:
    """Mean and standard deviation, minimum and maximum of each feature."""
    table = report.features
    rows = [i for i, mean in enumerate(table["mean"]) if np.isfinite(mean)]
    shown, n = rows[:MOST_BARS], len(table["name"])
    ax.set(title="Features" if len(shown) == n else f"Features, {len(shown)} of {n}")
    if not shown:
        ax.set(xticks=[], yticks=[], xlabel="no numbers")
        return
    mean, std, low, high = (
        np.array([table[key][row] for row in shown]) for key in ("mean", "std", "min", "max")
    )
    places = np.arange(len(shown))
    ax.hlines(places, low, high, color="0.6", linewidth=1, label="min to max")
    ax.hlines(
        places, mean - std, mean + std, color="C0", linewidth=5, alpha=0.6, label="mean ± std"
    )
    ax.plot(mean, places, "o", color="C0", markersize=4)
    ax.set_yticks(places, [_short(table["name"][row]) for row in shown])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    spread = std[std > 0]
    if len(spread) and spread.max() > LARGE_RATIO * spread.min():
        ax.set_xscale("symlog", linthresh=float(spread.min()))
        ax.set_xticks(_ticks(float(spread.min()), float(low.min()), float(high.max())))
    ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(0, -0.1), ncols=2, frameon=False)


def _ticks(linear: float, lowest: float, highest: float) -> list[float]:
    """0 and two powers of ten on each side of a symmetric logarithmic axis, if it goes so far.

    Of the axis of matplotlib the ticks around 0 overlap.
    """
    ticks = [0.0]
    for end in (lowest, highest):
        if abs(end) > 10 * linear:
            largest = np.floor(np.log10(abs(end)))
            middle = np.round((largest + np.log10(linear)) / 2)
            ticks += [float(np.sign(end) * 10**e) for e in {middle, largest}]
    return sorted(ticks)


def _draw_examples(figure: Any, report: SequenceDataReport) -> None:
    axes = figure.subplots(1, len(report.examples), sharey=True, squeeze=False)[0]
    table = report.features
    numbers = [i for i, kind in enumerate(table["kind"]) if kind == "number"][:MOST_LINES]
    for ax, (target, values) in zip(axes, report.examples, strict=True):
        if report.tokens is not None:
            ax.step(np.arange(len(values)), values[:, 0], where="mid", color="C0")
        marker = "o" if len(values) == 1 else None
        for at, row in enumerate(numbers):
            scaled, name = _scaled(values[:, at], table, row), _short(table["name"][row])
            ax.plot(scaled, color=f"C{at}", label=name, marker=marker)
        ax.set(title=_title(target, report), xlabel="timestep")
        ax.xaxis.get_major_locator().set_params(integer=True)
    of_numbers = "standardised features" if len(table["name"]) > 1 else str(table["name"][0])
    axes[0].set_ylabel("token id" if report.tokens is not None else _short(of_numbers))
    if len(numbers) > 1:
        handles, labels = axes[0].get_legend_handles_labels()
        n = sum(kind == "number" for kind in table["kind"])
        of_all = f"{len(numbers)} of {n} features" if n > len(numbers) else None
        figure.legend(handles, labels, loc="outside right", fontsize="small", title=of_all)


def _title(target: Any, report: SequenceDataReport) -> str:
    if report.target is None:
        return "a sequence"
    if report.target["kind"] == "several labels":
        return _short(f"labels {', '.join(map(str, target))}" if target else "no label")
    return f"y = {_short(target)}"


def _scaled(values: Array, table: dict[str, list[Any]], row: int) -> Array:
    """A feature by its own scale if there are several, so that all can be seen."""
    if len(table["name"]) == 1:
        return values
    scaled: Array = (values - table["mean"][row]) / (table["std"][row] or 1.0)
    return scaled


def _short(label: Any) -> str:
    # A dollar sign would begin a formula.
    text = str(round(label, 3) if isinstance(label, float) else label).replace("$", r"\$")
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
