"""Validation of snapshots before they are restored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from sklstm._state._fingerprint import as_text
from sklstm._state._optimizer_state import check_optimizer_state, is_like
from sklstm._state._progress_checks import check_progress
from sklstm._training._callbacks import LearningRate
from sklstm._training._net import SequenceNet
from sklstm._training._soundness import are_ascending, are_sound_weights, is_sound_epoch
from sklstm._training._stopping import ValidationMonitor, ValidationScores

# Entries of a schedule's state that change during training.
CHANGING = frozenset(
    {"last_epoch", "_step_count", "_last_lr", "best", "num_bad_epochs", "cooldown_counter"}
)
# Layout of the state of torch's CPU generator, a Mersenne Twister: number of values left, index of
# the next one, size.
LEFT, NEXT, N_NUMBERS = slice(8, 12), slice(16, 24), 624


def check_snapshot(
    net: SequenceNet, state: Mapping[str, Any], reference: Mapping[str, Any]
) -> None:
    """Raise ValueError, or one of MALFORMED, unless the net can resume from this state.

    ``reference`` is the state of the net, whose training has just begun.
    """
    if state.keys() != reference.keys():
        raise ValueError("Its entries differ from those of a training.")
    _check_counts(net, state)
    check_progress(net, state)
    _check_weights(reference["weights"], state["weights"])
    _check_history(net, state)
    _check_generators(reference, state)
    if state["callbacks"].keys() != reference["callbacks"].keys():
        raise ValueError("Its callbacks differ from those of this training.")
    for _, callback in net.callbacks_:
        own = state["callbacks"].get(type(callback).__name__)
        if isinstance(callback, LearningRate):
            _check_schedule(net, callback, own, state)
        elif isinstance(callback, ValidationScores):
            _check_scores(callback, own, state, reference["weights"])
    check_optimizer_state(net, state["optimizer"])


def _check_counts(net: SequenceNet, state: Mapping[str, Any]) -> None:
    done, n_halvings, stops = (state[n] for n in ("n_epochs_done", "n_halvings", "should_stop"))
    are_possible = {
        "n_epochs_done": is_like(0, done) and 0 <= done <= net.max_epochs,
        "n_halvings": is_like(0, n_halvings) and 0 <= n_halvings <= net.batch_size.bit_length(),
        "should_stop": isinstance(stops, bool) and (bool(state["history"]) or not stops),
    }
    for name, is_possible in are_possible.items():
        if not is_possible:
            raise ValueError(f"{name} cannot be {state[name]!r:.60}.")


def _check_weights(reference: Mapping[str, Tensor], weights: Any) -> None:
    if not is_like(reference, weights):
        raise ValueError("The weights are not those of this network.")
    if not are_sound_weights({name: tensor.numpy() for name, tensor in weights.items()}):
        raise ValueError("The weights are not finite, or a variance is negative.")


def _check_history(net: SequenceNet, state: Mapping[str, Any]) -> None:
    """Check the records of all epochs, including those before this training."""
    n_before, history = len(net.history), state["history"]
    has_scores = any(isinstance(cb, ValidationScores) for _, cb in net.callbacks_)
    fits = isinstance(history, list) and len(history) == n_before + state["progress"]["n_rows"]
    if not fits or not all(
        is_sound_epoch(epoch, i + 1, is_scored=has_scores and i >= n_before)
        and epoch.get("batches") == []
        for i, epoch in enumerate(history)
    ):
        raise ValueError("The history is not that of this training.")
    progress = state["progress"]
    n_begun = state["n_epochs_done"] + bool(progress["n_steps_before_row"])
    if progress["n_rows"] and not (
        are_ascending(history)
        and math.ceil(history[-1]["epoch"]) == net.progress.n_epochs_before + n_begun
    ):
        raise ValueError("The history is not that of this training.")


def _check_generators(reference: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    names = ("batch_rng", "torch_rng", "cuda_rng")
    fits = all(is_like(reference[name], state[name]) for name in names)
    if not (fits and is_sound_generator(state["torch_rng"])):
        raise ValueError("The states of the random generators are invalid.")


def is_sound_generator(state: Tensor) -> bool:
    """Whether torch's generator, which checks neither count, stays within its array."""
    encoded = state.numpy().tobytes()
    left = int.from_bytes(encoded[LEFT], "little", signed=True)
    following = int.from_bytes(encoded[NEXT], "little")
    # (1, 0) after seeding: the array is filled by the first draw.
    return (left, following) == (1, 0) or (left > 0 and left + following == N_NUMBERS + 1)


def _check_schedule(
    net: SequenceNet, callback: LearningRate, own: Any, state: Mapping[str, Any]
) -> None:
    done = state["n_epochs_done"]
    begun, n_steps = callback.state_dict(), callback.n_epochs * callback.n_batches
    n_done = done * callback.n_batches + state["progress"]["n_steps"]
    fits = is_like(begun, own) and own["n_steps_done"] == n_done
    if fits and begun["schedule"] is not None:
        moved = done
        if callback.schedule == "plateau":
            # Rows with mixup do not count.
            rows = state["history"][len(net.history) :]
            moved = sum(not row.get("mixup_alpha") for row in rows)
        elif callback.steps_by_batch:
            # The schedule is not stepped after the last batch.
            moved = min(n_done, max(n_steps - 1, 0))
        fits = _is_moved(begun["schedule"], own["schedule"], moved)
    if not fits:
        raise ValueError("The state of the schedule is invalid.")


def _is_moved(begun: Mapping[str, Any], given: Mapping[str, Any], times: int) -> bool:
    same = all(as_text(given[name]) == as_text(begun[name]) for name in begun.keys() - CHANGING)
    n_steps = given.get("_step_count", times + 1)
    return same and given["last_epoch"] == times and n_steps == times + 1


def _check_scores(
    callback: ValidationScores,
    own: Mapping[str, Any],
    state: Mapping[str, Any],
    weights: Mapping[str, Tensor],
) -> None:
    """Check the state of early stopping; ``weights`` are the net's, for their shapes."""
    begun, done = callback.state_dict(), state["progress"]["n_rows"]
    if isinstance(callback, ValidationMonitor):
        # Empty before the first epoch; checked below.
        begun["best_weights_"] = own["best_weights_"]
        epochs = [0] if done == 0 else [row["epoch"] for row in state["history"]]
        if not any(is_like(epoch, own["best_epoch_"]) for epoch in epochs[-1:]):
            raise ValueError("The best epoch is invalid.")
        begun["best_epoch_"] = own["best_epoch_"]
    if not is_like(begun, own):
        raise ValueError("The state of the validation scores is invalid.")
    if not isinstance(callback, ValidationMonitor):
        return
    if done:
        _check_weights(weights, own["best_weights_"])
    fits = (
        own["best_epoch_"] in epochs
        and own["_n_epochs"] == done
        and 0 <= own["_n_epochs_without_change"] <= done
        and bool(own["best_weights_"]) == bool(done)
    )
    if not fits:
        raise ValueError("The state of early stopping is invalid.")
