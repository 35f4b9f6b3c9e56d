import pytest

from sklstm import LSTMSequenceClassifier
from sklstm._training._auto import resolve_convolutions


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"conv_filters": "auto"}, ((128, 256, 128), (8, 5, 3))),
        ({"conv_filters": "auto", "embedding_dim": 4}, ((), ())),
        ({"conv_filters": "auto", "embedding_weights": [[0.0], [1.0]]}, ((), ())),
        ({"conv_filters": (), "conv_kernel_sizes": (8, 5, 3)}, ((), ())),
        ({"conv_filters": 7}, ((7,), (8,))),
        ({"conv_filters": (7,) * 5}, ((7,) * 5, (8, 5, 3, 3, 3))),
        ({"conv_filters": [7, 6], "conv_kernel_sizes": 4}, ((7, 6), (4, 4))),
        ({"conv_filters": "auto", "conv_kernel_sizes": [9, 5, 2]}, ((128, 256, 128), (9, 5, 2))),
    ],
)
def test_convolutions(parameters, expected):
    everything = LSTMSequenceClassifier(**parameters).get_params(deep=False)
    assert resolve_convolutions(everything) == expected
