"""What is refused, what happens to the files, and whose they are; through the estimator."""

import os
import pickle
import sys
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sklstm import load_model, save_model
from sklstm._files._container import read_file, write_file
from sklstm._state._checkpoint import CHECKPOINT
from sklstm.exceptions import ModelFileError, TrainingDivergedError
from tests.crashing import Count, CrashAfter, crash_after, result
from tests.helpers import make_ragged, quick

X, Y = make_ragged(48, n_classes=3)
LABELS = np.array(["a", "b", "c"])[Y]
X_VAL, Y_VAL = make_ragged(20, n_classes=3, seed=1)
RANDOM = {"dropout": 0.3}

# What is refused

CHANGES = [
    ({"learning_rate": 0.5}, r"'learning_rate' was 0\.02 and is 0\.5 now\."),
    ({"hidden_sizes": (8, 4)}, r"'hidden_sizes' was \(8\) and is \(8, 4\) now\."),
    ({"max_epochs": 6}, "'max_epochs' was 5 and is 6 now"),
    ({"random_state": 1}, "'random_state' was 0 and is 1 now"),
    ({"random_state": None}, "'random_state' was 0 and is None now"),
    ({"class_weight": {0: 2.0}}, r"'class_weight' was None and is \{0: 2\} now"),
    ({"standardize": False}, "'standardize' was True and is False now"),
    ({"optimizer": partial(torch.optim.Adam, fused=True, amsgrad=True)},
     "'optimizer' was torch.optim.adam.Adam {.*'amsgrad': False.*} and is .*'amsgrad': True"),
    ({"dropout": 0.1, "l1": 0.2, "l2": 0.3, "mixup_alpha": 0.4, "batch_size": 5},
     "'batch_size' was 32 and is 5 now, 'dropout' was 0 .*, 'l1' was 0 .*, and 2 more"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), CHANGES, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("is_done", [False, True])
def test_other_parameters_are_refused(tmp_path, change, message, is_done):
    path = tmp_path / "file"
    crash_after(2, X, Y, checkpoint=path)
    if is_done:
        quick(checkpoint=path).fit(X, Y)
    before = path.read_bytes()
    message = rf"(?s)The checkpoint '.*/file' belongs to a different fit: {message}.*\n\nDelete the"
    other = quick(**{"checkpoint": path, **change})
    with pytest.raises(ValueError, match=message):
        other.fit(X, Y)
    assert path.read_bytes() == before
    assert set(vars(other)) == set(other.get_params())


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([X[1], X[0], *X[2:]], Y), {}, r"X is not the same\."),
        (([*X[:47], X[47] + 1e-12], Y), {}, r"X is not the same\."),
        ((X, LABELS), {}, r"y is not the same\."),
        ((X, np.roll(Y, 1)), {}, r"y is not the same\."),
        ((X, Y, np.arange(48) + 1), {}, r"sample_weight is not the same\."),
        ((X, Y), {"groups": np.arange(48) // 2}, r"groups is not the same\."),
        ((X, Y), {"X_val": X_VAL, "y_val": Y_VAL},
         r"X_val is not the same, sample_weight_val .*, y_val is not the same\."),
        ((X[:47], Y[:47]), {}, r"X is not the same, sample_weight is .*, y is not the same\."),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_other_data_are_refused(tmp_path, arguments, options, message):
    quick(checkpoint=tmp_path / "file").fit(X, Y)
    with pytest.raises(ValueError, match=f"belongs to a different fit: {message}"):
        quick(checkpoint=tmp_path / "file").fit(*arguments, **options)


def test_other_vectors_are_refused(tmp_path):
    ids, vectors = [[1, 2], [2, 1, 1]] * 5, np.random.default_rng(0).normal(size=(3, 2))
    make = partial(quick, checkpoint=tmp_path / "file")
    make(embedding_weights=vectors).fit(ids, [0, 1] * 5)
    with pytest.raises(ValueError, match=r"different fit: embedding_weights is not the same\."):
        make(embedding_weights=2 * vectors).fit(ids, [0, 1] * 5)


def test_another_version_is_refused(tmp_path, monkeypatch):
    crash_after(2, X, Y, checkpoint=tmp_path / "file")
    for name in ("sklstm", "torch", "numpy"):
        with monkeypatch.context() as context:
            context.setattr(sys.modules[name], "__version__", "99.0")
            message = rf"different fit: '{name}' was '.*' and is '99.0' "
            with pytest.raises(ValueError, match=message):
                quick(checkpoint=tmp_path / "file").fit(X, Y)


def test_what_changes_no_bit_may_change(tmp_path, capfd):
    path = tmp_path / "file"
    crash_after(2, X, Y, checkpoint=path, **RANDOM)
    link = tmp_path / "link"
    link.symlink_to(path)
    resumed = quick(
        hidden_sizes=np.array([8])[0], dropout=np.float64(0.3),
        bidirectional=np.True_, device=torch.device("cpu"), checkpoint=str(link),
        verbose=1, callbacks=[count := Count()],
    ).fit(np.array(X, dtype=object), Y.tolist())  # fmt: skip
    assert count.n_epochs == 3
    assert result(resumed) == result(quick(**RANDOM).fit(X, Y))
    # The bar begins where the training does.
    assert "5/5" in capfd.readouterr().err
    assert link.is_symlink()


def test_sequences_of_weight_zero_do_not_count(tmp_path):
    path = tmp_path / "file"
    quick(checkpoint=path).fit(X[:40], Y[:40], np.ones(40))
    weight = np.repeat([1.0, 0.0], [40, 8])
    quick(checkpoint=path, callbacks=[count := Count()]).fit(X, Y, weight)
    assert count.n_epochs == 0


def test_an_optimizer_whose_state_is_no_data_is_refused_before_anything_is_trained(tmp_path):
    class Hoarder(torch.optim.SGD):
        def step(self, closure=None):
            loss = super().step(closure)
            self.state[self.param_groups[0]["params"][0]]["seen"] = {1, 2}
            return loss

    message = r"'checkpoint' parameter must be None with the optimizer .*Hoarder.*'state/0/1/seen'"
    with pytest.raises(ValueError, match=message):
        quick(optimizer=Hoarder, checkpoint=tmp_path / "file", callbacks=[CrashAfter(0)]).fit(X, Y)
    assert list(tmp_path.iterdir()) == []


def test_what_a_callback_records_is_kept_or_named(tmp_path):
    class Record(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.history.record("thing", thing)

    make = partial(quick, checkpoint=tmp_path / "file")
    thing = {"a": torch.ones(2), "b": np.arange(3.0), "c": (1, None)}
    kept, again = (make(callbacks=[Record()]).fit(X, Y).history_["thing"] for _ in range(2))
    assert repr(kept) == repr(again)
    # The figures of every batch are many, and nobody looks back at them.
    epochs = read_file(tmp_path / "file", CHECKPOINT)["net"]["history"]
    assert [epoch["batches"] for epoch in epochs] == [[]] * 5
    (tmp_path / "file").unlink()
    thing = {1, 2}
    with pytest.raises(
        TypeError, match=r"cannot hold 'net/history/0/thing', .* set\.\n\nLet callb"
    ):
        make(callbacks=[Record()]).fit(X, Y)


# Files


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text", "model"])
@pytest.mark.parametrize("is_folder", [False, True])
def test_a_damaged_file_is_an_error_and_stays(tmp_path, damage, is_folder):
    checkpoint = tmp_path if is_folder else tmp_path / "file"
    crash_after(2, X, Y, checkpoint=checkpoint)
    (path,) = tmp_path.iterdir()
    whole = bytearray(path.read_bytes())
    if damage == "flip":
        whole[len(whole) // 2] ^= 1
    if damage == "model":
        save_model(quick().fit(X, Y), path)
    else:
        contents = {"flip": whole, "cut": whole[:1000], "empty": b"", "text": b"text"}
        path.write_bytes(contents[damage])
    before = path.read_bytes()
    with pytest.raises(ModelFileError, match=r"is damaged|is not a checkpoint|is a model file"):
        quick(checkpoint=checkpoint).fit(X, Y)
    assert path.read_bytes() == before


def test_a_file_that_describes_another_network_is_an_error(tmp_path):
    """Which its checksum cannot tell, nor what it says of itself."""
    path = tmp_path / "file"
    crash_after(2, X, Y, checkpoint=path)
    content = read_file(path, CHECKPOINT)
    for change in ({"net": {}}, {"net": {**content["net"], "weights": {}}}, {"fingerprint": {}}):
        write_file(path, CHECKPOINT, {**content, **change})
        with pytest.raises(ModelFileError, match=r"'.*/file' does not describe a training: "):
            quick(checkpoint=path).fit(X, Y)


def test_a_path_that_cannot_be_written_is_an_error_before_anything_is_trained(tmp_path):
    (tmp_path / "file").write_text("")
    for name, error in (("missing/file", FileNotFoundError), ("file/file", NotADirectoryError)):
        with pytest.raises(error, match=name):
            quick(checkpoint=tmp_path / name, callbacks=[CrashAfter(0)]).fit(X, Y)
    with pytest.raises(OSError, match="'/proc/file'"):
        quick(checkpoint="/proc/file", callbacks=[CrashAfter(0)]).fit(X, Y)


def test_a_slash_at_the_end_names_a_folder(tmp_path):
    folder = tmp_path / "folder"
    path = f"{folder}/"
    message = r"(?s)'.*/folder/' is not an existing folder\..*os\.makedirs\('.*/folder/', exist_ok="
    with pytest.raises(FileNotFoundError, match=message):
        quick(checkpoint=path, callbacks=[CrashAfter(0)]).fit(X, Y)
    assert list(tmp_path.iterdir()) == []
    folder.mkdir()
    quick(checkpoint=path, max_epochs=1).fit(X, Y)
    assert len(list(folder.iterdir())) == 1


def test_links_that_go_round_in_a_circle(tmp_path):
    (tmp_path / "file").symlink_to(tmp_path / "file")
    with pytest.raises(OSError, match=r"Too many levels of symbolic links: '.*/file'"):
        quick(checkpoint=tmp_path / "file", callbacks=[CrashAfter(0)]).fit(X, Y)


def test_a_lock_file_of_others_stays(tmp_path):
    other = tmp_path / "poetry.lock"
    other.write_text("content")
    quick(checkpoint=tmp_path / "poetry", max_epochs=1).fit(X, Y)
    assert other.read_text() == "content"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["poetry", "poetry.lock"]


def test_a_disk_that_is_full_at_the_start_is_an_error_at_once(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device: '.*/file'"):
        quick(checkpoint=tmp_path / "file", callbacks=[CrashAfter(0)]).fit(X, Y)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_becomes_full_leaves_the_earlier_file_and_the_estimator(tmp_path, monkeypatch):
    class FillDisk(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 3:
                monkeypatch.setattr(os, "fsync", fail)

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    classifier = quick(checkpoint=path, callbacks=[FillDisk()])
    with pytest.raises(OSError, match=r"No space left on device: '.*/file'"):
        classifier.fit(X, Y)
    monkeypatch.undo()
    assert set(vars(classifier)) == set(classifier.get_params())
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    resumed = quick(checkpoint=path, callbacks=[count := Count()]).fit(X, Y)
    assert count.n_epochs == 3
    assert result(resumed) == result(quick().fit(X, Y))


@pytest.mark.parametrize("name", ["file", "link"])
def test_a_file_in_use_is_refused_and_left_to_its_user(tmp_path, name):
    class FitAnother(Callback):
        def on_epoch_begin(self, net, **kwargs):
            with pytest.raises(
                BlockingIOError, match=r"'.*/file' is in use by another fit\.\n\nWa"
            ):
                quick(checkpoint=tmp_path / name, learning_rate=0.1).fit(X, Y)

    path = tmp_path / "file"
    (tmp_path / "link").symlink_to(path)
    fitted = quick(checkpoint=path, callbacks=[FitAnother()]).fit(X, Y)
    assert result(fitted) == result(quick().fit(X, Y))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_has_a_file_for_each_fit(tmp_path, n_jobs):
    def search(**parameters):
        grid = {"learning_rate": [0.01, 0.02], "pooling": ["max", "mean"]}
        estimator = quick(**RANDOM, max_epochs=3, **parameters)
        return GridSearchCV(estimator, grid, cv=2, n_jobs=n_jobs, error_score="raise")

    expected = search().fit(X, Y)
    found = search(checkpoint=tmp_path).fit(X, Y)
    np.testing.assert_array_equal(
        found.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )
    assert result(found.best_estimator_) == result(expected.best_estimator_)
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(files) == 4 * 2 + 1
    # Nothing is trained again, and nothing is written.
    again = search(checkpoint=tmp_path, callbacks=[CrashAfter(0)]).fit(X, Y)
    assert result(again.best_estimator_) == result(expected.best_estimator_)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files


def test_a_search_with_one_file_is_told_to_name_a_folder(tmp_path):
    search = GridSearchCV(
        quick(checkpoint=tmp_path / "file"), {"dropout": [0.0, 0.1]}, cv=2, error_score="raise"
    )
    with pytest.raises(ValueError, match=r"as in a search, need an existing folder"):
        search.fit(X, Y)


# As a parameter


def test_it_is_a_parameter_like_any_other(tmp_path):
    path = tmp_path / "file"
    fitted = quick(checkpoint=path).fit(X, Y)
    assert clone(fitted).checkpoint == path
    assert pickle.loads(pickle.dumps(fitted)).checkpoint == path
    save_model(fitted, tmp_path / "model")
    assert load_model(tmp_path / "model").checkpoint is None
    with pytest.raises(
        ValueError, match="'checkpoint' parameter of LSTMSequenceClassifier must be"
    ):
        quick(checkpoint=3).fit(X, Y)


# What leaves no file


def test_partial_fit_knows_no_checkpoint(tmp_path):
    path = tmp_path / "file"
    classifier = quick(checkpoint=path).partial_fit(X, Y, classes=[0, 1, 2])
    assert not path.exists()
    path.write_text("dirt")
    classifier.partial_fit(X, Y)
    assert path.read_text() == "dirt"


def test_a_training_that_diverges_leaves_nothing_to_go_on_from(tmp_path):
    class Poison(Callback):
        def on_batch_end(self, net, **kwargs):
            if len(net.history) == 2:
                with torch.no_grad():
                    next(net.module_.parameters()).fill_(torch.inf)

    make = partial(quick, checkpoint=tmp_path / "file")
    with pytest.raises(TrainingDivergedError, match="epoch 2"):
        make(callbacks=[Poison()], lr_schedule=None).fit(X, Y)
    assert list(tmp_path.iterdir()) == []
    make(learning_rate=0.001).fit(X, Y)
