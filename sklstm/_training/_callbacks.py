"""What happens beside the steps: the learning-rate schedule and the progress bar."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from skorch.callbacks import (
    BatchScoring,
    Callback,
    EpochScoring,
    LRScheduler,
    PassthroughScoring,
)
from tqdm.auto import tqdm

from sklstm._compat._sklearn import InvalidParameterError
from sklstm._training._optimizers import build_schedule, learning_rate


class LearningRate(Callback):
    """Records the learning rate of each epoch's last step, and moves it along its schedule.

    Parameters
    ----------
    schedule : str or None
        Its name.
    n_epochs, n_batches : int
        How many there will be, and how many batches in each.
    follows_score : bool, default=False
        Whether "plateau" follows the validation score instead of the training loss. It judges
        neither while sequences are mixed.
    """

    def __init__(
        self,
        schedule: str | None,
        n_epochs: int,
        n_batches: int,
        *,
        follows_score: bool = False,
    ) -> None:
        self.schedule = schedule
        self.n_epochs = n_epochs
        self.n_batches = n_batches
        self.follows_score = follows_score

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self._scheduler: Any = None
        self.steps_by_batch = False
        if self.schedule is None:
            # As torch wants it of an optimizer whose schedule goes on from earlier epochs: a
            # callback of the user's may have one.
            for group in net.optimizer_.param_groups:
                group.setdefault("initial_lr", group["lr"])
        else:
            self._scheduler, self.steps_by_batch = build_schedule(
                self.schedule, net.optimizer_, n_epochs=self.n_epochs, n_batches=self.n_batches
            )
        self._n_steps_left = self.n_epochs * self.n_batches
        self._learning_rate = learning_rate(net.optimizer_)

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        self._learning_rate = learning_rate(net.optimizer_)
        self._n_steps_left -= 1
        # After the last step there is no next one: one-cycle raises an error if told to go on.
        if self.steps_by_batch and self._n_steps_left > 0:
            self._scheduler.step()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        net.history.record("learning_rate", self._learning_rate)
        if self.schedule == "plateau":
            if not net.uses_mixup:
                epoch = net.history[-1]
                progress = epoch["valid_score"] if self.follows_score else -epoch["train_loss"]
                self._scheduler.step(progress)
        elif self._scheduler is not None and not self.steps_by_batch:
            self._scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """What the next epoch depends on besides the optimizer, plain values all of it."""
        schedule = None if self._scheduler is None else self._scheduler.state_dict()
        return {"schedule": schedule, "n_steps_left": self._n_steps_left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there, after ``on_train_begin``."""
        if self._scheduler is not None:
            self._scheduler.load_state_dict(state["schedule"])
        self._n_steps_left = state["n_steps_left"]


def sets_learning_rate(callbacks: Iterable[Any] | None) -> bool:
    """Whether one of the user's callbacks is skorch's LRScheduler, beside which no other acts."""
    return any(issubclass(kind, LRScheduler) for kind, _ in _kinds(callbacks))


def check_callbacks(callbacks: Iterable[Any] | None) -> None:
    """Raise InvalidParameterError for skorch callbacks that look for data where none are."""
    for kind, callback in _kinds(callbacks):
        scores = issubclass(kind, (BatchScoring, EpochScoring))
        # There are records of training batches, but none of validation batches.
        averages = issubclass(kind, PassthroughScoring) and not getattr(callback, "on_train", False)
        if scores or averages:
            raise InvalidParameterError(
                f"The 'callbacks' parameter must not hold skorch's {kind.__name__}: there is no"
                " skorch dataset to score.\n\nSet scoring=..., with early_stopping=True or with"
                " X_val and y_val given to fit: history_ then has 'valid_score'. Or score with"
                " net.predict(X) in a callback of your own."
            )


def _kinds(callbacks: Iterable[Any] | None) -> Iterator[tuple[type, Any]]:
    """Class of each callback, and the callback; skorch takes pairs with a name, and classes."""
    for item in callbacks or ():
        callback = item[1] if isinstance(item, tuple) else item
        yield (callback if isinstance(callback, type) else type(callback)), callback


class ProgressBar(Callback):
    """One bar over the epochs, with the latest ``figures`` of the history, on standard error."""

    def __init__(self, n_epochs: int, figures: tuple[str, ...]) -> None:
        self.n_epochs = n_epochs
        self.figures = figures

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self._bar = tqdm(total=self.n_epochs, desc="fit", unit="epoch")

    def skip(self, n_epochs: int) -> None:
        """Begin with so many epochs done, that took no time."""
        self._bar.initial = self._bar.n = n_epochs
        self._bar.refresh()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        epoch = net.history[-1]
        figures = {name: epoch[name] for name in self.figures if name in epoch}
        self._bar.set_postfix(figures, refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Leave the bar as it stands; also after an error."""
        if hasattr(self, "_bar"):
            self._bar.close()


def is_parallel_worker() -> bool:
    """Whether this is a process or thread of a parallel search, whose bars would mix."""
    in_process = multiprocessing.current_process().name != "MainProcess"
    in_thread = threading.current_thread() is not threading.main_thread()
    return in_process or in_thread or _is_ray_worker() or _is_dask_worker()


def _is_ray_worker() -> bool:
    # A worker has imported it.
    ray: Any = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return False
    return bool(ray.get_runtime_context().worker.mode == ray.WORKER_MODE)


def _is_dask_worker() -> bool:
    distributed: Any = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True
