"""A fit by ranks: what is shipped, and checkpoints that rank 0 reads and writes."""

import pickle

import cloudpickle
import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklstm import LSTMSequenceClassifier
from sklstm._runtime._ranks import InTurn, reset_launcher, set_launcher
from sklstm._state._fit import ToldCheckpoint
from sklstm.preprocessing import write_sequences
from tests.helpers import make_ragged

X, Y = make_ragged()
SMALL = {"hidden_sizes": 4, "max_epochs": 4, "batch_size": 8, "n_kernels": 0, "random_state": 0}


def fitted(launcher, estimator, method="fit", **options):
    token = set_launcher(launcher)
    try:
        return getattr(estimator, method)(X, Y, **options)
    finally:
        reset_launcher(token)


class Ships(InTurn):
    """Computes rank 0 as another process would: of pickled data and a pickled call."""

    def run(self, work):
        data, call = pickle.dumps(work.data), cloudpickle.dumps(work.call)
        self.n_bytes = len(call)
        returned = pickle.loads(call)(pickle.loads(data), self)
        return work.receive(pickle.loads(cloudpickle.dumps(returned)))


def assert_same(first, second):
    states = [clf.net_.module_.state_dict() for clf in (first, second)]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    np.testing.assert_array_equal(first.history_["train_loss"], second.history_["train_loss"])


def test_a_fit_that_is_shipped_has_the_same_bits():
    here = fitted(InTurn(2), LSTMSequenceClassifier(**SMALL))
    launcher = Ships(2)
    assert_same(here, fitted(launcher, LSTMSequenceClassifier(**SMALL)))
    # Without the sequences.
    assert launcher.n_bytes < 20_000


@pytest.mark.parametrize("is_map", [False, True])
def test_of_a_view_the_path_is_shipped(is_map, tmp_path):
    class Measures(InTurn):
        def run(self, work):
            self.n_bytes = len(pickle.dumps(work.data))
            return super().run(work)

    view = np.zeros((len(Y), 1000, 2))
    np.save(tmp_path / "X.npy", view)
    n_bytes = view.nbytes
    if is_map:
        view = np.load(tmp_path / "X.npy", mmap_mode="r")
    else:
        view = write_sequences(tmp_path / "X", view)
    launcher = Measures(2)
    token = set_launcher(launcher)
    try:
        LSTMSequenceClassifier(**{**SMALL, "max_epochs": 1, "conv_filters": ()}).fit(view, Y)
    finally:
        reset_launcher(token)
    assert launcher.n_bytes < n_bytes / 20


def test_further_training_goes_on_with_the_optimizers_state():
    both = []
    for launcher in (InTurn(2), Ships(2)):
        clf = LSTMSequenceClassifier(**SMALL)
        for _ in range(3):
            fitted(launcher, clf, "partial_fit", classes=[0, 1])
        both.append(clf)
    assert_same(*both)
    assert both[1].predict(X).shape == Y.shape


class Interrupts(Callback):
    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize("size", [1, 2])
def test_an_interrupted_fit_goes_on_to_the_bit(tmp_path, size):
    options = SMALL | {"dropout": 0.2}
    through = fitted(InTurn(size), LSTMSequenceClassifier(**options))
    options |= {"checkpoint": str(tmp_path / "fit.safetensors")}
    with pytest.raises(KeyboardInterrupt):
        fitted(InTurn(size), LSTMSequenceClassifier(**options, callbacks=[Interrupts()]))
    assert_same(fitted(InTurn(size), LSTMSequenceClassifier(**options)), through)


def test_ranks_without_the_file_are_told_its_seed_and_rows():
    class Other(InTurn):
        rank = 1

        def tell(self, value):
            assert value == (0, 0)
            return 17, 3

    told = ToldCheckpoint(None, Other(2))
    assert (told.seed, told.n_rows_done) == (17, 3)
    told.write(None)
    told.is_complete = False
    assert told.is_complete


def test_a_fit_within_a_callback_starts_no_ranks():
    class Fits(Callback):
        def on_epoch_end(self, net, **kwargs):
            launcher.n_runs += 10
            LSTMSequenceClassifier(**SMALL | {"max_epochs": 1}).fit(X, Y)

    class Counts(InTurn):
        n_runs = 0

        def run(self, work):
            self.n_runs += 1
            return super().run(work)

    launcher = Counts(2)
    fitted(launcher, LSTMSequenceClassifier(**SMALL | {"max_epochs": 1, "callbacks": [Fits()]}))
    assert launcher.n_runs == 11
