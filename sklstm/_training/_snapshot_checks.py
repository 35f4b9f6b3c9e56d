"""What must hold of a snapshot before a net takes anything of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from sklstm._training._callbacks import LearningRate
from sklstm._training._fingerprint import as_text
from sklstm._training._net import SequenceNet
from sklstm._training._optimizer_state import check_optimizer_state, is_like
from sklstm._training._soundness import are_sound_weights, is_sound_epoch
from sklstm._training._stopping import ValidationMonitor, ValidationScores

# What a schedule's epochs and steps change; the rest of its state is that of its first moment.
MOVING = frozenset(
    {"last_epoch", "_step_count", "_last_lr", "best", "num_bad_epochs", "cooldown_counter"}
)
# Where torch's generator of the CPU keeps how many numbers are left, and which comes next.
LEFT, NEXT, N_NUMBERS = slice(8, 12), slice(16, 24), 624


def check_snapshot(
    net: SequenceNet, state: Mapping[str, Any], reference: Mapping[str, Any]
) -> None:
    """Raise ValueError, or one of MALFORMED, unless the net may come to this state.

    Its training has just begun, and ``reference`` is its state at that moment.
    """
    if state.keys() != reference.keys():
        raise ValueError("It has other parts than a training.")
    _check_counts(net, state)
    _check_weights(reference["weights"], state["weights"])
    _check_history(net, state)
    _check_generators(reference, state)
    if state["callbacks"].keys() != reference["callbacks"].keys():
        raise ValueError("The training is of another kind.")
    done = state["n_epochs_done"]
    for _, callback in net.callbacks_:
        own = state["callbacks"].get(type(callback).__name__)
        if isinstance(callback, LearningRate):
            _check_schedule(callback, own, done, max(done - net.n_mixed_epochs, 0))
        elif isinstance(callback, ValidationScores):
            _check_scores(net, callback, own, state, reference["weights"])
    check_optimizer_state(net, state["optimizer"])


def _check_counts(net: SequenceNet, state: Mapping[str, Any]) -> None:
    done, n_halvings = state["n_epochs_done"], state["n_halvings"]
    _check_is(is_like(0, done) and 0 <= done <= net.max_epochs, "n_epochs_done", done)
    most = net.batch_size.bit_length()
    _check_is(is_like(0, n_halvings) and 0 <= n_halvings <= most, "n_halvings", n_halvings)
    stops = state["should_stop"]
    _check_is(isinstance(stops, bool) and (done > 0 or not stops), "should_stop", stops)


def _check_is(is_possible: bool, name: str, value: Any) -> None:
    if not is_possible:
        raise ValueError(f"{name} cannot be {value!r:.60}.")


def _check_weights(reference: Mapping[str, Tensor], weights: Any) -> None:
    if not is_like(reference, weights):
        raise ValueError("The weights are not those of this network.")
    if not are_sound_weights({name: tensor.numpy() for name, tensor in weights.items()}):
        raise ValueError("The weights are no finite numbers, or a variance is negative.")


def _check_history(net: SequenceNet, state: Mapping[str, Any]) -> None:
    """Of all epochs, those before this training included."""
    n_before, history = len(net.history), state["history"]
    has_scores = any(isinstance(cb, ValidationScores) for _, cb in net.callbacks_)
    fits = isinstance(history, list) and len(history) == n_before + state["n_epochs_done"]
    fits = fits and all(
        is_sound_epoch(epoch, i + 1, is_scored=has_scores and i >= n_before)
        and epoch.get("batches") == []
        for i, epoch in enumerate(history)
    )
    if not fits:
        raise ValueError("The history is not that of this training.")


def _check_generators(reference: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    names = ("batch_rng", "torch_rng", "cuda_rng")
    fits = all(is_like(reference[name], state[name]) for name in names)
    if not (fits and is_sound_generator(state["torch_rng"])):
        raise ValueError("The random generators are others.")


def is_sound_generator(state: Tensor) -> bool:
    """Whether the generator does not read beyond its numbers: torch compares each of the two."""
    encoded = state.numpy().tobytes()
    left = int.from_bytes(encoded[LEFT], "little", signed=True)
    following = int.from_bytes(encoded[NEXT], "little")
    # The first number is drawn as soon as there are new ones.
    return (left, following) == (1, 0) or (left > 0 and left + following == N_NUMBERS + 1)


def _check_schedule(callback: LearningRate, own: Any, done: int, n_judged: int) -> None:
    """``n_judged`` epochs are those that "plateau" has looked at."""
    begun, n_steps = callback.state_dict(), callback.n_epochs * callback.n_batches
    n_left = n_steps - done * callback.n_batches
    fits = is_like(begun, own) and own["n_steps_left"] == n_left
    if fits and begun["schedule"] is not None:
        moved = done if callback.schedule != "plateau" else n_judged
        if callback._steps_by_batch:
            # After the last step there is no next one.
            moved = min(done * callback.n_batches, max(n_steps - 1, 0))
        fits = _is_moved(begun["schedule"], own["schedule"], moved)
    if not fits:
        raise ValueError("The schedule is another one, or elsewhere.")


def _is_moved(begun: Mapping[str, Any], given: Mapping[str, Any], times: int) -> bool:
    same = all(as_text(given[name]) == as_text(begun[name]) for name in begun.keys() - MOVING)
    return (
        same and given["last_epoch"] == times and given.get("_step_count", times + 1) == times + 1
    )


def _check_scores(
    net: SequenceNet,
    callback: ValidationScores,
    own: Mapping[str, Any],
    state: Mapping[str, Any],
    weights: Mapping[str, Tensor],
) -> None:
    """What early stopping knows; ``weights`` are the net's, for their shapes."""
    best = {"best_weights_": own["best_weights_"]} if "best_weights_" in own else {}
    if not is_like({**callback.state_dict(), **best}, own):
        raise ValueError("The scores are others.")
    if not isinstance(callback, ValidationMonitor):
        return
    done = state["n_epochs_done"]
    if done:
        _check_weights(weights, best["best_weights_"])
    fits = (
        (1 if done else 0) <= own["best_epoch_"] <= (len(net.history) + done if done else 0)
        and own["_n_epochs"] == done
        and 0 <= own["_n_epochs_without_change"] <= done
        and bool(best["best_weights_"]) == bool(done)
    )
    if not fits:
        raise ValueError("What early stopping knows is not of this training.")
