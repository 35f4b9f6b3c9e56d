"""Fits of large data, which are read window by window."""

import signal
import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklstm import LSTMSequenceClassifier, _base
from sklstm._batching import _windows
from sklstm._batching._windows import WindowedSequences
from sklstm._data._labelled import label
from sklstm._sequences import ArrayRows, view_of
from sklstm._training import _train
from sklstm._training._optimizers import is_capturable
from sklstm.exceptions import TrainingDivergedError
from sklstm.preprocessing import open_sequences, write_sequences
from tests.helpers import make_ragged
from tests.training.cases import EVERY_CASE, fit
from tests.windows import fit_from_maps, make_small


def bits(estimator):
    state = {name: v.numpy() for name, v in estimator.net_.module_.state_dict().items()}
    history = {k: v for k, v in estimator.history_.items() if k != "dur"}
    return state | history


def assert_same_bits(first, second):
    one, other = bits(first), bits(second)
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


OPTIONS = {
    "validated": ("LSTM", {"early_stopping": True, "return_train_score": True, "dropout": 0.3}),
    "in time": ("ragged", {"early_stopping": "last", "scoring": ["accuracy", "loss"]}),
    "both": ("ragged", {"standardize": "both", "conv_filters": (4,)}),
    "per sequence": ("ragged", {"standardize": "sequence"}),
    "not standardised": ("ragged", {"standardize": False, "batch_size": 7}),
    "what is auto": ("ragged", {"standardize": "auto", "batch_size": "auto", "patch_size": "auto"}),
}
# Categories are codes in memory.
FROM_MAPS = [*(case for case in EVERY_CASE if case != "categories"), *OPTIONS]


@pytest.mark.parametrize("case", FROM_MAPS)
def test_from_a_memory_map_as_in_memory(case, monkeypatch, tmp_path, our_threads):
    make_small(monkeypatch)
    name, options = OPTIONS.get(case, (case, {}))
    options = {"max_epochs": 1, "return_train_score": True} | options
    in_memory = fit(name, **options)
    fit_from_maps(monkeypatch, tmp_path)
    assert_same_bits(in_memory, fit(name, **options))
    assert not our_threads()


def test_small_data_from_a_map_as_today(monkeypatch, tmp_path):
    in_memory = fit("ragged", max_epochs=2)
    fit_from_maps(monkeypatch, tmp_path)
    assert_same_bits(in_memory, fit("ragged", max_epochs=2))


PLAIN = {"hidden_sizes": 4, "n_kernels": 0, "conv_filters": (), "random_state": 0}


def fit_plain(X, y, weights=None, **options):
    options = {"max_epochs": 2, "batch_size": 8} | PLAIN | options
    return LSTMSequenceClassifier(**options).fit(X, y, weights)


def test_one_batch_of_all_is_that_of_a_fit_without_windows(monkeypatch):
    """But for the order of the sequences in it: up to rounding."""
    options = {"batch_size": 40, "mixup_alpha": 0.0, "standardize": "both", "max_epochs": 5}
    small = fit_plain(*make_ragged(40), **options)
    make_small(monkeypatch)
    large = fit_plain(*make_ragged(40), **options)
    expected = small.history_["train_loss"]
    np.testing.assert_allclose(large.history_["train_loss"], expected, rtol=1e-5)
    assert bits(large).keys() == bits(small).keys()


def test_large_data_learn(monkeypatch):
    make_small(monkeypatch)
    X, y = make_ragged(80)
    assert fit_plain(X, y, max_epochs=8, learning_rate=0.03).score(X, y) > 0.9


def test_sequences_of_weight_zero_do_not_count(monkeypatch):
    make_small(monkeypatch)
    X, y = make_ragged(60)
    weights = np.arange(60) % 3
    kept = np.flatnonzero(weights)
    of_kept = fit_plain([X[i] for i in kept], y[kept], weights[kept])
    assert_same_bits(fit_plain(X, y, weights), of_kept)


def test_large_data_are_not_copied(monkeypatch):
    make_small(monkeypatch)
    X, y = np.random.default_rng(0).normal(size=(60, 6, 2)), np.arange(60) % 2
    trained_on = []

    class Look(Callback):
        def on_train_begin(self, net, X, **_):
            trained_on.append(X.sequences)

    fit_plain(X, y, early_stopping=True, callbacks=[Look()])
    (source,) = trained_on
    assert isinstance(source, WindowedSequences)
    assert np.shares_memory(source.sequences.rows.values, X)
    assert len(source) == 54


def test_no_steps_are_captured_on_a_gpu(monkeypatch):
    make_small(monkeypatch)
    expected = fit_plain(*make_ragged(60))
    monkeypatch.setattr(_train, "can_stay_on_device", lambda _, optimizer: is_capturable(optimizer))
    found = fit_plain(*make_ragged(60))
    # The learning rate is a float32 there.
    of_plain = expected.history_["train_loss"]
    np.testing.assert_allclose(found.history_["train_loss"], of_plain, rtol=1e-4)


