import numpy as np
import pytest

from tests.export.cases import assert_file_agrees, measurements, small
from tests.helpers import POOLINGS


@pytest.mark.parametrize("pooling", POOLINGS)
def test_thousands_of_timesteps(pooling, tmp_path):
    X, y = measurements()
    model = small(pooling=pooling, conv_filters=(5,), patch_size=1).fit(X, y)
    rng = np.random.default_rng(1)
    new = [50 + 9 * rng.normal(size=(t, 2)) for t in (5000, 1, 4999, 7, 5000)]
    assert_file_agrees(model, tmp_path / "model.onnx", new)


def test_weights_that_make_sure_predictions(tmp_path):
    """Trained for longer: large logits, and running statistics of batch normalisation."""
    X, y = measurements(30)
    X = [x + 40 * (label == "yes") for x, label in zip(X, y, strict=True)]
    model = small(hidden_sizes=(16, 8), conv_filters=(16, 17), max_epochs=40, mixup_alpha=0)
    model.fit(X, y)
    assert model.predict_proba(X).max() > 0.95
    assert_file_agrees(model, tmp_path / "model.onnx", X)
