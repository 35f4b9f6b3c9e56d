import numpy as np
import pytest

from tests.export.cases import assert_file_agrees, measurements, rounded, small


@pytest.mark.parametrize("standardize", [True, "sequence", "both"])
def test_a_large_offset_keeps_the_digits_of_float32(standardize, tmp_path):
    """Seconds since 1970 of three hours, which float32 has to a multiple of 128."""
    X, y = measurements()
    X = rounded([128 * x + 1.7e9 for x in X])
    model = small(standardize=standardize, conv_filters=()).fit(X, y)
    assert_file_agrees(model, tmp_path / "model.onnx", X)


@pytest.mark.parametrize("parameters", [{"conv_filters": ()}, {"n_kernels": 300}], ids=str)
def test_a_constant_is_0_within_its_sequence(parameters, tmp_path):
    X, y = measurements(lengths=(90, 110))
    # Sums of these are rounded.
    X = [np.column_stack([x, np.tile((i + 1) / np.arange(3, 23), (len(x), 1))])
         for i, x in enumerate(X)]  # fmt: skip
    X = rounded(X)
    model = small(standardize="sequence", **parameters).fit(X, y)
    assert_file_agrees(model, tmp_path / "model.onnx", X)
