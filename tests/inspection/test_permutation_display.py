import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.utils import Bunch

from sklstm.inspection import PermutationImportanceDisplay, permutation_importance
from tests.helpers import make_ragged, quick

pytestmark = pytest.mark.usefixtures("figures")

X, Y = make_ragged(20)
MODEL = quick(max_epochs=1).fit(X, Y)


def result_of(by, importances, n_features=3, n_segments=4):
    return Bunch(
        importances=np.asarray(importances, dtype=float),
        by=by,
        feature_names=[f"x{i}" for i in range(n_features)],
        segment_bounds=np.linspace(0, 1, n_segments + 1),
    )


def texts(labels):
    return [label.get_text() for label in labels]


def test_bars_of_features_are_sorted_and_have_their_spread():
    result = result_of("feature", [[0.1, 0.1], [0.4, 0.6], [-0.1, 0.1]])
    display = PermutationImportanceDisplay.from_importances(
        result, feature_names=["a", "b", "c"], score_name="accuracy"
    )
    display.figure_.canvas.draw()
    assert texts(display.ax_.get_yticklabels()) == ["b", "a", "c"]
    assert [bar.get_width() for bar in display.bars_] == [0.5, 0.1, 0.0]
    segments = display.bars_.errorbar.lines[2][0].get_segments()
    np.testing.assert_allclose(segments[0][:, 0], [0.4, 0.6])
    assert display.ax_.get_xlabel() == "decrease of accuracy"
    assert display.im_ is None


def test_only_the_most_important_features_are_drawn():
    result = result_of("feature", np.arange(30.0)[:, None], n_features=30)
    display = PermutationImportanceDisplay.from_importances(result, max_features=5)
    assert texts(display.ax_.get_yticklabels()) == ["x29", "x28", "x27", "x26", "x25"]
    assert display.ax_.get_ylabel() == "feature, 5 of 30"


def test_bars_of_segments_lie_over_their_share_of_time():
    result = result_of("segment", [[0.1, 0.1], [0.4, 0.6], [0, 0], [0.2, 0.2]])
    display = PermutationImportanceDisplay.from_importances(result)
    assert [bar.get_x() for bar in display.bars_] == [0, 0.25, 0.5, 0.75]
    assert [bar.get_width() for bar in display.bars_] == [0.25] * 4
    assert [bar.get_height() for bar in display.bars_] == [0.1, 0.5, 0.0, 0.2]


def test_the_heat_map_is_centred_at_no_loss():
    importances = np.zeros((3, 4, 2))
    importances[1, 2] = 0.5
    importances[0, 0] = -0.1
    display = PermutationImportanceDisplay.from_importances(result_of("both", importances))
    display.figure_.canvas.draw()
    np.testing.assert_array_equal(display.im_.get_array(), importances.mean(axis=-1))
    assert display.im_.get_clim() == (-0.5, 0.5)
    assert texts(display.ax_.get_yticklabels()) == ["x0", "x1", "x2"]
    assert display.bars_ is None


def test_a_heat_map_of_nothing_can_be_drawn():
    result = result_of("both", np.zeros((3, 4, 2)))
    display = PermutationImportanceDisplay.from_importances(result)
    display.figure_.canvas.draw()
    assert display.im_.get_clim() == (-1, 1)


@pytest.mark.parametrize("by", ["feature", "segment", "both"])
def test_from_an_estimator_on_given_axes(by):
    figure, ax = plt.subplots()
    parameters = {"n_segments": 2, "n_repeats": 2, "random_state": 0, "scoring": "roc_auc"}
    display = PermutationImportanceDisplay.from_estimator(MODEL, X, Y, by, ax=ax, **parameters)
    figure.canvas.draw()
    assert display.ax_ is ax
    assert display.figure_ is figure
    expected = permutation_importance(MODEL, X, Y, by, **parameters)
    np.testing.assert_array_equal(display.importances, expected.importances)
    assert display.score_name == "roc_auc"


def test_the_result_of_several_scorers_is_refused_with_a_remedy():
    results = {"accuracy": result_of("feature", np.zeros((3, 2)))}
    with pytest.raises(ValueError, match=r"result\['accuracy'\]"):
        PermutationImportanceDisplay.from_importances(results)


def test_there_must_be_a_name_for_each_feature():
    result = result_of("feature", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"feature_names must be 3 names.*Got 2"):
        PermutationImportanceDisplay.from_importances(result, feature_names=["a", "b"])
