import numpy as np
import pytest

from sklstm._batching._loader import DeviceSequences, to_device
from sklstm._batching._scaling import Scaling
from sklstm._batching._sources import TrainingSequences
from sklstm._batching._windows import WindowedSequences
from sklstm._sequences import Sequences
from tests.helpers import device


@pytest.mark.parametrize(
    ("make", "kind"), [(to_device, DeviceSequences), (WindowedSequences, WindowedSequences)]
)
def test_both_kinds_have_all_that_a_training_reads(make, kind):
    sequences = Sequences.from_lengths(np.ones((9, 2)), [4, 5])
    source = make(sequences, Scaling.identity(2), device())
    assert isinstance(source, kind)
    members = {*vars(TrainingSequences), *TrainingSequences.__annotations__}
    members = {name for name in members if not name.startswith("_")}
    assert len(members) >= 10
    assert [name for name in sorted(members) if not hasattr(source, name)] == []
