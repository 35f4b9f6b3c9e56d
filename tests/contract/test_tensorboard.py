"""TensorBoard by skorch's callback, as the guide shows it, and what becomes of it elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from skorch.callbacks import TensorBoard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from tests.contract.test_documentation_code import ROOT, code_blocks
from tests.crashing import Crash, CrashAfter
from tests.helpers import make_ragged, quick

X, Y = make_ragged(24)


def scalars(folder):
    """Steps and values of each tag in the files of a folder."""
    events = EventAccumulator(str(folder)).Reload()
    found = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
    return {tag: ([e.step for e in own], [e.value for e in own]) for tag, own in found.items()}


def test_every_number_of_the_history_is_written(tmp_path):
    writer = SummaryWriter(tmp_path)
    options = {"scoring": ["accuracy", "loss"], "return_train_score": True, "mixup_alpha": 0.2}
    classifier = quick(max_epochs=2, callbacks=[TensorBoard(writer)], **options)
    history = classifier.fit(X, Y, X_val=X, y_val=Y).history_
    # It is closed.
    assert writer.file_writer is None
    written = scalars(tmp_path)
    assert {tag.removeprefix("Loss/") for tag in written} == history.keys() - {"epoch"}
    for tag, (steps, values) in written.items():
        assert steps == [1, 2]
        np.testing.assert_allclose(values, history[tag.removeprefix("Loss/")], rtol=1e-6)


def test_an_open_writer_cannot_be_cloned(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        classifier = quick(callbacks=[TensorBoard(writer)])
        with pytest.raises(TypeError, match=r"cannot pickle '_thread\.lock' object"):
            clone(classifier)


def test_a_resumed_fit_writes_the_epochs_that_are_left(tmp_path):
    def fit(*others):
        board = TensorBoard(SummaryWriter(tmp_path / "run"))
        quick(max_epochs=4, checkpoint=tmp_path / "c", callbacks=[board, *others]).fit(X, Y)

    with pytest.raises(Crash):
        fit(CrashAfter(2))
    fit()
    steps = scalars(tmp_path / "run")["Loss/train_loss"][0]
    assert sorted(steps) == [1, 2, 3, 4]


def test_the_guide_has_a_folder_for_each_fit_of_a_search():
    blocks = code_blocks(Path(ROOT / "docs/user_guide/curves.rst"))
    ours = [block for block in blocks if "tensorboard" in block.lower() or block is blocks[0]]
    namespace = {"__name__": "__main__"}
    for block in ours:
        exec(compile(block, "guide", "exec"), namespace)  # noqa: S102
    runs = list(namespace["runs"].iterdir())
    assert len(runs) == 5
    for run in runs:
        assert scalars(run)["Loss/train_loss"][0] == [1, 2]
    assert clone(namespace["short"]).callbacks[0].folder == str(namespace["runs"])