def test_a_gpu_holds_large_data_up_to_half_of_its_memory(monkeypatch):
    memory = type("Properties", (), {"total_memory": 1000})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: memory)
    assert not _windows.fits_on(torch.device("cpu"), 1)
    assert _windows.fits_on(torch.device("cuda"), 500)
    assert not _windows.fits_on(torch.device("cuda"), 501)


@pytest.mark.parametrize("is_mapped", [False, True])
def test_a_checkpoint_begun_in_memory_goes_on_from_a_map(is_mapped, monkeypatch, tmp_path):
    make_small(monkeypatch)
    X, y = make_ragged(60)
    expected = fit_plain(X, y, max_epochs=3)
    path = tmp_path / "checkpoint"

    class Interrupt(Callback):
        def on_epoch_begin(self, net, **_):
            if len(net.history) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_plain(X, y, max_epochs=3, checkpoint=path, callbacks=[Interrupt()])
    if is_mapped:
        fit_from_maps(monkeypatch, tmp_path)
    assert_same_bits(fit_plain(X, y, max_epochs=3, checkpoint=path), expected)


@dataclass(frozen=True, eq=False)
class Torn(ArrayRows):
    """Rows of which the first cannot be read by another thread, and by this one only so often."""

    def gather(self, starts, lengths):
        if threading.current_thread() is not threading.main_thread():
            raise OSError("The disk is gone")
        return super().gather(starts, lengths)


def test_an_error_of_the_thread_that_reads_reaches_the_user(monkeypatch, our_threads):
    make_small(monkeypatch)

    def label_torn(sequences, *arguments, **options):
        view = view_of(sequences)
        return label(replace(view, rows=Torn(view.rows.values)), *arguments, **options)

    monkeypatch.setattr(_base, "label", label_torn)
    with pytest.raises(OSError, match="The disk is gone"):
        fit_plain(*make_ragged(200))
    assert not our_threads()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_no_thread(error, monkeypatch, our_threads):
    make_small(monkeypatch)

    class Interrupt(Callback):
        def on_batch_end(self, net, **_):
            assert our_threads()
            if error is KeyboardInterrupt:
                signal.raise_signal(signal.SIGINT)
            raise ValueError

    with pytest.raises(error):
        fit_plain(*make_ragged(60), callbacks=[Interrupt()])
    assert not our_threads()


def test_a_diverging_loss_names_the_largest_input(monkeypatch):
    make_small(monkeypatch)
    X, y = make_ragged(60)
    X[40][0, 0] = -1e30
    with pytest.raises(TrainingDivergedError, match=r"largest input was 1e\+30"):
        fit_plain(X, y, learning_rate=1e20, standardize=False, max_epochs=20, optimizer="sgd",
                  max_grad_norm=None)  # fmt: skip


def test_scorers_are_given_a_list_that_is_read_when_needed(monkeypatch):
    make_small(monkeypatch)
    X, y = make_ragged(300)
    seen = []

    def mean_length(predictor, X, y):
        seen.append((len(X), [len(x) for x in X], len(X[0]), len(X[-1]), len(X[1:3])))
        return predictor.predict(X).mean()

    fit_plain(X, y, max_epochs=1, early_stopping=True, scoring=mean_length, validation_fraction=0.5)
    ((n, lengths, first, last, n_some),) = seen
    assert (n, n_some) == (len(lengths), 2) == (150, 2)
    assert (first, last) == (lengths[0], lengths[-1])


def test_a_time_limit_is_kept(monkeypatch, our_threads):
    make_small(monkeypatch)
    fitted = fit_plain(*make_ragged(300), max_epochs=10_000, max_time=0.3)
    assert fitted.stop_reason_ == "max_time"
    assert not our_threads()


def test_stored_sequences_and_arrays_on_disk_as_in_memory(monkeypatch, tmp_path):
    make_small(monkeypatch)
    X, y = make_ragged(60)
    write_sequences(tmp_path / "ragged", iter([X[:40], X[40:]]))
    view = open_sequences(tmp_path / "ragged")
    order = np.random.default_rng(0).permutation(60)[:50]
    shuffled = fit_plain([X[i] for i in order], y[order])
    assert_same_bits(shuffled, fit_plain(view[order], y[order]))

    cube = np.random.default_rng(0).normal(size=(60, 6, 2)).astype(np.float32)
    np.save(tmp_path / "cube.npy", cube)
    mapped = np.load(tmp_path / "cube.npy", mmap_mode="r")
    held_out = {"X_val": mapped[:30], "y_val": y[:30]}
    expected = fit_plain(cube, y, early_stopping=True)
    assert_same_bits(expected, fit_plain(mapped, y, early_stopping=True))
    X_val = LSTMSequenceClassifier(max_epochs=1, **PLAIN).fit(mapped, y, **held_out)
    assert_same_bits(X_val, LSTMSequenceClassifier(max_epochs=1, **PLAIN).fit(
        cube, y, X_val=cube[:30], y_val=y[:30]))  # fmt: skip
