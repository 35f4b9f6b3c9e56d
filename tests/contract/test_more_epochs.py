"""A fit of more epochs goes on from the checkpoint of one of fewer, to the bits of itself alone."""

from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, LRScheduler

from sklstm import LSTMSequenceRegressor
from sklstm._files._container import read_file, write_file
from sklstm._state._checkpoint import CHECKPOINT
from sklstm.exceptions import ModelFileError
from tests.crashing import Count, Crash, CrashAfter, result
from tests.helpers import make_cube, make_ragged, quick

X, Y = make_ragged(48, n_classes=3)
CUBE, Y_CUBE = make_cube(40, n_timesteps=4, n_features=1)
NUMBERS = CUBE.mean(axis=(1, 2))
IDS = [np.random.default_rng(i).integers(1, 9, size=2 + i % 5) for i in range(40)]
STOPPING = {"early_stopping": True, "validation_fraction": 0.25, "n_iter_no_change": 2}

# No epoch depends on the number of epochs.
make = partial(quick, lr_schedule=None, hidden_sizes=4, dropout=0.3)


def regressor(**parameters):
    return LSTMSequenceRegressor(**{"mixup_alpha": 0.0, "random_state": 0, **parameters})


def counted(classifier, *arguments, **options):
    """The fitted classifier, and how many epochs it trained."""
    classifier.set_params(callbacks=[count := Count()]).fit(*arguments, **options)
    return classifier.set_params(callbacks=None), count.n_epochs


def message_of(error):
    return str(error.value)


@pytest.mark.parametrize(
    ("build", "parameters", "arguments"),
    [
        (make, {}, (X, Y)),
        (make, {"lr_schedule": "plateau", "optimizer": "sgd"}, (X, Y)),
        (make, {"lr_schedule": "plateau", **STOPPING, "n_iter_no_change": 9}, (X, Y)),
        (make, {"return_train_score": True, "batch_size": 7}, (X, Y, np.arange(48) % 4)),
        # What is fitted in closed form before and after the network.
        (make, {"n_kernels": 300, "conv_filters": "auto", "hidden_sizes": 4}, (CUBE, Y_CUBE)),
        (make, {"embedding_dim": 4, "tfidf": True}, (IDS, Y_CUBE)),
        (regressor, {"n_kernels": 100, "hidden_sizes": 4, "lr_schedule": None}, (CUBE, NUMBERS)),
    ],
    ids=["constant", "plateau", "stopping", "weights", "kernels", "tokens", "numbers"],
)
def test_it_goes_on_to_the_same_bits(tmp_path, build, parameters, arguments):
    resumable = partial(build, **parameters, checkpoint=tmp_path / "file")
    fewer, n_first = counted(resumable(max_epochs=2), *arguments)
    more, n_further = counted(resumable(max_epochs=5), *arguments)
    assert (n_first, n_further) == (2, 3)
    again, n_again = counted(resumable(max_epochs=2), *arguments)
    assert n_again == 0
    for found, n in ((fewer, 2), (again, 2), (more, 5)):
        alone = build(**parameters, max_epochs=n).fit(*arguments)
        assert result(found) == result(alone)
        np.testing.assert_array_equal(found.predict(arguments[0]), alone.predict(arguments[0]))


def test_a_crash_on_the_way_to_more_epochs(tmp_path):
    path = tmp_path / "file"
    make(checkpoint=path, max_epochs=2).fit(X, Y)
    with pytest.raises(Crash):
        make(checkpoint=path, max_epochs=6, callbacks=[CrashAfter(2)]).fit(X, Y)
    more, n_epochs = counted(make(checkpoint=path, max_epochs=6), X, Y)
    assert n_epochs == 2
    assert result(more) == result(make(max_epochs=6).fit(X, Y))
    _, n_epochs = counted(make(checkpoint=path, max_epochs=2), X, Y)
    assert n_epochs == 0


