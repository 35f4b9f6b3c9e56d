import numpy as np
import pytest

from tests.export.cases import assert_file_agrees, measurements, small


@pytest.mark.parametrize("standardize", [True, "sequence", "both"])
def test_times_in_seconds_keep_their_digits(standardize, tmp_path):
    """float32 has a resolution of 128 there."""
    X, y = measurements()
    X = [x / 9 + 1.7e9 for x in X]
    model = small(standardize=standardize, conv_filters=()).fit(X, y)
    assert_file_agrees(model, tmp_path / "model.onnx", X)


@pytest.mark.parametrize("parameters", [{"conv_filters": ()}, {"n_kernels": 300}], ids=str)
def test_a_constant_is_0_within_its_sequence(parameters, tmp_path):
    X, y = measurements(lengths=(90, 110))
    # Sums of these are rounded.
    X = [np.column_stack([x, np.tile((i + 1) / np.arange(3, 23), (len(x), 1))])
         for i, x in enumerate(X)]  # fmt: skip
    model = small(standardize="sequence", **parameters).fit(X, y)
    assert_file_agrees(model, tmp_path / "model.onnx", X)
