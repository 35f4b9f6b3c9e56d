import numpy as np
import pytest

from sklstm.export._model import read_model
from sklstm.export._stream_graph import state_of, write_stream_graph
from sklstm.streaming import Stream
from tests.export.cases import open_file
from tests.streaming.fitted import classifier


@pytest.mark.parametrize("pooling", ["last", "max", "mean"])
def test_the_state_has_the_names_of_that_of_a_stream(pooling):
    model = classifier((3, 4), pooling=pooling)
    known = Stream(model, 1).state_dict()
    parts = state_of(model.net_.module_)
    assert {k: (known[k].shape[1:], known[k].dtype) for k in parts} == {
        k: (part.shape, np.dtype(part.dtype)) for k, part in parts.items()
    }
    assert pooling == "last" or set(parts) == set(known)


def test_a_sum_of_states_is_the_same_bits_in_any_chunks():
    model = classifier(pooling="mean")
    proto = write_stream_graph(read_model(model)).build("")
    session = open_file(proto.SerializeToString())
    x = np.random.default_rng(0).normal(size=(2, 30, 3)).astype(np.float32)

    def total(sizes):
        parts = state_of(model.net_.module_)
        state = {k: np.zeros((2, *part.shape), part.dtype) for k, part in parts.items()}
        for chunk in np.split(x, np.cumsum(sizes)[:-1], axis=1):
            new = session.run([f"new_{name}" for name in state], {"x": chunk, **state})
            state = dict(zip(state, new, strict=True))
        return state["total"]

    # The layers' own last digits may differ, by 2**-24 each.
    np.testing.assert_allclose(total([30]), total([1, 29]), rtol=0, atol=30 * 2**-23)
