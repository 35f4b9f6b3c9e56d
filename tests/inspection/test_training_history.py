"""The display of a history: what it draws in each regime, not how that looks."""

import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EarlyStopping

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor, load_model, save_model
from sklstm.inspection import TrainingHistoryDisplay
from sklstm.preprocessing import SequenceScaler
from tests.helpers import make_ragged, quick

plt = pytest.importorskip("matplotlib.pyplot")
pytestmark = pytest.mark.usefixtures("figures")

X, Y = make_ragged(40)
VAL = {"X_val": X[:10], "y_val": Y[:10]}
HISTORY = {"epoch": [1, 2, 3], "train_loss": [0.5, 0.4, 0.3], "learning_rate": [0.1, 0.1, 0.1]}


def display_of(estimator, **options):
    return TrainingHistoryDisplay.from_estimator(estimator, **options)


def assert_drawn(display, history):
    """The curves are those of the history, and the axes say what they show."""
    for name, line in display.lines_.items():
        np.testing.assert_array_equal(line.get_xdata(), history["epoch"])
        np.testing.assert_array_equal(line.get_ydata(), history[name])
    assert all(ax.get_xlabel() == "epoch" for ax in display.ax_.values())
    assert {ax.figure for ax in display.ax_.values()} == {display.figure_}


def legend(display, panel):
    return [text.get_text() for text in display.ax_[panel].get_legend().get_texts()]


def positions(display, panel, label):
    """Places of the vertical lines of the look that this label has in the last panel."""
    marked = list(display.ax_.values())[-1].get_lines()
    style = next(line.get_linestyle() for line in marked if line.get_label() == label)
    drawn = [line for line in display.ax_[panel].get_lines() if line.get_linestyle() == style]
    return [line.get_xdata()[0] for line in drawn]


def test_without_validation():
    classifier = quick().fit(X, Y)
    display = display_of(classifier)
    assert list(display.ax_) == ["loss", "learning_rate"]
    assert list(display.lines_) == ["train_loss", "learning_rate"]
    assert legend(display, "loss") == ["training"]
    assert legend(display, "learning_rate") == ["kept: epoch 5"]
    assert display.ax_["learning_rate"].get_ylabel() == "learning rate"
    assert_drawn(display, classifier.history_)
    display.figure_.canvas.draw()


def test_with_several_metrics_and_training_scores():
    options = {"scoring": ["accuracy", "neg_log_loss"], "return_train_score": True}
    classifier = quick(early_stopping=True, max_epochs=3, **options).fit(X, Y)
    display = display_of(classifier)
    assert list(display.ax_) == ["loss", "accuracy", "neg_log_loss", "learning_rate"]
    assert legend(display, "loss") == ["training batches", "training", "validation"]
    assert legend(display, "accuracy") == ["training", "validation"]
    assert [ax.get_ylabel() for ax in display.ax_.values()][1:3] == ["accuracy", "neg_log_loss"]
    kept = f"kept: epoch {classifier.best_epoch_}"
    for panel in display.ax_:
        assert positions(display, panel, kept) == [classifier.best_epoch_]
    assert len(display.lines_) == 8
    assert_drawn(display, classifier.history_)


@pytest.mark.parametrize(
    ("scoring", "panels", "label"),
    [
        ("loss", ["loss", "learning_rate"], None),
        (["loss", "accuracy"], ["loss", "accuracy", "learning_rate"], "accuracy"),
        ("balanced_accuracy", ["loss", "score", "learning_rate"], "balanced_accuracy"),
        (lambda model, X, y: model.score(X, y), ["loss", "score", "learning_rate"], "score"),
        ({"up": lambda *_: 0.5}, ["loss", "up", "learning_rate"], "up"),
    ],
)
@pytest.mark.parametrize("return_train_score", [False, True])
def test_a_score_is_drawn_once(scoring, panels, label, return_train_score):
    options = {"scoring": scoring, "return_train_score": return_train_score}
    display = display_of(quick(max_epochs=2, **options).fit(X, Y, **VAL))
    assert list(display.ax_) == panels
    assert label is None or display.ax_[panels[1]].get_ylabel() == label
    assert label is None or (f"train_{panels[1]}" in display.lines_) == return_train_score


def test_a_score_by_a_name_of_the_users():
    classifier = quick(max_epochs=2, scoring=lambda *_: 0.5).fit(X, Y, **VAL)
    assert display_of(classifier, score_name="half").ax_["score"].get_ylabel() == "half"


def test_the_end_of_mixup_is_marked():
    options = {"n_kernels": 0, "conv_filters": (), "max_epochs": 4, "random_state": 0}
    classifier = LSTMSequenceClassifier(4, **options, warm_start=True).fit(X, Y)
    display = display_of(classifier)
    assert legend(display, "learning_rate") == ["end of mixup", "kept: epoch 4"]
    assert positions(display, "loss", "end of mixup") == [2.5]
    # Each call begins with mixup again.
    twice = display_of(classifier.fit(X, Y))
    assert positions(twice, "loss", "end of mixup") == [2.5, 6.5]
    assert legend(twice, "learning_rate") == ["end of mixup", "kept: epoch 8"]
    # An epoch of partial_fit has none.
    before = classifier.set_params(max_epochs=2).fit(X, Y).partial_fit(X, Y)
    assert positions(display_of(before), "loss", "end of mixup") == [2.5, 6.5, 9.5]


