"""The study of accuracy as tables and a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from tabulate import tabulate

from benchmarks import published
from benchmarks.accuracy_settings import QUESTIONS, TARGETS
from benchmarks.pictures import COLOURS, OTHER

# The sets that README.md shows beside published figures, in its order, and its sets of texts with
# their names there.
SHOWN = (
    "JapaneseVowels", "NATOPS", "Libras", "Epilepsy", "PenDigits", "ECG5000",
    "ShakeGestureWiimoteZ", "GunPoint", "ArrowHead", "ItalyPowerDemand", "BasicMotions", "OSULeaf",
)  # fmt: skip
TEXTS = {
    "mr": "film reviews", "trec": "TREC, 6 classes", "atis": "ATIS", "sms_spam": "SMS spam",
}  # fmt: skip
FIGURES = ("accuracy", "balanced_accuracy", "log_loss", "calibration_error")


class Fits:
    """Fits of one part, "cv" or "test", by setting and set."""

    def __init__(self, fits: Iterable[Any], part: str) -> None:
        self.part = part
        self.fits = [fit for fit in fits if fit.part == part]

    def common(self, settings: Sequence[str]) -> Fits:
        """Those of these settings, on sets and with seeds that all of them were fitted with."""
        done = [{(f.set, f.seed) for f in self.fits if f.setting == s} for s in settings]
        shared = set.intersection(*done) if done else set()
        fits = [f for f in self.fits if f.setting in settings and (f.set, f.seed) in shared]
        return Fits(fits, self.part)

    @property
    def sets(self) -> list[str]:
        """The names of the sets."""
        return sorted({fit.set for fit in self.fits})

    def of(self, setting: str, name: str) -> list[Any]:
        """The fits of a setting on a set."""
        return [f for f in self.fits if (f.setting, f.set) == (setting, name)]

    def figure(self, setting: str, name: str, figure: str) -> float:
        """Its mean over the fits of a setting on a set."""
        return mean(getattr(fit, figure) for fit in self.of(setting, name))

    def over_sets(self, setting: str, figure: str) -> float:
        """The mean over sets of the mean over fits."""
        return mean(self.figure(setting, name, figure) for name in self.sets)


def question_table(fits: Fits, settings: Sequence[str], form: str) -> str:
    """One row for each setting: means over sets, and on how many sets it beat the first setting."""
    settings = [s for s in settings if any(f.setting == s for f in fits.fits)]
    fits = fits.common(settings)
    rows = [_row(fits, setting, settings[0]) for setting in settings]
    headers = (
        f"setting, {len(fits.sets)} sets", "accuracy", "balanced", "log-loss", "calibration error",
        "seconds", "better / worse",
    )  # fmt: skip
    return tabulate(rows, headers, tablefmt=form, disable_numparse=True)


def _row(fits: Fits, setting: str, first: str) -> tuple[str, ...]:
    figures = [fits.over_sets(setting, figure) for figure in FIGURES]
    # Means of the same accuracies in another order may differ in their last bit.
    gains = [
        round(fits.figure(setting, name, "accuracy") - fits.figure(first, name, "accuracy"), 9)
        for name in fits.sets
    ]
    against = f"{sum(g > 0 for g in gains)} / {sum(g < 0 for g in gains)}"
    seconds = fits.over_sets(setting, "seconds")
    return setting, *(f"{f:.3f}" for f in figures), f"{seconds:.1f}", against


def test_table(fits: Fits, setting: str, form: str) -> str:
    """One row for each set: the mean and range over seeds, beside target and published figures."""
    known = published.read()
    rows = [
        (name, *_against_target(fits, setting, name), *_published(known, name))
        for name in fits.common([setting]).sets
    ]
    headers = ("set", "accuracy", "target", "met", "LSTM-FCN family", "ROCKET")
    return tabulate(rows, headers, tablefmt=form, disable_numparse=True)


def other_figures_table(fits: Fits, setting: str, form: str) -> str:
    """One row for each set: the other figures of `test_table`'s fits."""
    rows = []
    for name in fits.common([setting]).sets:
        seconds = [fit.seconds for fit in fits.of(setting, name)]
        figures = [f"{fits.figure(setting, name, figure):.3f}" for figure in FIGURES[1:]]
        rows.append((name, *figures, f"{mean(seconds):.1f} ({max(seconds):.1f})"))
    headers = ("set", "balanced accuracy", "log-loss", "calibration error", "seconds (most)")
    return tabulate(rows, headers, tablefmt=form, disable_numparse=True)


def _published(known: pd.DataFrame, name: str) -> tuple[str, str]:
    """What was published of the LSTM-FCN family and of ROCKET."""
    family = published.best_of(known, name, published.LSTM_FCN)
    rocket = published.of_all_sources(known, name, "ROCKET")
    return published.as_text(family), published.as_text(rocket)


def short_table(fits: Fits, form: str) -> str:
    """The table of README.md: mean accuracies of the default beside published ones."""
    known = published.read()
    names = [name for name in SHOWN if fits.of("default", name)]
    rows = [
        (name, f"{fits.figure('default', name, 'accuracy'):.3f}", *_published(known, name))
        for name in names
    ]
    headers = ("data set", "sklstm", "LSTM-FCN family", "ROCKET")
    return _as_table(rows, headers, form)


def short_text_table(fits: Fits, form: str) -> str:
    """The table of README.md for texts: accuracy and log-loss beside those of a linear model."""
    settings = ("default", "linear, C=10")
    rows = []
    for name, shown in TEXTS.items():
        if all(fits.of(setting, name) for setting in settings):
            figures = [
                [fits.figure(s, name, f) for f in ("accuracy", "log_loss")] for s in settings
            ]
            rows.append((shown, *(", ".join(f"{f:.3f}" for f in pair) for pair in figures)))
    return _as_table(rows, ("data set", "sklstm", "linear model"), form)


