"""Private names of scikit-learn's callbacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.callback import CallbackContext
from sklearn.callback._callback_support import callback_management_context

# Attributes of an estimator for its callbacks, all but the first of them during a fit alone.
OF_CALLBACKS = frozenset(
    {"_skl_callbacks", "_skl_callbacks_to_teardown", "_callback_fit_ctx", "_parent_callback_ctx"}
)
# A copy of an estimator in the middle of its fit is not to end the fit of the original.
OF_A_COPY: dict[str, Any] = {"_skl_callbacks_to_teardown": ()}
# Tasks of a search that its fits are counted by.
COUNTED = {"candidate-split-evaluation": "fit", "halving-iteration": "iteration"}
REFIT = "refit-with-best-params"


def has_callbacks(estimator: Any) -> bool:
    """Whether `set_callbacks`, or that of a meta-estimator around it, has set any."""
    return hasattr(estimator, "_skl_callbacks")


def begin_task(
    estimator: Any, data: dict[str, Any], *, n_subtasks: int | None = 0, n_done: int = 0
) -> CallbackContext:
    """Set up the callbacks, and begin the task of a fit; ``n_done`` subtasks have ended before.

    ``n_subtasks`` is None if it is not known.
    """
    context = estimator._init_callback_context(
        max_subtasks=None if n_subtasks is None else max(n_subtasks - n_done, 0),
        # The numbers of sequential ones are from 0 on.
        sequential_subtasks=n_done == 0,
    )
    return context.call_on_fit_task_begin(estimator=estimator, **data)


@contextmanager
def fit_task(estimator: Any, X: Any, y: Any = None, *, sample_weight: Any = None) -> Iterator[None]:
    """A fit without subtasks; the estimator is fitted when the context ends."""
    if not has_callbacks(estimator):
        yield
        return
    data = {"X": X, "y": y, "metadata": metadata_of(sample_weight)}
    with callback_management_context(estimator):
        context = begin_task(estimator, data)
        yield
        context.call_on_fit_task_end(
            estimator=estimator, **data, reconstruction_attributes=OF_A_COPY
        )


def metadata_of(sample_weight: Any) -> dict[str, Any] | None:
    """What hooks get beside X and y; a monitor gives it to its scorer."""
    return None if sample_weight is None else {"sample_weight": sample_weight}


def place_in_search(estimator: Any) -> str:
    """What the search around an estimator fits: "GridSearchCV fit 7/20"; "" without a search.

    scikit-learn passes its tasks on without callbacks, too, but for `cross_validate`. They have no
    numbers of candidate and fold: fits are counted candidate by candidate.
    """
    context, places, search = getattr(estimator, "_parent_callback_ctx", None), [], ""
    while context is not None:
        name = context.source_task_name or context.task_name
        if name in COUNTED:
            places.append(f"{COUNTED[name]} {context.task_id + 1}/{context.parent.max_subtasks}")
        elif name == REFIT:
            places.append("refit")
        if name in COUNTED or name == REFIT:
            search = context.source_estimator_name or context.estimator_name
        context = context.parent
    return f"{search} {', '.join(reversed(places))}".strip()
