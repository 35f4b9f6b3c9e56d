"""Callbacks: learning-rate schedule and progress bar; checks of the user's callbacks."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from skorch.callbacks import (
    BatchScoring,
    Callback,
    EpochScoring,
    LRScheduler,
    PassthroughScoring,
    TensorBoard,
)
from tqdm.auto import tqdm

from sklstm._compat._dask import dask_worker
from sklstm._compat._sklearn import InvalidParameterError
from sklstm._config._configuration import Configuration
from sklstm._training._optimizers import (
    ANNEALED,
    annealed,
    build_schedule,
    learning_rate,
    set_learning_rate,
)


class LearningRate(Callback):
    """Steps the learning-rate schedule, and records the rate of each epoch's last step.

    Where a time limit puts the next step at another place of the schedule, the optimizer has the
    rate of that place during an epoch, and the planned one between epochs.

    Parameters
    ----------
    schedule : str or None
        Name of the schedule.
    n_epochs, n_batches : int
        Number of epochs, and of batches per epoch.
    follows_score : bool, default=False
        Whether "plateau" monitors the validation score instead of the training loss. Epochs with
        mixup do not count.
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
        self._highest = learning_rate(net.optimizer_)
        # While the optimizer has another one.
        self._planned: float | None = None
        if self.schedule is None:
            # torch requires initial_lr of schedules that resume, as that of a user's callback may.
            for group in net.optimizer_.param_groups:
                group.setdefault("initial_lr", group["lr"])
        else:
            self._scheduler, self.steps_by_batch = build_schedule(
                self.schedule, net.optimizer_, n_epochs=self.n_epochs, n_batches=self.n_batches
            )
        self._n_steps_done = 0
        self._learning_rate = learning_rate(net.optimizer_)

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        self._follow(net)

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        self._learning_rate = learning_rate(net.optimizer_)
        self._return(net)
        self._step()
        if net.pace is not None:
            net.pace.advance()
        self._follow(net)

    def _step(self) -> None:
        self._n_steps_done += 1
        # Not after the last step: one-cycle raises an error beyond its number of steps.
        if self.steps_by_batch and self._n_steps_done < self.n_epochs * self.n_batches:
            self._scheduler.step()

    def _follow(self, net: Any) -> None:
        """Let the optimizer have the rate of its place, if that is not the planned one."""
        if self.schedule in ANNEALED and net.pace is not None and not net.pace.is_on_plan:
            sizes = (self.n_epochs, self.n_batches)
            self._planned = learning_rate(net.optimizer_)
            rate = annealed(self.schedule, self._highest, net.pace.place, *sizes)
            set_learning_rate(net.optimizer_, rate)

    def _return(self, net: Any) -> None:
        """Let the optimizer have the planned rate."""
        if self._planned is not None:
            set_learning_rate(net.optimizer_, self._planned)
            self._planned = None

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        net.history.record("learning_rate", self._learning_rate)
        if not net.progress.is_within_epoch:
            self._return(net)
            # An epoch that the time did not suffice for counts as one.
            while self._n_steps_done % self.n_batches:
                self._step()
        if self.schedule == "plateau":
            epoch = net.history[-1]
            if not epoch.get("mixup_alpha"):
                progress = epoch["valid_score"] if self.follows_score else -epoch["train_loss"]
                self._scheduler.step(progress)
        elif self._steps_by_epoch and not net.progress.is_within_epoch:
            self._scheduler.step()

    @property
    def _steps_by_epoch(self) -> bool:
        return self._scheduler is not None and not self.steps_by_batch

    @contextmanager
    def planned(self, net: Any) -> Iterator[None]:
        """Let the optimizer have the planned rate for a while."""
        self._return(net)
        yield
        self._follow(net)

    def state_dict(self) -> dict[str, Any]:
        """State of the schedule, as plain values."""
        schedule = None if self._scheduler is None else self._scheduler.state_dict()
        return {"schedule": schedule, "n_steps_done": self._n_steps_done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state, after ``on_train_begin``."""
        if self._scheduler is not None:
            self._scheduler.load_state_dict(state["schedule"])
        self._n_steps_done = state["n_steps_done"]


def depends_on_max_epochs(configuration: Configuration) -> bool:
    """Whether an epoch depends on the number of those that follow.

    A scheduler of the user's may know it, too.
    """
    is_annealed = configuration.lr_schedule in ANNEALED
    is_of_user = sets_learning_rate(configuration.callbacks)
    return is_annealed or is_of_user or configuration.mixup_alpha > 0


@contextmanager
def planned_rate(net: Any) -> Iterator[None]:
    """Let the optimizer have the planned rate for a while, which a checkpoint holds."""
    with ExitStack() as stack:
        for _, callback in net.callbacks_:
            if isinstance(callback, LearningRate):
                stack.enter_context(callback.planned(net))
        yield


def looks_at_batches(callback: Callback) -> bool:
    """Whether a callback, other than our schedule, is to be called at each step."""
    hooks = ("on_batch_begin", "on_grad_computed", "on_batch_end")
    # skorch's TensorBoard notes in it that there was a batch, and does not look at it.
    idle = [getattr(Callback, hook) for hook in hooks] + [TensorBoard.on_batch_end]
    return not isinstance(callback, LearningRate) and any(
        getattr(type(callback), hook) not in idle for hook in hooks
    )


def sets_learning_rate(callbacks: Iterable[Any] | None) -> bool:
    """Whether one of the callbacks is skorch's LRScheduler, which replaces ``lr_schedule``."""
    return any(issubclass(kind, LRScheduler) for kind, _ in _kinds(callbacks))


def check_callbacks(callbacks: Iterable[Any] | None) -> None:
    """Raise InvalidParameterError for skorch callbacks that need a skorch dataset."""
    for kind, callback in _kinds(callbacks):
        scores = issubclass(kind, (BatchScoring, EpochScoring))
        # Training batches are recorded, validation batches are not.
        averages = issubclass(kind, PassthroughScoring) and not getattr(callback, "on_train", False)
        if scores or averages:
            raise InvalidParameterError(
                f"The 'callbacks' parameter must not hold skorch's {kind.__name__}: there is no"
                " skorch dataset to score.\n\nSet scoring=..., with early_stopping=True or with"
                " X_val and y_val given to fit: history_ then has 'valid_score'. Or score with"
                " net.predict(X) in a callback of your own."
            )


def _kinds(callbacks: Iterable[Any] | None) -> Iterator[tuple[type, Any]]:
    """Class of each callback, and the callback, which may be a class or a (name, callback) pair."""
    for item in callbacks or ():
        callback = item[1] if isinstance(item, tuple) else item
        yield (callback if isinstance(callback, type) else type(callback)), callback


class ProgressBar(Callback):
    """Progress bar over the epochs on standard error, with the latest ``figures`` of the history.

    ``label`` says what is fitted.

    Not closed in ``on_train_end``, which an error or Ctrl-C skips.
    """

    def __init__(self, n_epochs: int, figures: tuple[str, ...], label: str = "fit") -> None:
        self.n_epochs = n_epochs
        self.figures = figures
        self.label = label

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self._bar = tqdm(total=self.n_epochs, desc=self.label, unit="epoch")

    def skip(self, n_epochs: int) -> None:
        """Count resumed epochs as done, without effect on the estimate of time."""
        self._bar.initial = self._bar.n = n_epochs
        self._bar.refresh()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        epoch = net.history[-1]
        figures = {name: epoch[name] for name in self.figures if name in epoch}
        self._bar.set_postfix(figures, refresh=False)
        self._bar.update(0 if net.progress.is_within_epoch else 1)

    def close(self) -> None:
        """Close the bar, if it has been opened."""
        if hasattr(self, "_bar"):
            self._bar.close()


def is_parallel_worker() -> bool:
    """Whether this is a worker of a parallel search, whose progress bars would interleave."""
    in_process = multiprocessing.current_process().name != "MainProcess"
    in_thread = threading.current_thread() is not threading.main_thread()
    return in_process or in_thread or _is_ray_worker() or dask_worker() is not None


def _is_ray_worker() -> bool:
    # sys.modules: a worker has imported ray.
    ray: Any = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return False
    return bool(ray.get_runtime_context().worker.mode == ray.WORKER_MODE)
