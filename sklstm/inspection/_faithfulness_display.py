"""FaithfulnessDisplay: drawing of deletion and insertion curves."""

from __future__ import annotations

from typing import Any, Literal, Self

from sklstm.inspection._attributions import attributions
from sklstm.inspection._colors import axes_for
from sklstm.inspection._faithfulness import Faithfulness, faithfulness

COLORS = {"deletion": "tab:blue", "insertion": "tab:red"}


class FaithfulnessDisplay:
    """Plot of deletion and insertion curves, and those of random orders.

    The curves are means over the sequences. Create a display by `from_estimator` or
    `from_faithfulness`.

    Parameters
    ----------
    faithfulness : Faithfulness
        Curves of one or more sequences.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the last plot.
    figure_ : matplotlib Figure
        Figure of the last plot.
    lines_ : list of matplotlib Line2D
        Curves of deletion, deletion in random order, insertion, and insertion in random order.

    See Also
    --------
    faithfulness : Compute the curves.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.inspection import FaithfulnessDisplay
    >>> X, y = make_trends(n_sequences=60, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, max_epochs=2, random_state=0).fit(X, y)
    >>> display = FaithfulnessDisplay.from_estimator(classifier, X[:4])
    >>> len(display.lines_)
    4
    """

    def __init__(self, faithfulness: Faithfulness) -> None:
        self.faithfulness = faithfulness

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        method: Literal["integrated_gradients", "occlusion"] = "integrated_gradients",
        target: Any = None,
        baseline: Any = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute attributions and plot how faithful they are.

        Parameters
        ----------
        estimator : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
            Fitted model, as for `attributions`.
        X : array-like
            Sequences in any of the forms that the model takes.
        method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
            Attribution method, as for `attributions`.
        target : object, default=None
            Output to explain, as for `attributions`.
        baseline : float, array-like of shape (n_features,), sequences or int, default=None
            Baseline, as for `attributions`.
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.
        **kwargs : dict
            Parameters of `faithfulness`, such as ``response``.

        Returns
        -------
        FaithfulnessDisplay
            The display.
        """
        found = attributions(estimator, X, method=method, target=target, baseline=baseline)
        return cls.from_faithfulness(faithfulness(estimator, X, found, **kwargs), ax=ax)

    @classmethod
    def from_faithfulness(cls, faithfulness: Faithfulness, *, ax: Any = None) -> Self:
        """Plot computed curves.

        Parameters
        ----------
        faithfulness : Faithfulness
            Result of `faithfulness`.
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.

        Returns
        -------
        FaithfulnessDisplay
            The display.
        """
        return cls(faithfulness).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None means a new figure.

        Returns
        -------
        FaithfulnessDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_, self.figure_ = axes_for(ax, (6.4, 4.4))
        curves, self.lines_ = self.faithfulness, []
        areas = curves.areas
        for name, color in COLORS.items():
            for prefix, style in (("", "-"), ("random_", ":")):
                key = f"{prefix}{name}"
                order = "random order" if prefix else "by attribution"
                label = f"{name}, {order} (area {areas[key].mean():.2f})"
                mean = getattr(curves, key).mean(axis=0)
                line = self.ax_.plot(curves.fractions, mean, style, color=color, label=label)
                self.lines_ += line
        response = {"output": "mean output", "probability": "mean probability of the target"}
        self.ax_.set(xlabel="fraction of the values", ylabel=response[curves.response])
        # Below: curves may be anywhere.
        self.ax_.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize="small")
        return self
