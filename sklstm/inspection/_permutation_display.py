"""Display of permutation importances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np

from sklstm._optional import require
from sklstm._sequences import Array
from sklstm.inspection._colors import COLORMAP, axes_for, largest_of
from sklstm.inspection._permutation import permutation_importance

# Of segments, a tick at each fifth of the length.
PERCENTS = np.linspace(0, 1, 6)


class PermutationImportanceDisplay:
    """Plot of permutation importances: bars, or a heat map of features and segments.

    Error bars are the standard deviation over the permutations. In the heat map, red means that the
    exchange decreases the score, and blue that it increases it by chance. Create a display by
    `from_estimator` or `from_importances`.

    Parameters
    ----------
    importances : ndarray of shape (n_features, n_repeats), (n_segments, n_repeats) or \
(n_features, n_segments, n_repeats)
        Decrease of the score by each permutation.
    by : {"feature", "segment", "both"}
        What was exchanged.
    feature_names : list of str
        Names of the features.
    segment_bounds : ndarray of shape (n_segments + 1,)
        Bounds of the segments as fractions of the length.
    score_name : str, default="score"
        Name of the score.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure of the last plot.
    ax_ : matplotlib Axes
        Axes of the last plot.
    bars_ : matplotlib BarContainer or None
        The bars. None for ``by="both"``.
    im_ : matplotlib AxesImage or None
        The heat map. None unless ``by="both"``.

    See Also
    --------
    permutation_importance : Compute the importances.

    Examples
    --------
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.inspection import PermutationImportanceDisplay
    >>> X, y = make_trends(60, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, max_epochs=3, n_kernels=0, random_state=0)
    >>> _ = classifier.fit(X, y)
    >>> display = PermutationImportanceDisplay.from_estimator(
    ...     classifier, X, y, by="segment", random_state=0
    ... )
    >>> len(display.bars_)
    10
    """

    figure_: Any
    ax_: Any
    bars_: Any
    im_: Any

    def __init__(
        self,
        importances: Array,
        *,
        by: str,
        feature_names: Sequence[str],
        segment_bounds: Array,
        score_name: str = "score",
    ) -> None:
        self.importances = importances
        self.by = by
        self.feature_names = feature_names
        self.segment_bounds = segment_bounds
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        by: Literal["feature", "segment", "both"] = "feature",
        *,
        scoring: Any = None,
        max_features: int = 20,
        ax: Any = None,
        **parameters: Any,
    ) -> Self:
        """Compute and plot permutation importances.

        Parameters
        ----------
        estimator, X, y, by
            As for `permutation_importance`.
        scoring : str, callable or None, default=None
            Scorer. None means the estimator's ``score``.
        max_features : int, default=20
            Maximum number of features to draw, the most important ones.
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.
        **parameters
            Other parameters of `permutation_importance`, such as ``n_repeats``.

        Returns
        -------
        PermutationImportanceDisplay
            The display.
        """
        require("matplotlib", extra="plots")
        result = permutation_importance(estimator, X, y, by, scoring=scoring, **parameters)
        name = scoring if isinstance(scoring, str) else "score"
        return cls.from_importances(result, score_name=name, max_features=max_features, ax=ax)

    @classmethod
    def from_importances(
        cls,
        result: Mapping[str, Any],
        *,
        feature_names: Sequence[str] | None = None,
        score_name: str = "score",
        max_features: int = 20,
        ax: Any = None,
    ) -> Self:
        """Plot the result of `permutation_importance`.

        Parameters
        ----------
        result : Bunch
            Result of `permutation_importance` for one scorer.
        feature_names : list of str, default=None
            Names of the features. None means those of ``result``.
        score_name : str, default="score"
            Name of the score, for the axis label.
        max_features : int, default=20
            Maximum number of features to draw, the most important ones.
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.

        Returns
        -------
        PermutationImportanceDisplay
            The display.

        Raises
        ------
        ValueError
            If ``result`` has several scorers, or if the number of names is wrong.
        """
        if "importances" not in result:
            raise ValueError(
                "result must be the importances by one scorer. Got those by"
                f" {list(result)[:3]}.\n\nGive one of them: result[{next(iter(result), '...')!r}]."
            )
        names = result["feature_names"] if feature_names is None else list(feature_names)
        if len(names) != len(result["feature_names"]):
            raise ValueError(
                f"feature_names must be {len(result['feature_names'])} names, one for each feature."
                f" Got {len(names)}."
            )
        display = cls(
            result["importances"],
            by=result["by"],
            feature_names=names,
            segment_bounds=result["segment_bounds"],
            score_name=score_name,
        )
        return display.plot(max_features=max_features, ax=ax)

    def plot(self, ax: Any = None, *, max_features: int = 20) -> Self:
        """Plot the importances.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.
        max_features : int, default=20
            Maximum number of features to draw, the most important ones.

        Returns
        -------
        PermutationImportanceDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        n_rows = 0 if self.by == "segment" else min(max_features, len(self.feature_names))
        height = max(2.4, 1.4 + 0.28 * n_rows) if n_rows else 3.2
        self.ax_, self.figure_ = axes_for(ax, (6.4, height))
        self.bars_, self.im_ = None, None
        if self.by == "segment":
            self._bars_of_segments()
        elif self.by == "feature":
            self._bars_of_features(max_features)
        else:
            self._heat_map(max_features)
        return self

    def _bars_of_features(self, max_features: int) -> None:
        means, spread = self.importances.mean(axis=1), self.importances.std(axis=1)
        rows = np.argsort(-means, kind="stable")[:max_features]
        self.bars_ = self.ax_.barh(
            np.arange(len(rows)),
            means[rows],
            xerr=spread[rows],
            color="C0",
            ecolor="0.3",
            capsize=2,
        )
        self.ax_.axvline(0, color="0.3", linewidth=0.8)
        self.ax_.set(xlabel=f"decrease of {self.score_name}", ylabel=self._label_of(rows))
        self._name(rows)
        self.ax_.invert_yaxis()

    def _bars_of_segments(self) -> None:
        means, spread = self.importances.mean(axis=1), self.importances.std(axis=1)
        bounds = np.asarray(self.segment_bounds)
        self.bars_ = self.ax_.bar(
            bounds[:-1],
            means,
            np.diff(bounds),
            yerr=spread,
            align="edge",
            color="C0",
            edgecolor="white",
            ecolor="0.3",
            capsize=2,
        )
        self.ax_.axhline(0, color="0.3", linewidth=0.8)
        self.ax_.set(ylabel=f"decrease of {self.score_name}")
        self._name_time()

    def _heat_map(self, max_features: int) -> None:
        means = self.importances.mean(axis=-1)
        # In the order of X, as related features often are neighbours.
        rows = np.sort(np.argsort(-means.max(axis=1), kind="stable")[:max_features])
        limit = largest_of(means)
        self.im_ = self.ax_.imshow(
            means[rows],
            cmap=COLORMAP,
            vmin=-limit,
            vmax=limit,
            aspect="auto",
            interpolation="nearest",
            extent=(0, 1, len(rows) - 0.5, -0.5),
        )
        self.figure_.colorbar(self.im_, ax=self.ax_, label=f"decrease of {self.score_name}")
        self.ax_.set(ylabel=self._label_of(rows))
        self._name(rows)
        self._name_time()

    def _label_of(self, rows: Array) -> str:
        n = len(self.feature_names)
        return "feature" if len(rows) == n else f"feature, {len(rows)} of {n}"

    def _name(self, rows: Array) -> None:
        self.ax_.set_yticks(np.arange(len(rows)), [str(self.feature_names[row]) for row in rows])

    def _name_time(self) -> None:
        self.ax_.set(xlabel="time, as a share of the sequence", xlim=(0, 1))
        self.ax_.set_xticks(PERCENTS, [f"{share:.0%}" for share in PERCENTS])
