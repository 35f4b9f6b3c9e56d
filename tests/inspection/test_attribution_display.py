import re
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklstm.inspection import AttributionDisplay, attributions
from tests.inspection.fitted import fitted

pytestmark = pytest.mark.usefixtures("figures")


def draw(display):
    display.figure_.canvas.draw()
    return display


def test_a_heat_map_centred_at_zero_with_the_sequence():
    model, given = fitted("lstm")
    display = draw(AttributionDisplay.from_estimator(model, given, index=2, target="up"))
    assert display.im_.get_array().shape == (2, len(given[2]))
    low, high = display.im_.get_clim()
    assert low == -high < 0
    assert len(display.lines_) == 2
    first = display.lines_[0].get_ydata()
    # Up is up: rows are numbered downwards.
    assert first.argmin() == given[2][:, 0].argmax()
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["x0", "x1"]
    assert display.figure_.axes[-1].get_ylabel() == "contribution to up"


def test_names_of_features_and_given_axes():
    model, given = fitted("category windows")
    _, ax = plt.subplots()
    display = draw(AttributionDisplay.from_estimator(model, given, index=-1, ax=ax))
    assert display.ax_ is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "kind", "b"]
    assert np.isnan(display.lines_[1].get_ydata()).all()


def test_known_attributions_are_drawn_as_they_are():
    model, given = fitted("lstm")
    explained = attributions(model, given[:3])
    display = AttributionDisplay.from_attributions(explained, given[:3], index=1)
    np.testing.assert_array_equal(display.values, explained[1])
    np.testing.assert_array_equal(display.sequence, given[1])
    assert display._repr_html_() is None


def test_words_have_colours():
    model, given = fitted("texts")
    display = draw(AttributionDisplay.from_estimator(model, given, index=1))
    assert [text.get_text() for text in display.texts_] == given[1].split()
    strongest = int(np.abs(display.values).argmax())
    color = display.texts_[strongest].get_bbox_patch().get_facecolor()
    assert max(color[:3]) - min(color[:3]) > 0.3


def test_html_is_escaped():
    words = ["<script>", "a&b", "c"]
    display = AttributionDisplay(np.array([1.0, -0.5, 0.0]), words=words, target="<b>")
    html = display._repr_html_()
    assert "&lt;script&gt;" in html
    assert "a&amp;b" in html
    assert "contribution to &lt;b&gt;" in html
    assert "<script>" not in html
    assert 'title="-0.500"' in html


def test_html_has_the_colour_map_that_was_drawn():
    display = AttributionDisplay(np.array([1.0, -1.0]), words=["a", "b"])
    before = display._repr_html_()
    assert display.plot(cmap="PiYG")._repr_html_() != before
    assert display.plot()._repr_html_() == before


def test_what_is_not_drawn_is_none():
    words = AttributionDisplay(np.array([1.0, -1.0]), words=["a", "b"]).plot()
    assert words.im_ is words.lines_ is None
    assert AttributionDisplay(np.ones((3, 2))).plot().texts_ is None


def test_token_ids_are_drawn_as_numbers():
    model, given = fitted("ids")
    display = draw(AttributionDisplay.from_estimator(model, given, index=0))
    assert [text.get_text() for text in display.texts_] == [str(i) for i in given[0]]


def test_long_texts_have_several_lines_and_dollars_are_dollars():
    display = AttributionDisplay(np.arange(40.0), words=["$word$"] * 40).plot()
    draw(display)
    heights = {text.get_position()[1] for text in display.texts_}
    assert len(heights) == 4
    assert display.texts_[0].get_text() == "$word$"


def test_words_do_not_overlap():
    display = draw(AttributionDisplay(np.arange(60.0), words=["i", "WWWWWW", "mm"] * 20).plot())
    boxes = [text.get_window_extent() for text in display.texts_]
    for first, second in pairwise(boxes):
        assert second.x0 > first.x1 or second.y1 < first.y0


@pytest.mark.parametrize("index", [4, -5, 1.5, "a", None])
def test_an_index_of_no_sequence_is_named(index):
    model, given = fitted("lstm")
    explained = attributions(model, given[:4])
    expected = "index must be that of one of 4 sequences. Got " + repr(index)
    for draw_one in (
        lambda: AttributionDisplay.from_estimator(model, given[:4], index=index),
        lambda: AttributionDisplay.from_attributions(explained, given[:4], index=index),
    ):
        with pytest.raises(ValueError, match=re.escape(expected)):
            draw_one()


def test_attributions_of_other_sequences_are_refused():
    model, given = fitted("lstm")
    explained = attributions(model, given[:2])
    with pytest.raises(ValueError, match=r"must be those of X, which has 3 sequences\. Got 2"):
        AttributionDisplay.from_attributions(explained, given[:3])