def test_a_crash_is_not_the_end_of_a_fit(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(Crash):
        make(checkpoint=path, max_epochs=6, callbacks=[CrashAfter(2)]).fit(X, Y)
    more, n_epochs = counted(make(checkpoint=path, max_epochs=8), X, Y)
    assert n_epochs == 6
    assert result(more) == result(make(max_epochs=8).fit(X, Y))
    assert len(read_file(path, CHECKPOINT)["ended"]) == 0


def test_whoever_was_out_of_patience_stays_so(tmp_path):
    impatient = partial(make, **STOPPING, tol=9.0, checkpoint=tmp_path / "file")
    stopped, n_first = counted(impatient(max_epochs=9), X, Y)
    assert (stopped.stop_reason_, n_first) == ("no_improvement", 3)
    again, n_further = counted(impatient(max_epochs=30), X, Y)
    assert (again.stop_reason_, n_further) == ("no_improvement", 0)
    assert result(again) == result(stopped)


def test_patience_is_counted_across_the_end_of_a_fit(tmp_path):
    impatient = partial(make, **STOPPING, tol=9.0)
    counted(impatient(max_epochs=2, checkpoint=tmp_path / "file"), X, Y)
    more, n_further = counted(impatient(max_epochs=9, checkpoint=tmp_path / "file"), X, Y)
    assert (more.stop_reason_, n_further) == ("no_improvement", 1)
    assert result(more) == result(impatient(max_epochs=9).fit(X, Y))


def test_fewer_epochs_than_the_file_has_are_refused(tmp_path):
    path = tmp_path / "file"
    make(checkpoint=path, max_epochs=4).fit(X, Y)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"is that of 4 epochs, more than max_epochs=3\.\n\nSet"):
        make(checkpoint=path, max_epochs=3).fit(X, Y)
    assert path.read_bytes() == before


def test_an_epoch_that_has_begun_is_more_than_the_one_before(tmp_path):
    class CrashWithin(Callback):
        n_steps = 0

        def on_batch_end(self, net, **kwargs):
            self.n_steps += 1
            if self.n_steps == 7:
                raise Crash

    by_step = partial(make, checkpoint=tmp_path / "file", checkpoint_interval=1, batch_size=12)
    with pytest.raises(Crash):
        # In the third of four steps of the second epoch.
        by_step(max_epochs=4, callbacks=[CrashWithin()]).fit(X, Y)
    with pytest.raises(ValueError, match="is that of 2 epochs, more than max_epochs=1"):
        by_step(max_epochs=1).fit(X, Y)
    more = by_step(max_epochs=3).fit(X, Y)
    assert result(more) == result(make(max_epochs=3, batch_size=12).fit(X, Y))


def test_ends_stay_in_the_file_where_the_number_is_at_least_doubled(tmp_path):
    path = tmp_path / "file"
    for n_epochs in (1, 2, 3, 4, 8):
        make(checkpoint=path, max_epochs=n_epochs).fit(X, Y)
    ended = read_file(path, CHECKPOINT)["ended"]
    assert [snapshot["n_epochs_done"] for snapshot in ended] == [1, 4]


@pytest.mark.parametrize(
    "parameters",
    [
        {"lr_schedule": "one_cycle"},
        {"lr_schedule": "cosine"},
        {"lr_schedule": "exponential"},
        {"mixup_alpha": 0.2},
        {"callbacks": [LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=2)]},
    ],
    ids=lambda parameters: next(iter(parameters.items()))[0],
)
def test_where_an_epoch_depends_on_the_number_of_epochs_it_is_refused(tmp_path, parameters):
    path = tmp_path / "file"
    make(checkpoint=path, **parameters, max_epochs=2).fit(X, Y)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="'max_epochs' was 2 and is 4 now") as error:
        make(checkpoint=path, **parameters, max_epochs=4).fit(X, Y)
    assert "max_epochs can be raised where no epoch depends on it: with" in message_of(error)
    assert path.read_bytes() == before


def test_the_remedy_is_named_only_where_it_is_one(tmp_path):
    make(checkpoint=tmp_path / "file").fit(X, Y)
    with pytest.raises(ValueError, match="'learning_rate' was") as error:
        make(checkpoint=tmp_path / "file", learning_rate=0.5, max_epochs=9).fit(X, Y)
    assert "max_epochs" not in message_of(error)