def test_scores_of_some_of_the_calls():
    classifier = quick(warm_start=True, max_epochs=1, scoring="accuracy").fit(X, Y, **VAL)
    classifier.set_params(scoring="loss").fit(X, Y)
    display = display_of(classifier)
    assert np.isnan(display.lines_["valid_loss"].get_ydata()).tolist() == [False, True]
    # A single point is no line.
    assert display.lines_["valid_loss"].get_marker() == "."
    assert display.lines_["train_loss"].get_marker() in ("None", "")
    assert_drawn(display, classifier.history_)


def test_partial_fit():
    classifier = quick().partial_fit(X, Y, classes=[0, 1])
    display = display_of(classifier)
    assert display.lines_["train_loss"].get_marker() == "."
    assert_drawn(display, classifier.history_)
    for _ in range(2):
        classifier.partial_fit(X, Y)
    display = display_of(classifier)
    assert legend(display, "learning_rate") == ["kept: epoch 3"]
    assert_drawn(display, classifier.history_)


def test_a_resumed_fit(tmp_path):
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    options = {"checkpoint": tmp_path / "c", "return_train_score": True, "max_epochs": 3}
    options["scoring"] = {"b": "balanced_accuracy", "a": "accuracy"}
    with pytest.raises(KeyboardInterrupt):
        quick(**options, callbacks=[Stop()]).fit(X, Y, **VAL)
    resumed = quick(**options).fit(X, Y, **VAL)
    at_once = quick(**options | {"checkpoint": None}).fit(X, Y, **VAL)
    display = display_of(resumed)
    assert "train_b" in display.lines_
    for name, line in display.lines_.items():
        np.testing.assert_array_equal(line.get_ydata(), at_once.history_[name])
    assert_drawn(display, resumed.history_)


def test_what_callbacks_record():
    class Record(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.history.record("valid_words", ["a"] * len(net.history))
            net.history.record("train_word", "a")
            net.history.record("valid_f1", 0.5)
            net.history.record("other", 3)

    stopper = EarlyStopping("train_loss", patience=9)
    classifier = quick(max_epochs=2, callbacks=[Record(), stopper]).fit(X, Y)
    display = display_of(classifier)
    assert list(display.ax_) == ["loss", "f1", "learning_rate"]
    assert_drawn(display, classifier.history_)


def test_a_regressor_a_pipeline_and_a_loaded_model(tmp_path):
    options = {"max_epochs": 2, "n_kernels": 0, "random_state": 0}
    regressor = LSTMSequenceRegressor(4, **options).fit(X, [float(len(x)) for x in X])
    assert_drawn(display_of(regressor), regressor.history_)
    pipeline = make_pipeline(SequenceScaler(), quick(max_epochs=2)).fit(X, Y)
    assert_drawn(display_of(pipeline), pipeline[-1].history_)
    save_model(pipeline, tmp_path / "model.safetensors")
    loaded = display_of(load_model(tmp_path / "model.safetensors"))
    assert_drawn(loaded, pipeline[-1].history_)


def test_other_estimators_are_refused():
    with pytest.raises(NotFittedError):
        display_of(quick())
    with pytest.raises(TypeError, match="Got an object of type LogisticRegression"):
        display_of(LogisticRegression())
    search = GridSearchCV(quick(max_epochs=1), {"hidden_sizes": [2]}, cv=2).fit(X, Y)
    with pytest.raises(TypeError, match=r"GridSearchCV\.\n\n.*search\.best_estimator_"):
        display_of(search)
    assert display_of(search.best_estimator_).lines_


def test_a_history_of_any_kind():
    display = TrainingHistoryDisplay(history=HISTORY).plot()
    assert legend(display, "loss") == ["training"]
    # Without best_epoch nothing is marked, and there is no label.
    assert display.ax_["learning_rate"].get_legend() is None
    assert_drawn(display, HISTORY)
    with pytest.raises(ValueError, match="The history has no 'epoch'"):
        TrainingHistoryDisplay(history={"loss": [1.0]}).plot()


def test_it_is_drawn_where_it_is_asked_to():
    display = TrainingHistoryDisplay(history=HISTORY, best_epoch=2)
    figure, (left, right) = plt.subplots(1, 2)
    assert display.plot(left, panels=["loss"]).ax_ == {"loss": left}
    assert legend(display, "loss") == ["training", "kept: epoch 2"]
    divided = display.plot(right)
    assert divided.figure_ is figure
    assert len(figure.axes) == 4
    assert right not in divided.ax_.values()
    _, pair = plt.subplots(2)
    assert list(display.plot(pair, panels=["learning_rate", "loss"]).ax_.values()) == [*pair]
    assert list(display.ax_) == ["learning_rate", "loss"]
    with pytest.raises(ValueError, match=r"ax must be 2 Axes.*Got 3\.\n\nName the panels"):
        display.plot(plt.subplots(3)[1])
    with pytest.raises(ValueError, match=r"ax must be 2 Axes.*Got 1\."):
        display.plot(plt.figure().add_axes((0, 0, 1, 1)))


@pytest.mark.parametrize("panels", [["accuracy"], [], "loss"])
def test_panels_that_the_history_lacks(panels):
    message = r"panels must be a list of some of \['loss', 'learning_rate'\].*Got "
    with pytest.raises(ValueError, match=message):
        TrainingHistoryDisplay(history=HISTORY).plot(panels=panels)


def test_keyword_arguments_of_the_lines():
    display = TrainingHistoryDisplay(history=HISTORY).plot(line_kw={"linewidth": 5})
    assert {line.get_linewidth() for line in display.lines_.values()} == {5}


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'sklstm\[plots\]'"):
        TrainingHistoryDisplay(history=HISTORY).plot()
