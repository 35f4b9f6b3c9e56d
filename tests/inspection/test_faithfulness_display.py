import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklstm.inspection import FaithfulnessDisplay, attributions, faithfulness
from tests.inspection.fitted import fitted

pytestmark = pytest.mark.usefixtures("figures")


def test_four_curves_with_their_areas():
    model, given = fitted("lstm")
    display = FaithfulnessDisplay.from_estimator(
        model, given[:3], method="occlusion", n_steps=5, random_state=0
    )
    display.figure_.canvas.draw()
    assert len(display.lines_) == 4
    curves = display.faithfulness
    np.testing.assert_allclose(display.lines_[0].get_ydata(), curves.deletion.mean(axis=0))
    np.testing.assert_allclose(display.lines_[3].get_ydata(), curves.random_insertion.mean(axis=0))
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels[2] == f"insertion, by attribution (area {curves.areas['insertion'].mean():.2f})"
    assert display.ax_.get_ylabel() == "mean probability of the target"


def test_known_curves_on_given_axes():
    model, given = fitted("number")
    curves = faithfulness(model, given[:2], attributions(model, given[:2]), n_steps=3)
    _, ax = plt.subplots()
    assert FaithfulnessDisplay.from_faithfulness(curves, ax=ax).ax_ is ax
    assert ax.get_ylabel() == "mean output"
