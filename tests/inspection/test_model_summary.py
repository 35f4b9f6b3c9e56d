import re

import numpy as np

from sklstm import LSTMSequenceClassifier
from sklstm.inspection import summary

X, Y = np.random.default_rng(0).normal(size=(40, 12, 3)), np.arange(40) % 2
PLAIN = {"hidden_sizes": 4, "n_kernels": 0, "conv_filters": (), "max_epochs": 1, "random_state": 0}


def test_multiplications_of_a_sequence():
    found = summary(LSTMSequenceClassifier(**PLAIN, patch_size=5), X, Y)
    per = {layer.per: layer.n_multiplications for layer in found.layers if layer.n_multiplications}
    assert per.keys() == {"patch", "sequence"}
    assert found.n_timesteps == 12
    assert found.n_multiplications() == 3 * per["patch"] + per["sequence"]
    assert found.n_multiplications(21) == 5 * per["patch"] + per["sequence"]


def test_text_is_a_table():
    text = str(summary(LSTMSequenceClassifier(**PLAIN), X, Y))
    lines = text.splitlines()
    assert lines[0] == "LSTMSequenceClassifier"
    assert lines[2].split() == [
        "Layer", "(type)", "Output", "shape", "Parameters", "Fixed", "Multiplications"
    ]  # fmt: skip
    assert len({len(line) for line in lines[1:8]}) == 1
    assert "encoder.layers.0 (Bidirectional LSTM)  (B, T, 8)" in text
    assert "Parameters: 306 (1.2 kB), trained: 306, fixed: 0" in text
    assert re.search(r"Time: about [\d.e-]+ s an epoch, estimated", text)
    assert "P:" not in text


def test_html_has_the_same_cells_and_is_escaped():
    found = summary(LSTMSequenceClassifier(**PLAIN, patch_size=2), X, Y)
    html = found._repr_html_()
    cells = re.findall("<td[^>]*>(.*?)</td>", html)
    assert len(cells) == 5 * len(found.layers)
    assert cells[:2] == ["encoder.layers.0 (Bidirectional LSTM)", "(B, P, 8)"]
    assert "P: patches of 2 timesteps" in html
    object.__setattr__(found, "model", "<script>")
    assert "<script>" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()
