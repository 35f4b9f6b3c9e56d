import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from sklstm._warnings import warn_user
from tests.helpers import make_cube, quick


class Doubtful(Callback):
    """Warns from the middle of a fit, through skorch."""

    def on_train_end(self, net, **kwargs):
        warn_user("There is some doubt.", RuntimeWarning)


def test_a_warning_points_to_the_line_that_calls_the_package():
    X, y = make_cube(8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quick(max_epochs=1, callbacks=[Doubtful()]).fit(X, y)
    assert [(w.filename, w.category) for w in caught] == [(__file__, RuntimeWarning)]


def test_one_of_a_pipeline_points_to_the_pipeline():
    """It is what has called the package."""
    X, y = make_cube(8)
    with pytest.warns(RuntimeWarning, match="doubt") as caught:
        make_pipeline(quick(max_epochs=1, callbacks=[Doubtful()])).fit(np.asarray(X), y)
    assert caught[0].filename.endswith("pipeline.py")
