"""Scores of an epoch: of the validation data, and on request of the training sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.metrics import get_scorer
from skorch.callbacks import Callback

from sklstm._batching._loader import LabelledSequences
from sklstm._compat._sklearn import accepts_sample_weight
from sklstm._config._options import Scorer, Scoring
from sklstm._data._labelled import ScoredData
from sklstm._inference._prediction import compute_members, compute_outputs
from sklstm._runtime._ranks import is_first
from sklstm._sequences import Array
from sklstm.nn._ensemble import Ensemble


def scorers_of(scoring: Scoring) -> dict[str, Scorer]:
    """The scorers, the deciding one first, by name; a single one is called "score"."""
    if isinstance(scoring, Mapping):
        return dict(scoring)
    if isinstance(scoring, (list, tuple)):
        return {name: name for name in scoring}
    assert isinstance(scoring, str) or callable(scoring)
    return {"score": scoring}


def follows_loss(scoring: Scoring) -> bool:
    """Whether early stopping follows the loss."""
    return _is_loss(next(iter(scorers_of(scoring).values())))


def _is_loss(scorer: Scorer) -> bool:
    return isinstance(scorer, str) and scorer == "loss"


def named_in_messages(scoring: Scoring, name: str) -> str:
    """One of the scorers, for a message."""
    if isinstance(scoring, str) or callable(scoring):
        return f"scoring={scoring!r}"
    return f"{name!r} of scoring"


def evaluate(
    net: Any, data: ScoredData, outputs: Array, scoring: Scoring
) -> tuple[float, dict[str, float]]:
    """Loss of these outputs, and scores, of which greater is better, by the name in the history.

    "score" is that of the deciding scorer. There is none of the name "loss": it would be the
    negative of the loss. Of several ranks the first computes them.
    """
    evaluated = _evaluate(net, data, outputs, scoring) if is_first(net.ranks) else (0.0, {})
    return evaluated if net.ranks is None else net.ranks.tell(evaluated)


def _evaluate(
    net: Any, data: ScoredData, outputs: Array, scoring: Scoring
) -> tuple[float, dict[str, float]]:
    dataset = data.dataset
    with torch.no_grad():
        on_device = torch.from_numpy(outputs).to(dataset.weights.device, torch.float32)
        loss = float(net.criterion_(on_device, dataset.targets, dataset.weights))
    # One for all scorers.
    predictor, scores = data.task.predictor(outputs), {}
    predictor.X_ = data.X
    for name, scorer in scorers_of(scoring).items():
        described = named_in_messages(scoring, name)
        scores[name] = -loss if _is_loss(scorer) else _score(data, predictor, scorer, described)
    decides = next(iter(scores.values()))
    scores.pop("loss", None)
    return loss, {"score": decides} | scores


def _score(data: ScoredData, predictor: Any, scoring: Scorer, described: str) -> float:
    scorer, options = get_scorer(scoring), {}
    if data.sample_weight is not None and accepts_sample_weight(scorer):
        options["sample_weight"] = data.sample_weight
    try:
        score = scorer(predictor, data.X, data.y, **options)
    except ValueError as error:
        kind = "held-out" if data.is_held_out else "training"
        lack = data.task.lack(data.dataset.targets.cpu().numpy())
        raise ValueError(
            f"{described} cannot score the {len(data.y)} {kind} sequences{lack}: {error}\n\n"
            f"{_remedy(data, error)}"
        ) from error
    try:
        return float(score)
    except (TypeError, ValueError):
        raise TypeError(
            f"A scorer must return a number. Got {score!r:.60} of {described}."
        ) from None


def _remedy(data: ScoredData, error: ValueError) -> str:
    if "pos_label" in str(error):
        positive = np.unique(data.y)[-1].item()
        return (
            "Name the class that counts as positive in a scorer of your own, such as"
            f" scoring=make_scorer(f1_score, pos_label={positive!r})."
        )
    other = "more validation data" if data.is_held_out else "return_train_score=False"
    return f"Use another scoring, such as 'loss', or {other}."


class TrainingScores(Callback):
    """Records loss and scores of the training sequences after each epoch, as they are predicted.

    That is, unlike ``train_loss``, without mixup and dropout, and with the linear model of an
    ensemble.

    Parameters
    ----------
    data : ScoredData
        Training sequences.
    scoring : str, callable, list or dict
        As the parameter of the estimators.
    """

    def __init__(self, data: ScoredData, scoring: Scoring) -> None:
        self.data = data
        self.scoring = scoring

    def on_train_begin(self, net: Any, X: LabelledSequences, **kwargs: Any) -> None:
        """Compute what does not change; X is what the network reads."""
        self._read = X.sequences
        self._of_linear: Array | None = None
        if isinstance(net.module_, Ensemble) and net.module_.shares[1]:
            self._of_linear = compute_members(net.module_, self.data.dataset.sequences)[:, 1]

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        # All of them, which would take longer than the steps until a validation.
        if net.progress.is_within_epoch:
            return
        loss, scores = evaluate(net, self.data, self._outputs(net), self.scoring)
        net.history.record("train_eval_loss", loss)
        for name, score in scores.items():
            net.history.record(f"train_{name}", score)

    def _outputs(self, net: Any) -> Array:
        outputs = compute_outputs(net.trained, self._read, net.team, net.ranks)
        if self._of_linear is None:
            return outputs
        of_network, of_linear = net.module_.shares.tolist()
        combined: Array = of_network * outputs + of_linear * self._of_linear
        return combined
