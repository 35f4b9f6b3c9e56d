"""Display of the history of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklstm._base import BaseSequenceEstimator
from sklstm._models import split_model
from sklstm._optional import require
from sklstm._sequences import Array

PARTS = ("train", "valid")
# The loss that is the negative of a score, if that is the loss.
LOSS_OF = {"train": "train_eval_loss", "valid": "valid_loss"}
LOSSES = ("train_loss", *LOSS_OF.values())
# Keyword arguments of a line.
Look = dict[str, Any]
TRAINING: Look = {"label": "training", "color": "C0"}
VALIDATION: Look = {"label": "validation", "color": "C1"}
BATCHES: Look = {"label": "training batches", "color": "C0", "linewidth": 1, "alpha": 0.6}
RATE: Look = {"color": "C2"}
PANEL_LABELS = {"learning_rate": "learning rate"}
# Maximum number of panels in a row, and their size in inches.
MAX_COLUMNS, PANEL_SIZE = 3, (4.0, 3.0)


class TrainingHistoryDisplay:
    """Plot of the training history: loss, scores and learning rate over the epochs.

    There is a panel for the loss, for each score and for the learning rate. A vertical line marks
    the epoch whose weights were kept. Another one marks the end of mixup, up to which the training
    loss is that of mixtures, which is higher. Create a display by `from_estimator`.

    Parameters
    ----------
    history : dict of array-like of shape (n_epochs,)
        Training history, as ``history_`` of an estimator. Scores are the entries that begin with
        ``train_`` or ``valid_``. Other entries, and those that are not numbers, are ignored.
    best_epoch : float, default=None
        Epoch whose weights were kept, counted from 1. None marks no epoch.
    score_name : str, default=None
        Name of ``train_score`` and ``valid_score``. None means "score".

    Attributes
    ----------
    ax_ : dict of str to matplotlib Axes
        Axes of the panels: "loss", the names of the scores, "learning_rate".
    figure_ : matplotlib Figure
        Figure that contains the panels.
    lines_ : dict of str to matplotlib Line2D
        The curves, by their names in ``history``.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores by number of training samples.

    Notes
    -----
    ``valid_score`` and ``train_score`` have no panel if they are the negative loss or the score of
    a metric that has a panel.

    Examples
    --------
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.inspection import TrainingHistoryDisplay
    >>> X, y = make_trends(n_sequences=60, random_state=0)
    >>> classifier = LSTMSequenceClassifier(
    ...     8, max_epochs=6, early_stopping=True, scoring=["accuracy", "loss"], random_state=0
    ... )
    >>> display = TrainingHistoryDisplay.from_estimator(classifier.fit(X, y))
    >>> list(display.ax_)
    ['loss', 'accuracy', 'learning_rate']
    >>> list(display.lines_)
    ['train_loss', 'valid_loss', 'valid_accuracy', 'learning_rate']
    """

    def __init__(
        self,
        history: Mapping[str, npt.ArrayLike],
        *,
        best_epoch: float | None = None,
        score_name: str | None = None,
    ) -> None:
        self.history = history
        self.best_epoch = best_epoch
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseSequenceEstimator | Pipeline,
        *,
        ax: Any = None,
        panels: Sequence[str] | None = None,
        score_name: str | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the history of a fitted estimator.

        Parameters
        ----------
        estimator : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
            Fitted estimator, or fitted pipeline that ends with one.
        ax : matplotlib Axes or sequence of Axes, default=None
            Axes to plot on: one that is divided among the panels, or one for each panel. None
            means a new figure.
        panels : sequence of str, default=None
            Names of the panels, such as ``["loss", "accuracy"]``. None means all.
        score_name : str, default=None
            Name of ``train_score`` and ``valid_score``. None means ``scoring``, if that is a name.
        line_kw : dict, default=None
            Keyword arguments for matplotlib's ``plot`` of the curves.

        Returns
        -------
        TrainingHistoryDisplay
            The display.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If ``estimator`` is not one of the above.
        ImportError
            If matplotlib is not installed.
        """
        _, last = split_model(estimator, "TrainingHistoryDisplay.from_estimator")
        check_is_fitted(last)
        scoring: Any = getattr(last, "scoring", None)
        if score_name is None and isinstance(scoring, str):
            score_name = scoring
        display = cls(history=last.history_, best_epoch=last.best_epoch_, score_name=score_name)
        return display.plot(ax, panels=panels, line_kw=line_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        panels: Sequence[str] | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of Axes, default=None
            Axes to plot on: one that is divided among the panels, or one for each panel. None
            means a new figure.
        panels : sequence of str, default=None
            Names of the panels, such as ``["loss", "accuracy"]``. None means all.
        line_kw : dict, default=None
            Keyword arguments for matplotlib's ``plot`` of the curves.

        Returns
        -------
        TrainingHistoryDisplay
            The display itself.
        """
        figures = _numbers_of(self.history)
        epochs = figures.get("epoch")
        if epochs is None:
            raise ValueError("The history has no 'epoch': it is not that of an estimator.")
        contents = _select(_panels_of(figures), panels)
        axes = _axes_for(ax, len(contents))
        self.ax_ = dict(zip(contents, axes, strict=True))
        self.figure_ = axes[0].figure
        self.lines_: dict[str, Any] = {}
        for panel, lines in contents.items():
            own = self.ax_[panel]
            for name, look in lines.items():
                look = {**look, **_marker_for(figures[name]), **(line_kw or {})}
                (self.lines_[name],) = own.plot(epochs, figures[name], **look)
            # The last panel has the most room in its legend.
            self._mark(own, figures, with_labels=own is axes[-1])
            self._label(own, panel)
        return self

    def _mark(self, ax: Any, figures: Mapping[str, Array], *, with_labels: bool) -> None:
        """Mark the ends of mixup and the epoch that was kept."""
        for i, position in enumerate(_ends_of_mixup(figures)):
            # In the legend once.
            label = "end of mixup" if with_labels and i == 0 else None
            ax.axvline(position, color="0.6", linestyle=":", zorder=0, label=label)
        if self.best_epoch is not None:
            label = f"kept: epoch {self.best_epoch:g}" if with_labels else None
            ax.axvline(self.best_epoch, color="0.2", linestyle="--", lw=1, zorder=0, label=label)

    def _label(self, ax: Any, panel: str) -> None:
        ticker = require("matplotlib.ticker", extra="plots")
        named = self.score_name if panel == "score" else None
        ax.set(xlabel="epoch", ylabel=named or PANEL_LABELS.get(panel, panel))
        ax.xaxis.set_major_locator(ticker.MaxNLocator("auto", integer=True))
        if ax.get_legend_handles_labels()[1]:
            ax.legend()


def _numbers_of(history: Mapping[str, Any]) -> dict[str, Array]:
    """The entries that are a number for each epoch."""
    arrays = {name: np.asarray(history[name]) for name in history}
    return {name: a for name, a in arrays.items() if a.ndim == 1 and a.dtype.kind in "iuf"}


def _panels_of(figures: Mapping[str, Array]) -> dict[str, dict[str, Look]]:
    """Name of each panel, and its lines with their looks."""
    looks = {"train_loss": TRAINING, "train_eval_loss": TRAINING, "valid_loss": VALIDATION}
    if "train_eval_loss" in figures:
        looks["train_loss"] = BATCHES
    panels = {"loss": looks}
    for metric in _metrics_of(figures):
        panels[metric] = {f"train_{metric}": TRAINING, f"valid_{metric}": VALIDATION}
    panels["learning_rate"] = {"learning_rate": RATE}
    present = {
        panel: {name: look for name, look in lines.items() if name in figures}
        for panel, lines in panels.items()
    }
    return {panel: lines for panel, lines in present.items() if lines}


def _metrics_of(figures: Mapping[str, Array]) -> list[str]:
    """Names of the scores, without "score" if that is another one or the negative loss."""
    parts = [name.partition("_")[::2] for name in figures if name not in LOSSES]
    metrics = list(dict.fromkeys(metric for part, metric in parts if part in PARTS))
    named = [metric for metric in metrics if metric != "score"]
    scores = _of_parts(figures, {part: f"{part}_score" for part in PARTS})
    others = [_of_parts(figures, {part: f"{part}_{metric}" for part in PARTS}) for metric in named]
    others += [{part: -loss for part, loss in _of_parts(figures, LOSS_OF).items()}]
    for other in others:
        if scores.keys() <= other.keys() and all(
            np.array_equal(score, other[part], equal_nan=True) for part, score in scores.items()
        ):
            return named
    return metrics


def _of_parts(figures: Mapping[str, Array], names: Mapping[str, str]) -> dict[str, Array]:
    """The figures of these names, by the part that is scored."""
    return {part: figures[name] for part, name in names.items() if name in figures}


def _select(
    contents: dict[str, dict[str, Look]], panels: Sequence[str] | None
) -> dict[str, dict[str, Look]]:
    if panels is None:
        return contents
    unknown = [name for name in panels if name not in contents]
    if unknown or not panels or isinstance(panels, str):
        raise ValueError(
            f"panels must be a list of some of {list(contents)}, which the history has. Got"
            f" {panels!r} instead."
        )
    return {name: contents[name] for name in panels}


def _axes_for(ax: Any, n_panels: int) -> list[Any]:
    """One Axes for each panel: those given, parts of a single one, or those of a new figure."""
    pyplot = require("matplotlib.pyplot", extra="plots")
    n_rows = -(-n_panels // MAX_COLUMNS)
    n_columns = -(-n_panels // n_rows)
    if ax is None:
        size = (PANEL_SIZE[0] * n_columns, PANEL_SIZE[1] * n_rows)
        figure = pyplot.figure(figsize=size, layout="constrained")
        return _fill(figure, figure.add_gridspec(n_rows, n_columns), n_panels)
    axes: list[Any] = (
        [ax] if isinstance(ax, pyplot.Axes) else np.asarray(ax, dtype=object).ravel().tolist()
    )
    if len(axes) == 1 < n_panels and axes[0].get_subplotspec() is not None:
        axes[0].set_axis_off()
        grid = axes[0].get_subplotspec().subgridspec(n_rows, n_columns)
        return _fill(axes[0].figure, grid, n_panels)
    if len(axes) != n_panels:
        raise ValueError(
            f"ax must be {n_panels} Axes, one for each panel, or a single subplot, which is"
            f" divided. Got {len(axes)}.\n\nName the panels that you want: panels=['loss', ...]."
        )
    return axes


def _fill(figure: Any, grid: Any, n_panels: int) -> list[Any]:
    """So many new Axes in the places of a grid."""
    places = list(np.ndindex(*grid.get_geometry()))
    return [figure.add_subplot(grid[place]) for place in places[:n_panels]]


def _ends_of_mixup(figures: Mapping[str, Array]) -> list[float]:
    """Places on the axis of epochs between an epoch with mixup and the next one without."""
    epochs = figures["epoch"]
    is_mixed = figures.get("mixup_alpha", np.zeros(len(epochs))) > 0
    last = np.flatnonzero(is_mixed[:-1] & ~is_mixed[1:])
    return [(epochs[i] + epochs[i + 1]) / 2 for i in last]


def _marker_for(values: Array) -> Look:
    """A marker if some values have no neighbour that a line could lead to."""
    known = np.concatenate([[False], np.isfinite(values), [False]])
    is_alone = known[1:-1] & ~known[:-2] & ~known[2:]
    return {"marker": "."} if is_alone.any() else {}