def _as_table(rows: Sequence[Sequence[str]], headers: Sequence[str], form: str) -> str:
    """A table by tabulate, or with ``form="markdown"`` one without spaces for alignment."""
    if form != "markdown":
        return tabulate(rows, headers, tablefmt=form, disable_numparse=True)
    lines = [f"| {' | '.join(cells)} |" for cells in (headers, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(headers), *lines[1:]])


def other_settings_table(fits: Fits, form: str) -> str:
    """One row for each set and each setting but those of texts that it was tested with."""
    of_text = QUESTIONS["text"]
    tested = sorted({(fit.set, fit.setting) for fit in fits.fits if fit.setting not in of_text})
    rows = [(name, setting, *_against_target(fits, setting, name)) for name, setting in tested]
    return tabulate(
        rows, ("set", "setting", "accuracy", "target", "met"), tablefmt=form, disable_numparse=True
    )


def _against_target(fits: Fits, setting: str, name: str) -> tuple[str, str, str]:
    """Mean and range of the accuracies, the target, and whether the mean reaches it."""
    accuracies = [fit.accuracy for fit in fits.of(setting, name)]
    found = f"{mean(accuracies):.3f} ({min(accuracies):.3f} to {max(accuracies):.3f})"
    if name not in TARGETS:
        return found, "", ""
    target = TARGETS[name]
    return found, f"{target:.3f}", "yes" if round(mean(accuracies), 4) >= target else "no"


def rank_table(fits: Fits, setting: str, known: pd.DataFrame, form: str) -> str:
    """One row for each method: its mean rank and accuracy, and the setting's on the same sets.

    ``known`` has published accuracies by set and method. On each set they are ranked, best first,
    ties sharing their mean rank.
    """
    own = {name: fits.figure(setting, name, "accuracy") for name in fits.common([setting]).sets}
    known = known.loc[[name for name in own if name in known.index]]
    known = known.dropna(how="all").dropna(axis="columns", how="all")
    known.insert(0, setting, pd.Series(own))
    ranks = known.rank(axis="columns", ascending=False).mean()
    rows = []
    for method in ranks.sort_values().index:
        theirs = known[method].dropna()
        ours = known[setting][theirs.index]
        against = f"{(theirs > ours).sum()} / {(theirs < ours).sum()}"
        figures = f"{ranks[method]:.2f}", f"{theirs.mean():.3f}", f"{ours.mean():.3f}"
        rows.append((f"{method}, {len(theirs)} sets", *figures, against))
    headers = ("method", "mean rank", "accuracy", f"{setting} there", "better / worse")
    return tabulate(rows, headers, tablefmt=form, disable_numparse=True)


def picture(fits: Fits, settings: Sequence[str]) -> Figure:
    """One line for each set: the test accuracy of each setting, and what was published."""
    names = fits.common(settings[:1]).sets
    figure = Figure(figsize=(8, 1.2 + 0.36 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    colours = [COLOURS["sklstm"], COLOURS["torch loop"], COLOURS["skorch"]]
    for setting, colour in zip(settings, colours, strict=False):
        known = [(row, name) for row, name in enumerate(names) if fits.of(setting, name)]
        accuracies = [fits.figure(setting, name, "accuracy") for _, name in known]
        axes.plot(accuracies, [row for row, _ in known], "o", color=colour, label=setting)
    known = published.read()
    family = [published.best_of(known, name, published.LSTM_FCN) for name in names]
    rocket = [published.of_all_sources(known, name, "ROCKET") for name in names]
    for found, marker, label in ((family, "|", "LSTM-FCN family"), (rocket, "x", "ROCKET")):
        style = {"color": OTHER, "markersize": 9, "label": f"{label}, published"}
        points = [(figure, row) for row, figures in enumerate(found) for figure in figures]
        axes.plot([x for x, _ in points], [row for _, row in points], marker, **style)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy, mean of the seeds")
    axes.grid(axis="x", alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def write(fits: Iterable[Any], folder: Path) -> None:
    """All tables as reStructuredText for the documentation, and the picture."""
    fits = list(fits)
    compared, tested, quarters = (Fits(fits, part) for part in ("cv", "test", "quarter"))
    for name, settings in QUESTIONS.items():
        if any(fit.setting in settings[1:] for fit in compared.fits):
            table = question_table(compared, settings, "rst")
            (folder / f"{name}.rst").write_text(table + "\n")
    if quarters.fits:
        table = question_table(quarters, QUESTIONS["fixed"], "rst")
        (folder / "quarter.rst").write_text(table + "\n")
    if any(fit.setting in QUESTIONS["text"][1:] for fit in tested.fits):
        table = question_table(tested, QUESTIONS["text"], "rst")
        (folder / "text_test.rst").write_text(table + "\n")
    recipes = [s for s in QUESTIONS["recipes"] if any(f.setting == s for f in tested.fits)]
    if "default" in recipes:
        known = published.accuracies(published.read()).drop(columns="ALSTM-FCN")
        (folder / "ranks.rst").write_text(rank_table(tested, "default", known, "rst") + "\n")
        (folder / "short.rst").write_text(short_table(tested, "rst") + "\n")
        (folder / "short_text.rst").write_text(short_text_table(tested, "rst") + "\n")
        (folder / "test.rst").write_text(test_table(tested, "default", "rst") + "\n")
        table = other_figures_table(tested, "default", "rst")
        (folder / "test_figures.rst").write_text(table + "\n")
        (folder / "test_others.rst").write_text(other_settings_table(tested, "rst") + "\n")
        picture(tested, recipes).savefig(folder / "test.png", dpi=110)
