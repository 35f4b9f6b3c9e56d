"""scikit-learn's callbacks: a fit as a task of theirs, its epochs as subtasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.callback import CallbackContext
from skorch.callbacks import Callback

from sklstm._compat._sklearn_callbacks import (
    OF_A_COPY,
    begin_task,
    has_callbacks,
    metadata_of,
    place_in_search,
)
from sklstm._data._labelled import Given


class FitTask(Callback):
    """A fit as a task of the callbacks of `set_callbacks`, and each epoch as a subtask.

    It is the skorch callback that calls them, where there are any. They get X and y as given to
    ``fit``, and at the end of a task what an estimator would be if training had ended there.

    Parameters
    ----------
    estimator : estimator
        The one that is fitted.
    given : Given
        Its training data.
    attributes : callable
        Function of what `fit_model` returns that gives the fitted attributes.

    Attributes
    ----------
    trained : callable
        What `fit_model` would return if training had ended with this epoch. Whoever trains sets it.
    """

    trained: Callable[[], tuple[Any, ...]]

    def __init__(
        self, estimator: Any, given: Given, attributes: Callable[..., dict[str, Any]]
    ) -> None:
        self._estimator = estimator
        self._attributes = attributes
        metadata = metadata_of(given.sample_weight)
        self._data = {"X": given.X, "y": given.y, "metadata": metadata}

    @property
    def has_callbacks(self) -> bool:
        """Whether there is anyone to tell."""
        return has_callbacks(self._estimator)

    @property
    def label(self) -> str:
        """What is fitted, for a progress bar: "fit", or which one of a search."""
        return place_in_search(self._estimator) or "fit"

    def begin(self, n_rows: int | None, n_rows_done: int) -> None:
        """Begin the task; ``n_rows_done`` rows of the history are those of a checkpoint.

        ``n_rows`` is the number of epochs, each of which is a row, or None if there are others.
        """
        if self.has_callbacks:
            self._begins_at = n_rows_done
            self._task: CallbackContext = begin_task(
                self._estimator, self._data, n_subtasks=n_rows, n_done=n_rows_done
            )

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        # scikit-learn numbers epochs itself if they begin with 0.
        number = net.progress.n_rows if self._begins_at else None
        epoch = self._task.subcontext(task_name="epoch", task_id=number)
        self._epoch = epoch.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        asks_to_stop = self._epoch.call_on_fit_task_end(
            estimator=self._estimator,
            **self._data,
            reconstruction_attributes=lambda: self._attributes(*self.trained()) | OF_A_COPY,
        )
        if asks_to_stop:
            net.should_stop = True

    def end(self) -> None:
        """End the task, when the estimator is fitted."""
        if self.has_callbacks:
            self._task.call_on_fit_task_end(
                estimator=self._estimator, **self._data, reconstruction_attributes=OF_A_COPY
            )