@pytest.mark.parametrize(
    "forge",
    [
        lambda content: content.pop("ended"),
        lambda content: content.update(ended=3),
        lambda content: content["ended"][0].update(n_epochs_done=True),
        lambda content: content["ended"][0].update(n_epochs_done=-1),
        lambda content: content["ended"][0].pop("n_epochs_done"),
        lambda content: content["ended"][0].update(history=[]),
        lambda content: content["ended"][0]["weights"].popitem(),
        lambda content: content["fingerprint"]["parameters"].update(max_epochs="many"),
    ],
)
def test_ends_that_no_fit_has_written_are_refused(tmp_path, forge):
    path = tmp_path / "file"
    for n_epochs in (2, 4):
        make(checkpoint=path, max_epochs=n_epochs).fit(X, Y)
    content = read_file(path, CHECKPOINT)
    forge(content)
    write_file(path, CHECKPOINT, content)
    with pytest.raises(ModelFileError, match="does not describe a training"):
        make(checkpoint=path, max_epochs=2).fit(X, Y)


def test_a_warm_start_goes_on_to_more_epochs(tmp_path):
    def further(n_epochs, **parameters):
        classifier = make(max_epochs=2).fit(X, Y)
        classifier.set_params(warm_start=True, max_epochs=n_epochs, **parameters)
        return counted(classifier, X, Y)

    path = tmp_path / "file"
    further(1, checkpoint=path)
    more, n_epochs = further(3, checkpoint=path)
    assert (n_epochs, more.n_iter_) == (2, 5)
    assert result(more) == result(further(3)[0])


# Folders


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_in_a_folder_there_is_one_file_whatever_the_number_of_epochs(tmp_path):
    for n_epochs, n_trained in ((1, 1), (3, 2), (9, 6), (3, 0), (1, 0)):
        fitted, n = counted(make(checkpoint=tmp_path, max_epochs=n_epochs), X, Y)
        assert n == n_trained
        assert result(fitted) == result(make(max_epochs=n_epochs).fit(X, Y))
    assert len(files_of(tmp_path)) == 1


def test_in_a_folder_fewer_epochs_have_a_file_of_their_own(tmp_path):
    for n_epochs in (3, 2):
        fitted, n = counted(make(checkpoint=tmp_path, max_epochs=n_epochs), X, Y)
        assert n == n_epochs
        assert result(fitted) == result(make(max_epochs=n_epochs).fit(X, Y))
    before = files_of(tmp_path)
    assert len(before) == 2
    for n_epochs in (2, 3):
        assert counted(make(checkpoint=tmp_path, max_epochs=n_epochs), X, Y)[1] == 0
    assert files_of(tmp_path) == before


def test_in_a_folder_two_at_once_do_not_wait_for_each_other(tmp_path):
    class FitAnother(Count):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 1:
                other, self.n_of_other = counted(make(checkpoint=tmp_path, max_epochs=2), X, Y)
                assert result(other) == result(make(max_epochs=2).fit(X, Y))

    fitted = make(checkpoint=tmp_path, max_epochs=3, callbacks=[both := FitAnother()]).fit(X, Y)
    assert (both.n_epochs, both.n_of_other) == (3, 2)
    assert result(fitted) == result(make(max_epochs=3).fit(X, Y))
    assert len(files_of(tmp_path)) == 2


def test_in_a_folder_a_file_of_its_own_comes_before_that_of_all(tmp_path):
    class FitAnother(Count):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 2:
                make(checkpoint=tmp_path, max_epochs=2).fit(X, Y)
                raise Crash

    with pytest.raises(Crash):
        make(checkpoint=tmp_path, max_epochs=3, callbacks=[FitAnother()]).fit(X, Y)
    # What is complete is not trained on in the file of the other, which stands at one epoch.
    for n_epochs, n_trained in ((2, 0), (3, 2)):
        assert counted(make(checkpoint=tmp_path, max_epochs=n_epochs), X, Y)[1] == n_trained


def test_without_a_seed_each_fit_begins_anew(tmp_path):
    for n_epochs in (1, 2):
        fresh = make(checkpoint=tmp_path, max_epochs=n_epochs, random_state=None)
        assert counted(fresh, X, Y)[1] == n_epochs
    assert files_of(tmp_path) == {}
