"""The comparison with Keras: what of it works without Keras, and its recorded tables."""

import ast
import json
from dataclasses import asdict

import numpy as np
import pytest

from benchmarks import keras_port
from benchmarks.contestants import port_ours
from benchmarks.contestants.ported import judge
from benchmarks.data import Data
from benchmarks.harness import Record
from benchmarks.processes import Pool, WorkerFailedError
from benchmarks.work import Settings

RECORDED = json.loads((keras_port.RESULTS / "fits.json").read_text())


def small_data(network):
    """Five sequences of each of three classes, of two features or of token ids."""
    rng = np.random.default_rng(0)
    y = np.arange(15) % 3
    if network == "tokens":
        X = [rng.integers(2, 20, size=length) for length in rng.integers(3, 9, size=15)]
        X[0][0] = 19
    else:
        X = [rng.normal(size=(length, 2)) for length in rng.integers(3, 9, size=15)]
    return Data(X, y, X[:6], y[:6])


def lstm_parameters(n_inputs, width):
    """As Keras counts: input weights, recurrent weights and one bias for each of four gates."""
    return 4 * width * (n_inputs + width + 1)


EXPECTED = {
    "stacked": lstm_parameters(2, 128) + lstm_parameters(128, 64) + 3 * 65,
    "both_ways": 2 * lstm_parameters(2, 64) + 2 * lstm_parameters(128, 32) + 3 * 65,
    "tokens": 20 * 100 + lstm_parameters(100, 64) + 3 * 65,
    "four_layers": lstm_parameters(2, 50) + 3 * lstm_parameters(50, 50) + 25 * 51 + 3 * 26,
}


@pytest.mark.parametrize("network", keras_port.NETWORKS)
def test_a_port_is_fitted_and_judged(network):
    data = small_data(network)
    work = port_ours.train(Settings(case=network, epochs=2), data)
    fitted = work.run(1)
    figures = work.check(fitted)
    assert figures["epochs"] == 2
    assert figures["accuracy"] == fitted[0].score(data.X_test, data.y_test)
    assert figures["log_loss"] > 0
    assert figures["fit"] > 0
    assert figures["predict"] > 0
    if network in EXPECTED:
        assert figures["parameters"] == EXPECTED[network]


def test_a_warm_up_has_one_epoch_and_defaults_have_their_own():
    work = port_ours.train(Settings(case="stacked", epochs=3), small_data("stacked"))
    assert work.check(work.run(0))["epochs"] == 1
    defaults = port_ours.train(Settings(has_defaults=True, epochs=3), small_data("stacked"))
    assert defaults.check(defaults.run(0))["epochs"] == 1


def test_probabilities_are_judged():
    figures = judge(np.array([[0.8, 0.2], [0.6, 0.4], [0.0, 1.0]]), np.array([0, 1, 0]))
    assert figures["accuracy"] == pytest.approx(1 / 3)
    # A probability of 0 counts as float32's epsilon, 2 to the power of -23.
    expected = -np.log([0.8, 0.4, 2.0**-23]).mean()
    assert figures["log_loss"] == pytest.approx(expected)


def test_each_network_is_written_for_both_sides():
    sides = []
    for name in ("port_keras.py", "port_ours.py"):
        tree = ast.parse((keras_port.CONTESTANTS / name).read_text())
        sides.append({node.name for node in tree.body if isinstance(node, ast.FunctionDef)})
    assert set(keras_port.NETWORKS) <= sides[0] & sides[1]


def test_lines_are_counted_without_docstring_and_blank_lines(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(
        'A = {\n    1: 2,\n}\n\n\ndef f(x):\n    """Text."""\n    y = x\n\n    return y\n'
    )
    assert keras_port.count_lines(path, "A") == 3
    assert keras_port.count_lines(path, "f") == 2
    with pytest.raises(ValueError, match=r"code\.py has no g"):
        keras_port.count_lines(path, "g")


def test_requests_are_generated_and_encoded():
    data = keras_port.Requests(n_train=40, n_test=10).make()
    assert (len(data.X), len(data.X_test), data.n_classes) == (40, 10, 4)
    assert min(x.min() for x in data.X + data.X_test) >= 1
    again = keras_port.Requests(n_train=40, n_test=10).make()
    assert all((a == b).all() for a, b in zip(data.X, again.X, strict=True))


def test_texts_of_a_folder_are_read(tmp_path):
    folder = tmp_path / "trec"
    folder.mkdir()
    for part in ("train", "test"):
        (folder / f"{part}.tsv").write_text("a\thow far\nb\twho is it\nb\twho was it\n")
    sets = keras_port.find_sets_of("tokens", tmp_path)
    assert list(sets) == ["requests", "trec"]
    data = sets["trec"].make()
    assert sorted(len(x) for x in data.X) == [2, 3, 3]
    assert sorted(data.y) == [0, 1, 1]
    assert data.y_test.tolist() == [0, 1, 1]


def test_keras_works_in_its_own_environment(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.harness.KERAS_PYTHON", tmp_path / "python")
    keras, _ = keras_port.case_of("tokens", "requests", keras_port.Requests(), epochs=1).entries
    with Pool() as pool, pytest.raises(WorkerFailedError, match="there is no"):
        keras.home(pool)


def test_without_keras_the_tables_have_our_figures():
    work = port_ours.train(Settings(case="tokens", epochs=1), small_data("tokens"))
    ours = asdict(Record("sklstm", 1.0, {}, [1.0], None, [work.check(work.run(1))]))
    keras = asdict(Record("Keras", 1.0, {}, failed="there is no .venv-keras/bin/python"))
    cases = [
        {"network": "tokens", "set": "requests", "records": [keras, ours]},
        {"network": "defaults", "set": "requests", "records": [ours]},
    ]
    results, times, defaults = (
        table(cases, "simple").splitlines()[-1]
        for table in (keras_port.results_table, keras_port.times_table, keras_port.defaults_table)
    )
    assert results.count("n/a") == 2
    assert times.count("n/a") == 3
    assert "n/a" not in defaults


def test_ratios_are_taken_within_each_round():
    def record(name, *seconds):
        checks = [
            {"fit": s, "predict": 1.0, "epochs": 1, "parameters": 1, "accuracy": 1, "log_loss": 0}
            for s in seconds
        ]
        return asdict(Record(name, 1.0, {}, list(seconds), None, checks))

    records = [record("Keras", 8.0, 2.0, 6.0), record("sklstm", 1.0, 2.0, 2.0)]
    row = {"network": "stacked", "set": "a", "records": records}
    assert "3.0 (1.0\N{NON-BREAKING HYPHEN}8.0)" in keras_port.times_table([row], "simple")


def test_the_recorded_tables_are_those_of_the_figures():
    for name, table in keras_port.tables(RECORDED).items():
        assert (keras_port.RESULTS / f"{name}.rst").read_text() == table + "\n"


def test_recorded_networks_have_as_many_parameters_on_both_sides():
    counted = []
    for case in RECORDED["cases"]:
        if case["network"] == "defaults":
            continue
        keras, ours = (record["checks"][0]["parameters"] for record in case["records"])
        # Keras' convolutions have biases, which batch normalisation makes useless.
        assert keras - ours == (128 + 256 + 128 if case["network"] == "lstm_fcn" else 0)
        counted.append(case["network"])
    assert set(counted) == set(keras_port.NETWORKS)
