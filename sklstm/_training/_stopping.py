"""Validation scoring and early stopping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from sklearn.metrics import get_scorer
from skorch.callbacks import Callback

from sklstm._compat._sklearn import accepts_sample_weight
from sklstm._data._labelled import Validation
from sklstm._inference._prediction import compute_outputs
from sklstm._warnings import warn_user


class ValidationScores(Callback):
    """Records the validation loss and score after each epoch.

    Parameters
    ----------
    validation : Validation
        Validation data.
    scoring : str or callable
        "loss" (the score is its negative), the name of a scikit-learn scorer, or a scorer.
    """

    def __init__(self, validation: Validation, scoring: str | Callable[..., float]) -> None:
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
        loss, score = self._evaluate(net)
        net.history.record("valid_loss", loss)
        net.history.record("valid_score", score)
        net.history.record("valid_loss_best", loss < self._lowest_loss)
        self._lowest_loss = min(loss, self._lowest_loss)

    def _evaluate(self, net: Any) -> tuple[float, float]:
        """Validation loss, and score, of which greater is better."""
        dataset = self.validation.dataset
        team = net.autotuner.team if net.autotuner else None
        outputs = compute_outputs(net.module_, dataset.sequences, team)
        with torch.no_grad():
            on_device = torch.from_numpy(outputs).to(dataset.weights.device, torch.float32)
            loss = float(net.criterion_(on_device, dataset.targets, dataset.weights))
        if self.scoring == "loss":
            return loss, -loss
        return loss, self._score(self.validation.task.predictor(outputs))

    def _score(self, predictor: Any) -> float:
        validation, scorer = self.validation, get_scorer(self.scoring)
        options = {}
        if validation.sample_weight is not None and accepts_sample_weight(scorer):
            options["sample_weight"] = validation.sample_weight
        try:
            return float(scorer(predictor, validation.X, validation.y, **options))
        except ValueError as error:
            held_out = f"{len(validation.y)} held-out sequences"
            lack = validation.task.lack(validation.dataset.targets.cpu().numpy())
            raise ValueError(
                f"scoring={self.scoring!r} cannot score the {held_out}{lack}: {error}\n\nUse"
                " another scoring, such as 'loss', or more validation data."
            ) from error


class ValidationMonitor(ValidationScores):
    """Early stopping: also stops training and restores the weights of the best epoch.

    Parameters
    ----------
    validation, scoring
        As for `ValidationScores`.
    n_iter_no_change : int
        Number of epochs without improvement after which training stops.
    tol : float
        Minimum improvement of the score, absolute.
    n_warmup_epochs : int
        Number of first epochs that do not count as without improvement: a coarse score may stagnate
        while the learning rate rises, and scores are expected to improve after mixup.
    """

    def __init__(
        self,
        validation: Validation,
        scoring: str | Callable[..., float],
        n_iter_no_change: int,
        tol: float,
        n_warmup_epochs: int = 0,
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
            self.best_score_, self._best_loss, self.best_epoch_ = score, loss, len(net.history)
            self.best_weights_ = {k: v.clone() for k, v in net.module_.state_dict().items()}
        self._n_epochs += 1
        if score > self._to_beat + self.tol:
            self._to_beat, self._n_epochs_without_change = score, 0
        elif self._n_epochs > self.n_warmup_epochs:
            self._n_epochs_without_change += 1
        net.should_stop = self.is_out_of_patience

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the score has not improved for ``n_iter_no_change`` epochs."""
        return self._n_epochs_without_change >= self.n_iter_no_change

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        net.module_.load_state_dict(self.best_weights_)
        if self.best_score_ == -np.inf:
            warn_user(
                f"scoring={self.scoring!r} was NaN on the held-out sequences in every epoch; the"
                " epoch of the smallest loss was kept.",
            )
