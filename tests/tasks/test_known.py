import numpy as np
import pytest

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from tests.helpers import make_ragged

X, Y = make_ragged(20)
LABELS = np.stack([Y, np.ones_like(Y)], axis=1)
OPTIONS = {"hidden_sizes": 4, "n_kernels": 0, "max_epochs": 1, "random_state": 0}


@pytest.mark.parametrize(
    ("estimator", "y"),
    [(LSTMSequenceClassifier, Y), (LSTMSequenceClassifier, LABELS), (LSTMSequenceRegressor, Y)],
)
def test_a_scorer_that_predicts_other_sequences_is_an_error(estimator, y):
    def elsewhere(fitted, X, y):
        return fitted.predict(others).mean()

    others = X[:5]
    scored = estimator(**OPTIONS, scoring={"elsewhere": elsewhere})
    with pytest.raises(RuntimeError, match="something other than the X that it was given"):
        scored.fit(X, y, X_val=X, y_val=y)
