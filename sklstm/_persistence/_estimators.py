"""The estimators that a file can hold, and what each learns."""

from __future__ import annotations

from sklstm._base import BaseSequenceEstimator
from sklstm._classifier import LSTMSequenceClassifier
from sklstm._regressor import LSTMSequenceRegressor
from sklstm._tasks._classification import Classification
from sklstm._tasks._regression import Regression
from sklstm._tasks._task import Task

TASKS: dict[type[BaseSequenceEstimator], type[Task]] = {
    LSTMSequenceClassifier: Classification,
    LSTMSequenceRegressor: Regression,
}
ESTIMATORS = {kind.__name__: kind for kind in TASKS}
