"""Search spaces of the estimator's hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

from scipy import stats

from sklstm._compat._sklearn import InvalidParameterError
from sklstm._optional import require

LIBRARIES = ("scikit-learn", "optuna")


@dataclass(frozen=True)
class Uniform:
    """Uniform distribution between two numbers, log-uniform with ``log``."""

    low: float
    high: float
    log: bool = False

    def for_scikit_learn(self) -> Any:
        """Distribution for scikit-learn's searches."""
        if self.log:
            return stats.loguniform(self.low, self.high)
        return stats.uniform(self.low, self.high - self.low)

    def for_optuna(self, distributions: Any) -> Any:
        """Distribution for Optuna's searches."""
        return distributions.FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Choice:
    """Categorical distribution over some values."""

    values: tuple[Any, ...]

    def for_scikit_learn(self) -> Any:
        """List for scikit-learn's searches."""
        return list(self.values)

    def for_optuna(self, distributions: Any) -> Any:
        """Distribution for Optuna's searches."""
        return distributions.CategoricalDistribution(self.values)


# Parameters whose space does not depend on the size of the data.
COMMON: Mapping[str, Uniform | Choice] = {
    "pooling": Choice(("attention", "last", "max", "mean")),
    "dropout": Uniform(0.0, 0.6),
    "mixup_alpha": Choice((0.0, 0.2, 1.0)),
}
MEASUREMENTS: Mapping[str, Uniform | Choice] = {"standardize": Choice(("both", True))}
TOKENS: Mapping[str, Uniform | Choice] = {"tfidf": Choice((False, True))}
# Smaller networks and batches for fewer sequences.
SPACES: Mapping[str, Mapping[str, Uniform | Choice]] = {
    "small": {
        "hidden_sizes": Choice((16, 32, 64, 128)),
        "batch_size": Choice((16, 32)),
        "learning_rate": Uniform(1e-3, 2e-2, log=True),
    },
    "medium": {
        "hidden_sizes": Choice((32, 64, 128)),
        "batch_size": Choice((16, 32, 64, 128)),
        "learning_rate": Uniform(1e-3, 2e-2, log=True),
    },
    "large": {
        "hidden_sizes": Choice((64, 128, 256)),
        "batch_size": Choice((64, 128, 256, 512)),
        "learning_rate": Uniform(5e-4, 1e-2, log=True),
    },
}
# Maximum numbers of sequences of small and of medium data.
SMALL_N, MEDIUM_N = 500, 10_000


def param_distributions(
    n_sequences: int,
    *,
    token_ids: bool = False,
    step: str | None = None,
    library: Literal["scikit-learn", "optuna"] = "scikit-learn",
) -> dict[str, Any]:
    """Return a search space for `LSTMSequenceClassifier`.

    The result is a dict that you can modify. It does not contain ``max_epochs``, which can be the
    resource of successive halving, nor ``n_kernels``: 0 was worse than the default in the mean of
    21 data sets. To try it as well, add ``n_kernels=[0, "auto"]``.

    Parameters
    ----------
    n_sequences : int
        Number of training sequences. The spaces for up to 500, up to 10,000 and more sequences
        differ.
    token_ids : bool, default=False
        Whether the sequences are token ids. The result does not contain ``embedding_dim``: set it
        in the estimator, or add it.
    step : str, default=None
        Name of the classifier's step in a pipeline, such as "lstmsequenceclassifier", used as
        prefix of the parameter names. None means no prefix.
    library : {"optuna", "scikit-learn"}, default="scikit-learn"
        Library of the search.

        - "optuna": distributions for ``OptunaSearchCV``, or ``study.ask`` of your own study
        - "scikit-learn": lists and SciPy distributions for ``RandomizedSearchCV`` and
          ``HalvingRandomSearchCV``

    Returns
    -------
    dict
        Mapping of parameter names to lists of values or distributions.

    Raises
    ------
    InvalidParameterError
        If a parameter has an invalid type or value.
    ImportError
        If ``library="optuna"`` and Optuna is not installed: ``pip install 'sklstm[search]'``.

    Examples
    --------
    >>> from sklearn.model_selection import RandomizedSearchCV
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.model_selection import param_distributions
    >>> X, y = make_trends(n_sequences=40, random_state=0)
    >>> space = param_distributions(len(X))
    >>> sorted(space)[:4]
    ['batch_size', 'dropout', 'hidden_sizes', 'learning_rate']
    >>> search = RandomizedSearchCV(
    ...     LSTMSequenceClassifier(max_epochs=5), space, n_iter=2, cv=2, random_state=0
    ... ).fit(X, y)
    >>> search.best_params_["hidden_sizes"] in space["hidden_sizes"]
    True
    """
    _check(n_sequences, token_ids, library)
    size = "small" if n_sequences <= SMALL_N else "large"
    if SMALL_N < n_sequences <= MEDIUM_N:
        size = "medium"
    space = {**SPACES[size], **COMMON, **(TOKENS if token_ids else MEASUREMENTS)}
    prefix = "" if step is None else f"{step}__"
    if library == "scikit-learn":
        return {prefix + name: values.for_scikit_learn() for name, values in space.items()}
    distributions = require("optuna", extra="search").distributions
    return {prefix + name: values.for_optuna(distributions) for name, values in space.items()}


def _check(n_sequences: Any, token_ids: Any, library: Any) -> None:
    if isinstance(n_sequences, bool) or not isinstance(n_sequences, Integral) or n_sequences < 1:
        raise InvalidParameterError(
            "The 'n_sequences' parameter must be an int of at least 1. Got"
            f" {n_sequences!r} instead."
        )
    if not isinstance(token_ids, bool):
        raise InvalidParameterError(
            f"The 'token_ids' parameter must be True or False. Got {token_ids!r} instead."
        )
    if library not in LIBRARIES:
        accepted = ", ".join(map(repr, sorted(LIBRARIES)))
        raise InvalidParameterError(
            f"The 'library' parameter must be a str among {{{accepted}}}. Got {library!r} instead."
        )
