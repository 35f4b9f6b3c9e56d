import numpy as np
import pandas as pd
import pytest

from sklstm.datasets import describe

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(length, 2)) for length in (3, 5, 4, 9)]


def named(*names):
    return [pd.DataFrame(x, columns=list(names)) for x in X]


def test_the_text_has_all_parts():
    text = str(describe(named("speed", "height"), ["up", "down"] * 2, groups=[*"aabb"]))
    for part in (
        "4 sequences of 3 to 9 timesteps, 2 features",
        "min 3, quartiles 3.75, 4.5, 6, max 9; 21 timesteps together",
        "2 classes: 'down' 2, 'up' 2; largest to smallest 1",
        "2 groups of 2 to 2 sequences, 0 of them of one class",
        '"auto" of LSTMSequenceClassifier',
        "  batch_size=32",
        "  speed   number       0%",
        "Hints\n  - none",
    ):
        assert part in text, part


def test_the_table_is_aligned():
    lines = str(describe(named("a", "long name"))).split("Features\n")[1].split("\n\n")[0]
    assert len({len(line) for line in lines.split("\n")}) == 1


def test_the_text_of_numbers_and_labels():
    text = str(describe(X, RNG.normal(size=(4, 2))))
    assert "numbers y[:, 0]: mean" in text
    assert "numbers y[:, 1]: mean" in text
    y = np.array([[1, 0], [1, 1], [0, 0], [1, 1]])
    assert "2 labels: 0 3, 1 2; 1.25 a sequence, 1 sequences without any" in str(describe(X, y))


def test_the_text_of_texts():
    text = str(describe(["a b b", "c"]))
    assert "2 sequences of 1 to 3 timesteps, texts" in text
    assert "vocabulary_size 5, 3 ids occur, 0% of the tokens are unknown" in text
    assert "most frequent: 'b' 2, 'a' 1, 'c' 1" in text
    assert "Features" not in text


def test_infinite_values_leave_auto_open():
    text = str(describe([np.array([1.0, np.inf]), np.array([2.0])]))
    assert "a fit refuses infinite values" in text
    assert "infinite  " in text


def test_many_features_are_cut_off():
    text = str(describe(RNG.normal(size=(4, 30, 25))))
    assert "x19" in text
    assert "x20" not in text
    assert "and 5 more" in text


def test_many_classes_are_cut_off():
    y = [f"c{i:02}" for i in range(30)] * 2
    text = str(describe(RNG.normal(size=(60, 5, 1)), y))
    assert "'c19' 2 and 10 more" in text


def test_html_escapes_what_the_user_gave():
    report = describe(named("<b>", "&"), ["<i>", "x"] * 2)
    html = report._repr_html_()
    assert ">&lt;b&gt;</td>" in html
    assert ">&amp;</td>" in html
    assert "&#x27;&lt;i&gt;&#x27; 2" in html
    assert "<b>" not in html
    assert "<i>" not in html


def test_the_tables_are_what_pandas_takes():
    table = pd.DataFrame(describe(named("a", "b")).features)
    assert table["name"].tolist() == ["a", "b"]
    np.testing.assert_allclose(table["mean"], np.concatenate(X).mean(axis=0))


def test_repr_is_one_line():
    assert repr(describe(X)) == (
        "<SequenceDataReport: 4 sequences of 3 to 9 timesteps, 2 features>"
    )


@pytest.mark.parametrize("length", [1, 4])
def test_one_length(length):
    noun = "timestep," if length == 1 else "timesteps,"
    assert f"3 sequences of {length} {noun} 1 feature\n" in str(describe(np.zeros((3, length, 1))))
