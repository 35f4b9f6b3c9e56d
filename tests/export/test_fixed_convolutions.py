import numpy as np
import pytest

from tests.export.cases import assert_file_agrees, rounded, small


def walk(rng, t):
    return rng.normal(size=(t, 1)).cumsum(axis=0)


KINDS = {
    "walks": walk,
    "rounded walks": lambda rng, t: walk(rng, t).round(),
    "rare events": lambda rng, t: (rng.random((t, 1)) < 0.05).astype(float),
    "steps": lambda rng, t: np.repeat(rng.normal(size=(-(-t // 10), 1)), 10, axis=0)[:t],
}


@pytest.mark.parametrize(
    ("kind", "filters"), [*((kind, ()) for kind in KINDS), ("rounded walks", (4,))]
)
def test_equal_responses_are_counted_the_same(kind, filters, tmp_path):
    """Thresholds stand where many timesteps have one and the same response."""
    rng = np.random.default_rng(0)
    X = rounded([KINDS[kind](rng, 60) for _ in range(12)])
    model = small(n_kernels=300, conv_filters=filters).fit(X, np.arange(12) % 2)
    new = rounded([KINDS[kind](rng, t) for t in (1, 2, 3, 60, 61, 119)])
    assert_file_agrees(model, tmp_path / "model.onnx", [*new, *X])
