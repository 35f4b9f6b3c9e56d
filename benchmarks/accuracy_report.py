"""The study of accuracy as tables and a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from tabulate import tabulate

from benchmarks.accuracy_settings import QUESTIONS, TARGETS
from benchmarks.pictures import COLOURS, OTHER

# Published methods that the default is ranked among.
METHODS = (
    "HC2", "MR-Hydra", "ROCKET", "InceptionTime", "LITETime", "QUANT", "ResNet", "FCN", "LSTM-FCN",
)  # fmt: skip
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
    gains = [
        fits.figure(setting, name, "accuracy") - fits.figure(first, name, "accuracy")
        for name in fits.sets
    ]
    against = f"{sum(g > 0 for g in gains)} / {sum(g < 0 for g in gains)}"
    seconds = fits.over_sets(setting, "seconds")
    return setting, *(f"{f:.3f}" for f in figures), f"{seconds:.1f}", against


def test_table(fits: Fits, setting: str, form: str) -> str:
    """One row for each set: the mean and range over seeds, beside target and published figures."""
    rows = []
    for name in fits.common([setting]).sets:
        seconds = [fit.seconds for fit in fits.of(setting, name)]
        rows.append(
            (
                name,
                *_against_target(fits, setting, name),
                *map(_or_dash, TARGETS.get(name, (None, None, None))[1:]),
                *(f"{fits.figure(setting, name, f):.3f}" for f in FIGURES[1:]),
                f"{mean(seconds):.1f} ({max(seconds):.1f})",
            )
        )
    headers = (
        "set", f"accuracy, {setting}", "target", "met", "LSTM-FCN family", "ROCKET", "balanced",
        "log-loss", "calibration error", "seconds (most)",
    )  # fmt: skip
    return tabulate(rows, headers, tablefmt=form, disable_numparse=True)


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
        return found, "-", ""
    target = TARGETS[name][0]
    return found, f"{target:.3f}", "yes" if round(mean(accuracies), 4) >= target else "no"


def _or_dash(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.3f}"


def rank_table(fits: Fits, setting: str, published: pd.DataFrame, form: str) -> str:
    """One row for each method: its mean rank and accuracy, and the setting's on the same sets.

    ``published`` has accuracies by set and method. On each set the known ones are ranked, best
    first, ties sharing their mean rank.
    """
    own = {name: fits.figure(setting, name, "accuracy") for name in fits.common([setting]).sets}
    known = published.reindex(columns=METHODS).dropna(how="all").dropna(axis="columns", how="all")
    known = known.loc[[name for name in own if name in known.index]]
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
    for column, marker, label in ((1, "|", "LSTM-FCN family"), (2, "x", "ROCKET")):
        published = [TARGETS[name][column] if name in TARGETS else None for name in names]
        style = {"color": OTHER, "markersize": 9, "label": f"{label}, published"}
        axes.plot(*_known(published), marker, **style)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy, mean of the seeds")
    axes.grid(axis="x", alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def _known(figures: Sequence[float | None]) -> tuple[list[float], list[int]]:
    """Those that are known, and their rows."""
    rows = [row for row, figure in enumerate(figures) if figure is not None]
    return [figure for figure in figures if figure is not None], rows


def write(fits: Iterable[Any], folder: Path, published: pd.DataFrame | None = None) -> None:
    """All tables as reStructuredText for the documentation, and the picture.

    ``published`` as of `rank_table`, which is not remade without it.
    """
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
    if published is not None:
        table = rank_table(tested, "default", published, "rst")
        (folder / "ranks.rst").write_text(table + "\n")
    recipes = [s for s in QUESTIONS["recipes"] if any(f.setting == s for f in tested.fits)]
    if "default" in recipes:
        (folder / "test.rst").write_text(test_table(tested, "default", "rst") + "\n")
        (folder / "test_others.rst").write_text(other_settings_table(tested, "rst") + "\n")
        picture(tested, recipes).savefig(folder / "test.png", dpi=110)
