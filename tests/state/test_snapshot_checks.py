"""What a checkpoint may say, forged with a right checksum; through the estimator."""

import copy

import numpy as np
import pytest
import torch

from sklstm._files._container import read_file, write_file
from sklstm._state._checkpoint import CHECKPOINT
from sklstm._state._snapshot_checks import is_sound_generator
from sklstm.exceptions import ModelFileError
from tests.crashing import CrashAfter, crash_after, result
from tests.helpers import make_ragged, quick

X, Y = make_ragged(48, n_classes=3)
PARAMETERS = {"conv_filters": (4,), "mixup_alpha": 0.5, "early_stopping": True}


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """What is in the file after two epochs, and before the first."""
    n_epochs = {"": 2, "not begun": 0}
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, n in n_epochs.items():
        crash_after(n, X, Y, checkpoint=folder / f"file {name}", **PARAMETERS)
    return {name: read_file(folder / f"file {name}", CHECKPOINT) for name in n_epochs}


def go_on(path, content):
    write_file(path, CHECKPOINT, content)
    return quick(checkpoint=path, **PARAMETERS).fit(X, Y)


def test_what_was_written_is_gone_on_from(tmp_path, contents):
    expected = result(quick(**PARAMETERS).fit(X, Y))
    for name, content in contents.items():
        assert result(go_on(tmp_path / f"file {name}", content)) == expected


def weight(net, name="head.1.weight"):
    return net["weights"][name]["tensor"]


def monitor(net):
    return net["callbacks"]["ValidationMonitor"]


def schedule(net):
    return net["callbacks"]["LearningRate"]["schedule"]


VARIANCE = "convolutions.layers.0.normalization.variance"
NUMBERS = r"not finite, or a variance"
FORGERIES = [
    ("entries differ", lambda n: n.pop("torch_rng")),
    ("entries differ", lambda n: n.update(more=1)),
    ("n_epochs_done cannot be -1", lambda n: n.update(n_epochs_done=-1)),
    ("n_epochs_done cannot be 6", lambda n: n.update(n_epochs_done=6)),
    ("n_epochs_done cannot be True", lambda n: n.update(n_epochs_done=True)),
    ("n_halvings cannot be 1000000000", lambda n: n.update(n_halvings=10**9)),
    ("should_stop cannot be 1", lambda n: n.update(should_stop=1)),
    ("not those of this network", lambda n: n["weights"].popitem()),
    ("not those of this network", lambda n: n["weights"].update(more=n["weights"]["head.1.bias"])),
    ("not those of this network", lambda n: n["weights"]["head.1.bias"].update(tensor=np.ones(1))),
    (NUMBERS, lambda n: weight(n).fill(np.nan)),
    (NUMBERS, lambda n: weight(n).fill(1e19)),
    (NUMBERS, lambda n: weight(n, VARIANCE).fill(-1)),
    ("history is not that", lambda n: n["history"].pop()),
    ("history is not that", lambda n: n["history"][0].pop("valid_loss")),
    ("history is not that", lambda n: n["history"][0].update(train_loss="a")),
    ("history is not that", lambda n: n["history"][1].update(epoch=1)),
    ("history is not that", lambda n: n["history"][1].update(batches=[{}])),
    ("history is not that", lambda n: n.update(n_epochs_done=1)),
    ("generators are invalid", lambda n: n["torch_rng"].update(tensor=np.zeros(16, np.uint8))),
    ("generators are invalid", lambda n: n.update(torch_rng=None)),
    ("generators are invalid", lambda n: n.update(cuda_rng=n["torch_rng"])),
    ("generators are invalid", lambda n: n["batch_rng"].update(bit_generator="MT19937")),
    ("generators are invalid", lambda n: n["batch_rng"]["state"].pop("inc")),
    ("OverflowError|ValueError", lambda n: n["batch_rng"]["state"].update(inc=2**999)),
    ("callbacks differ", lambda n: n["callbacks"].popitem()),
    ("schedule is invalid", lambda n: n["callbacks"]["LearningRate"].update(n_steps_done=99)),
    ("schedule is invalid", lambda n: n["callbacks"]["LearningRate"].update(schedule=None)),
    ("schedule is invalid", lambda n: schedule(n).update(last_epoch=10**9)),
    ("schedule is invalid", lambda n: schedule(n).update(_step_count=0)),
    ("schedule is invalid", lambda n: schedule(n).update(total_steps=1)),
    ("schedule is invalid", lambda n: schedule(n)["_schedule_phases"][0].update(start_lr="a")),
    ("scores is invalid", lambda n: monitor(n).pop("_to_beat")),
    ("scores is invalid", lambda n: monitor(n).update(best_score_="a")),
    ("scores is invalid", lambda n: monitor(n).update(validation=1)),
    ("not those of this network", lambda n: monitor(n)["best_weights_"].popitem()),
    ("not those of this network", lambda n: monitor(n).update(best_weights_={})),
    (NUMBERS, lambda n: monitor(n)["best_weights_"]["head.1.bias"]["tensor"].fill(np.inf)),
    ("early stopping is invalid", lambda n: monitor(n).update(best_epoch_=10**9)),
    ("early stopping is invalid", lambda n: monitor(n).update(best_epoch_=0)),
    ("early stopping is invalid", lambda n: monitor(n).update(_n_epochs=5)),
    ("early stopping is invalid", lambda n: monitor(n).update(_n_epochs_without_change=3)),
    ("options of the optimizer", lambda n: n["optimizer"]["param_groups"][0].pop("lr")),
    ("KeyError: 'state'", lambda n: n["optimizer"].pop("state")),
]


def refuse(path, content, match):
    write_file(path, CHECKPOINT, content)
    before, random = path.read_bytes(), torch.get_rng_state()
    classifier = quick(checkpoint=path, callbacks=[CrashAfter(0)], **PARAMETERS)
    with pytest.raises(ModelFileError, match=rf"'.*/file' does not describe a training: .*{match}"):
        classifier.fit(X, Y)
    assert path.read_bytes() == before
    assert torch.equal(torch.get_rng_state(), random)
    assert set(vars(classifier)) == set(classifier.get_params())


@pytest.mark.parametrize(("match", "forge"), FORGERIES)
def test_what_is_refused(tmp_path, contents, match, forge):
    content = copy.deepcopy(contents[""])
    forge(content["net"])
    refuse(tmp_path / "file", content, match)


def test_what_is_refused_before_the_first_epoch(tmp_path, contents):
    for match, change in (
        ("should_stop cannot be True", lambda n: n.update(should_stop=True)),
        ("early stopping is invalid", lambda n: monitor(n).update(best_epoch_=1)),
        ("early stopping is invalid", lambda n: monitor(n).update(best_weights_=3)),
    ):
        content = copy.deepcopy(contents["not begun"])
        change(content["net"])
        refuse(tmp_path / "file", content, match)


@pytest.mark.parametrize("seed", [1, -1, 2**70, "0", True, None])
def test_the_seed(tmp_path, contents, seed):
    refuse(tmp_path / "file", contents[""] | {"seed": seed}, "The seed cannot be")


def test_a_generator_never_reads_beyond_its_numbers():
    torch.manual_seed(3)
    for n in range(1_300):
        state = torch.get_rng_state()
        assert is_sound_generator(state), n
        torch.rand(1)
    position = int.from_bytes(state[16:24].numpy().tobytes(), "little")
    for other in (position + 1, 624, 2**40):
        state[16:24] = torch.frombuffer(bytearray(other.to_bytes(8, "little")), dtype=torch.uint8)
        assert not is_sound_generator(state)
