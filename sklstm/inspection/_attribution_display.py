"""AttributionDisplay: drawing of the attributions of one sequence or text."""

from __future__ import annotations

from html import escape
from typing import Any, Self

import numpy as np

from sklstm._sequences import Array
from sklstm._validation._columns import column_of_sequences
from sklstm.inspection._attributions import Attributions, attributions
from sklstm.inspection._colors import (
    COLORMAP,
    axes_for,
    colors_of,
    ink_on,
    largest_of,
    scalar_mappable,
)

# Inches of a row of a feature, and of a line of text.
ROW, LINE = 0.7, 0.32
# Width of a line of text, in characters.
N_CHARACTERS = 80


class AttributionDisplay:
    """Plot of the attributions of one sequence: a heat map over time, or coloured words.

    Red supports the target and blue speaks against it; the colour scale is centred at 0. Create a
    display by `from_estimator` or `from_attributions`.

    Parameters
    ----------
    values : ndarray of shape (n_timesteps, n_features) or (n_tokens,)
        Attributions of the sequence.
    sequence : ndarray of shape (n_timesteps, n_features), default=None
        The sequence, drawn as lines over the heat map.
    words : list of str, default=None
        The tokens, drawn in colour instead of a heat map.
    feature_names : list of str, default=None
        Names of the features. None means x0, x1 and so on.
    target : object, default=None
        Explained output, for the labels of the plot.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the last plot.
    figure_ : matplotlib Figure
        Figure of the last plot.
    im_ : matplotlib AxesImage or None
        The heat map. None for words.
    lines_ : list of matplotlib Line2D or None
        The sequence, one line per feature. None for words.
    texts_ : list of matplotlib Text or None
        The words. None for measurements.
    cmap_ : str
        The colour map, also used for words in notebooks.

    See Also
    --------
    attributions : Compute attributions.
    FaithfulnessDisplay : Plot whether attributions are faithful.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.inspection import AttributionDisplay
    >>> X, y = make_trends(n_sequences=60, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, max_epochs=2, random_state=0).fit(X, y)
    >>> display = AttributionDisplay.from_estimator(classifier, X, index=3)
    >>> display.ax_.get_xlabel()
    'timestep'
    """

    ax_: Any
    figure_: Any
    im_: Any
    lines_: Any
    texts_: Any
    # As long as nothing is drawn.
    cmap_ = COLORMAP

    def __init__(
        self,
        values: Array,
        *,
        sequence: Array | None = None,
        words: list[str] | None = None,
        feature_names: list[str] | None = None,
        target: Any = None,
    ) -> None:
        self.values = values
        self.sequence = sequence
        self.words = words
        self.feature_names = feature_names
        self.target = target

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        index: int = 0,
        ax: Any = None,
        cmap: str = COLORMAP,
        **kwargs: Any,
    ) -> Self:
        """Compute and plot the attributions of one sequence.

        Parameters
        ----------
        estimator : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
            Fitted model, as for `attributions`.
        X : array-like
            Sequences in any of the forms that the model takes.
        index : int, default=0
            Index of the sequence in X.
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.
        cmap : str, default="RdBu_r"
            Diverging colour map.
        **kwargs : dict
            Parameters of `attributions` for this sequence, such as ``method`` and ``target``.

        Returns
        -------
        AttributionDisplay
            The display.
        """
        index = _check_index(index, len(X))
        # A slice: whatever X is, it is one sequence in the form of X.
        kept = X[index : index + 1]
        return cls.from_attributions(
            attributions(estimator, kept, **kwargs), kept, ax=ax, cmap=cmap
        )

    @classmethod
    def from_attributions(
        cls,
        attributions: Attributions,
        X: Any,
        *,
        index: int = 0,
        ax: Any = None,
        cmap: str = COLORMAP,
    ) -> Self:
        """Plot computed attributions.

        Parameters
        ----------
        attributions : Attributions
            Attributions of X, as returned by `attributions`.
        X : array-like
            The sequences.
        index : int, default=0
            Index of the sequence in X.
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.
        cmap : str, default="RdBu_r"
            Diverging colour map.

        Returns
        -------
        AttributionDisplay
            The display.
        """
        if len(X) != len(attributions):
            raise ValueError(
                f"attributions must be those of X, which has {len(X)} sequences. Got"
                f" {len(attributions)}."
            )
        index = _check_index(index, len(attributions))
        values = attributions[index]
        words = None if attributions.words is None else attributions.words[index]
        if words is None and values.ndim == 1:
            words = [str(token) for token in np.asarray(_sequence_of(X, index)).ravel()]
        display = cls(
            values,
            sequence=None if words is not None else _numbers(X, index, values.shape),
            words=words,
            feature_names=attributions.feature_names,
            target=attributions.target[index],
        )
        return display.plot(ax=ax, cmap=cmap)

    def plot(self, ax: Any = None, *, cmap: str = COLORMAP) -> Self:
        """Plot the attributions.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.
        cmap : str, default="RdBu_r"
            Diverging colour map.

        Returns
        -------
        AttributionDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.cmap_ = cmap
        self.im_, self.lines_, self.texts_ = None, None, None
        if self.words is None:
            self._plot_sequence(ax, cmap)
        else:
            self._plot_words(ax, cmap, self.words)
        return self

    def _plot_sequence(self, ax: Any, cmap: str) -> None:
        values = self.values.reshape(len(self.values), -1)
        n_features = values.shape[1]
        self.ax_, self.figure_ = axes_for(ax, (8.0, 1.3 + ROW * n_features))
        limit = largest_of(values)
        self.im_ = self.ax_.imshow(
            values.T, aspect="auto", cmap=cmap, vmin=-limit, vmax=limit, interpolation="nearest"
        )
        self.lines_ = []
        if self.sequence is not None:
            for row, feature in enumerate(self.sequence.T):
                line = self.ax_.plot(row - _within_row(feature), color="black", linewidth=1.0)
                self.lines_ += line
        names = self.feature_names or [f"x{i}" for i in range(n_features)]
        self.ax_.set_yticks(range(n_features), names)
        self.ax_.set(xlabel="timestep", ylim=(n_features - 0.5, -0.5))
        self.figure_.colorbar(self.im_, ax=self.ax_, label=self._label())

    def _plot_words(self, ax: Any, cmap: str, words: list[str]) -> None:
        places, n_lines = _places(words)
        self.ax_, self.figure_ = axes_for(ax, (8.0, 1.1 + LINE * n_lines))
        self.ax_.set(xlim=(-0.5, N_CHARACTERS), ylim=(n_lines - 0.4, -0.6))
        self.ax_.set_axis_off()
        scale = scalar_mappable(largest_of(self.values), cmap)
        self.figure_.colorbar(
            scale, ax=self.ax_, label=self._label(), orientation="horizontal", aspect=50, shrink=0.8
        )
        # The axes have their width once they are laid out.
        self.figure_.draw_without_rendering()
        inches = self.ax_.get_window_extent().width / self.figure_.dpi
        # A character of a monospaced font is 0.6 of its size wide.
        size = min(11.0, 0.95 * 72 * inches / (0.6 * N_CHARACTERS))
        self.texts_ = []
        for word, (line, column), color in zip(
            words, places, colors_of(self.values[: len(words)], cmap), strict=True
        ):
            box = {"facecolor": color, "edgecolor": "none", "pad": 1.5}
            text = self.ax_.text(column, line, word, family="monospace", size=size,
                                 color=ink_on(color), bbox=box, va="center",
                                 parse_math=False)  # fmt: skip
            self.texts_.append(text)

    def _label(self) -> str:
        return "contribution" if self.target is None else f"contribution to {self.target}"

    def _repr_html_(self) -> str | None:
        """Coloured words, for notebooks; None for a sequence of measurements."""
        if self.words is None:
            return None
        spans = []
        for word, value, color in zip(
            self.words, self.values, colors_of(self.values, self.cmap_), strict=False
        ):
            red, green, blue = (round(255 * float(part)) for part in color[:3])
            style = f"background-color:rgb({red},{green},{blue});color:{ink_on(color)}"
            spans.append(f'<span style="{style};padding:1px 3px" title="{value:+.3f}">'
                         f"{escape(word)}</span>")  # fmt: skip
        label = escape(self._label())
        return f'<div style="line-height:1.9">{" ".join(spans)}<br><small>{label}</small></div>'


def _check_index(index: Any, n: int) -> int:
    """Number of a sequence; negative ones count from the end."""
    if not isinstance(index, (int, np.integer)) or not -n <= index < n:
        raise ValueError(f"index must be that of one of {n} sequences. Got {index!r}.")
    return int(index) % n


def _sequence_of(X: Any, index: int) -> Any:
    """Item of X, or of its column of sequences."""
    column = column_of_sequences(X)
    if column is not None:
        return list(X[column])[index]
    return X.iloc[index] if hasattr(X, "iloc") else X[index]


def _numbers(X: Any, index: int, shape: tuple[int, ...]) -> Array | None:
    """A sequence of X as numbers, NaN where there are none; None if its shape is another."""
    item = _sequence_of(X, index)
    if hasattr(item, "columns"):
        item = np.column_stack([_numbers_or_nan(item[name]) for name in item.columns])
    try:
        numbers = np.asarray(item, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    numbers = numbers.reshape(len(numbers), -1)
    return numbers if numbers.shape == shape else None


def _numbers_or_nan(column: Any) -> Array:
    try:
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        return np.full(len(column), np.nan)


def _within_row(feature: Array) -> Array:
    """A feature, scaled to 0.4 rows around its middle."""
    known = feature[np.isfinite(feature)]
    if len(known) == 0 or known.max() == known.min():
        return np.where(np.isfinite(feature), 0.0, np.nan)
    middle, half = (known.max() + known.min()) / 2, (known.max() - known.min()) / 2
    scaled: Array = 0.4 * (feature - middle) / half
    return scaled


def _places(words: list[str]) -> tuple[list[tuple[int, int]], int]:
    """Line and column of each word, and the number of lines."""
    places, line, column = [], 0, 0
    for word in words:
        if column > 0 and column + len(word) > N_CHARACTERS:
            line, column = line + 1, 0
        places.append((line, column))
        column += len(word) + 1
    return places, line + 1
