"""What a checkpoint within an epoch may say, forged with a right checksum; by the estimator."""

import copy

import numpy as np
import pytest

from sklstm._files._container import read_file, write_file
from sklstm._state._checkpoint import CHECKPOINT
from sklstm.exceptions import ModelFileError
from tests.crashing import Crash, CrashAfterSteps, result
from tests.helpers import make_ragged, quick

X, Y = make_ragged(48, n_classes=3)
# Six steps an epoch; a row, and two steps of the next one.
PARAMETERS = {"hidden_sizes": 4, "n_kernels": 0, "batch_size": 6, "max_epochs": 2}
PARAMETERS |= {"early_stopping": True, "validation_fraction": 0.25, "validation_interval": 3}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoints") / "file"
    crash = [CrashAfterSteps(5)]
    with pytest.raises(Crash):
        quick(checkpoint=path, checkpoint_interval=1, callbacks=crash, **PARAMETERS).fit(X, Y)
    return read_file(path, CHECKPOINT)


def go_on(path, content):
    write_file(path, CHECKPOINT, content)
    return quick(checkpoint=path, **PARAMETERS).fit(X, Y)


def test_what_was_written_is_gone_on_from(tmp_path, content):
    assert content["net"]["progress"]["n_steps"] == 5
    expected = result(quick(**PARAMETERS).fit(X, Y))
    assert result(go_on(tmp_path / "file", content)) == expected


def monitor(net):
    return net["callbacks"]["ValidationMonitor"]


def losses(progress):
    return progress["losses"]["tensor"]


FORGERIES = [
    ("entries of the progress", lambda p: p.pop("seconds")),
    ("n_rows cannot be -1", lambda p: p.update(n_rows=-1)),
    ("history is not that", lambda p: p.update(n_rows=2)),
    ("How far", lambda p: p.update(n_rows=0)),
    ("How far", lambda p: p.update(n_steps=6)),
    ("How far", lambda p: p.update(n_steps=2)),
    ("n_steps cannot be '5'", lambda p: p.update(n_steps="5")),
    ("How far", lambda p: p.update(n_steps_before_row=4)),
    ("How far", lambda p: p.update(n_steps_before_row=-3)),
    ("How far", lambda p: p.update(seconds=-1.0)),
    ("How far", lambda p: losses(p).fill(np.nan)),
    ("How far", lambda p: p["weights"]["tensor"].fill(0)),
    ("How far", lambda p: p["losses"].update(tensor=np.ones(2))),
    ("How far", lambda p: p["losses"].update(tensor=np.ones(3, np.float32))),
    ("How far", lambda p: p["sums"].update(tensor=np.ones(2))),
    ("How far", lambda p: p["sums"].update(tensor=np.ones(3))),
]


@pytest.mark.parametrize(("match", "forge"), FORGERIES)
def test_what_is_refused(tmp_path, content, match, forge):
    forged = copy.deepcopy(content)
    forge(forged["net"]["progress"])
    with pytest.raises(ModelFileError, match=match):
        go_on(tmp_path / "file", forged)


@pytest.mark.parametrize(
    ("match", "forge"),
    [
        ("schedule is invalid", lambda n: n["callbacks"]["LearningRate"].update(n_steps_left=12)),
        ("history is not that", lambda n: n["history"][0].update(epoch=1.5)),
        ("history is not that", lambda n: n["history"][0].update(epoch=0.0)),
        (
            "stopping is invalid",
            lambda n: n["callbacks"]["ValidationMonitor"].update(best_epoch_=1),
        ),
        ("stopping is invalid", lambda n: monitor(n).update(_n_epochs=0)),
        ("How far|n_epochs_done", lambda n: n.update(n_epochs_done=2)),
    ],
)
def test_what_else_is_refused(tmp_path, content, match, forge):
    forged = copy.deepcopy(content)
    forge(forged["net"])
    with pytest.raises(ModelFileError, match=match):
        go_on(tmp_path / "file", forged)
