"""Validation scoring and early stopping."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from skorch.callbacks import Callback

from sklstm._config._options import Scoring
from sklstm._data._labelled import ScoredData
from sklstm._inference._prediction import compute_outputs
from sklstm._training._scores import evaluate, named_in_messages, scorers_of
from sklstm._warnings import warn_user


class ValidationScores(Callback):
    """Records the validation loss and scores of each row of the history.

    Parameters
    ----------
    validation : ScoredData
        Validation data.
    scoring : str, callable, list or dict
        As the parameter of the estimators.
    """

    def __init__(self, validation: ScoredData, scoring: Scoring) -> None:
        self.validation = validation
        self.scoring = scoring

    def initialize(self) -> Self:
        self._lowest_loss = np.inf
        return self

    def state_dict(self) -> dict[str, Any]:
        """All attributes that `initialize` sets."""
        return {k: v for k, v in vars(self).items() if k.startswith("_") or k.endswith("_")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state, after `initialize`."""
        for name, value in state.items():
            setattr(self, name, value)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        source = self.validation.dataset.sequences
        outputs = compute_outputs(net.module_, source, net.team, net.ranks)
        loss, scores = evaluate(net, self.validation, outputs, self.scoring)
        net.history.record("valid_loss", loss)
        for name, score in scores.items():
            net.history.record(f"valid_{name}", score)
        net.history.record("valid_loss_best", loss < self._lowest_loss)
        self._lowest_loss = min(loss, self._lowest_loss)


class ValidationMonitor(ValidationScores):
    """Early stopping: also stops training and restores the weights of the best epoch.

    Parameters
    ----------
    validation, scoring
        As for `ValidationScores`.
    n_iter_no_change : int
        Number of validations without improvement after which training stops.
    tol : float
        Minimum improvement of the score, absolute.
    n_warmup_epochs : float
        Number of first epochs that do not count as without improvement: a coarse score may stagnate
        while the learning rate rises, and scores are expected to improve after mixup.
    """

    def __init__(
        self,
        validation: ScoredData,
        scoring: Scoring,
        n_iter_no_change: int,
        tol: float,
        n_warmup_epochs: float = 0,
    ) -> None:
        super().__init__(validation, scoring)
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.n_warmup_epochs = n_warmup_epochs

    def initialize(self) -> Self:
        self.best_score_ = -np.inf
        self.best_epoch_ = 0
        self._best_loss = np.inf
        self.best_weights_: dict[str, torch.Tensor] = {}
        self._to_beat = -np.inf
        self._n_epochs = 0
        self._n_epochs_without_change = 0
        return super().initialize()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        super().on_epoch_end(net, **kwargs)
        loss, score = net.history[-1]["valid_loss"], net.history[-1]["valid_score"]
        # No score compares greater than NaN, which would stay the best.
        score = -np.inf if np.isnan(score) else score
        # Ties go to the smaller loss: a coarse score may be at its maximum from the first epoch.
        if (score, -loss) > (self.best_score_, -self._best_loss) or not self.best_weights_:
            self.best_score_, self._best_loss = score, loss
            self.best_epoch_ = net.history[-1]["epoch"]
            self.best_weights_ = {k: v.clone() for k, v in net.module_.state_dict().items()}
        self._n_epochs += 1
        if score > self._to_beat + self.tol:
            self._to_beat, self._n_epochs_without_change = score, 0
        elif net.history[-1]["epoch"] - net.progress.n_epochs_before > self.n_warmup_epochs:
            self._n_epochs_without_change += 1
        net.should_stop = self.is_out_of_patience

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the score has not improved for ``n_iter_no_change`` validations."""
        return self._n_epochs_without_change >= self.n_iter_no_change

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        net.module_.load_state_dict(self.best_weights_)
        if self.best_score_ == -np.inf:
            decides = named_in_messages(self.scoring, next(iter(scorers_of(self.scoring))))
            warn_user(
                f"{decides} was NaN on the held-out sequences in every epoch; the epoch of the"
                " smallest loss was kept.",
            )
