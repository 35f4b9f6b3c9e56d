"""The benchmarks' own machinery, and their recorded report."""

import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__, calibration, prediction_sets, rejection, report
from benchmarks.data import Generated, load
from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import with_keras
from benchmarks.gpu.by_hand import packed_loop
from benchmarks.gpu.ours import captures
from benchmarks.gpu.searches import searches_table
from benchmarks.gpu.targets import WHOLE, targets_table
from benchmarks.gpu.work import SMALL, STEPS, ragged
from benchmarks.harness import Case, Entry, Record, Shelf, measure
from benchmarks.processes import Pool, Process, WorkerFailedError
from benchmarks.results import ratio, write_down
from benchmarks.scale import paper_model
from benchmarks.sets import IN_AEON
from benchmarks.themes import THEMES, growth
from benchmarks.work import Settings
from tests.contract.test_documentation_code import unit_of_last_digit

ROOT = Path(__file__).parents[1]
RECORDED = [path.parent for path in __main__.RESULTS.glob("*/machine.rst")]


@pytest.mark.parametrize(
    "name",
    [
        "callbacks",
        "data_report",
        "exchange",
        "scale.prediction",
        "scale.prediction_memory",
        "time_limit",
        "training_scores",
    ],
)
def test_the_commands_of_the_log_can_be_imported(name):
    assert callable(importlib.import_module(f"benchmarks.{name}").main)


def test_the_paper_model_prints_tables(capsys):
    paper_model.main([])
    printed = capsys.readouterr().out
    assert printed.count("list-table") == 4
    # 1e9 x 100 x 10 float32, and a permutation of 8 bytes each.
    assert "     - 4 TB\n" in printed
    assert "   * - permutation of an epoch\n     - 8 GB\n" in printed


def entry(name, module="", **options):
    return Entry(name, "imports", "start", Settings(module=module), **options)


def record(name, seconds, units=1.0):
    return Record(name, units, {}, seconds)


@pytest.fixture
def shelf(tmp_path):
    return Shelf(str(tmp_path))


def test_a_warm_up_is_not_counted_and_each_repeat_is(shelf):
    case = Case("c", "start", (entry("a"), entry("b", process="a")))
    with Pool() as pool:
        a, b = measure(case, pool, shelf, repeats=2)
    assert (len(a.seconds), len(b.seconds)) == (2, 2)
    assert a.checks[0] == {"exit code": 0}


def test_who_fails_is_reported_and_the_others_go_on(shelf):
    case = Case("c", "start", (entry("a"), entry("b", module="no_such_module")))
    with Pool() as pool:
        a, b = measure(case, pool, shelf, repeats=1)
    assert not a.failed
    assert len(a.seconds) == 1
    assert b.failed.startswith("CalledProcessError")
    assert b.seconds == []


def test_a_missing_interpreter_and_a_dead_worker_are_told(tmp_path):
    with pytest.raises(WorkerFailedError, match="there is no"):
        Process(tmp_path / "python")
    shell = tmp_path / "shell"
    shell.write_text("#!/bin/sh\necho 'no *memory*' >&2\nexit 3\n")
    shell.chmod(0o700)
    process = Process(shell)
    process.ask(do="clear")
    with pytest.raises(WorkerFailedError, match="died with 3: no memory"):
        process.reply()
    process.close()


@pytest.mark.parametrize("lengths", ["equal", "log-normal", "uniform", "outlier"])
def test_data_survive_their_file(tmp_path, lengths):
    data = Generated(20, 50, lengths, n_test=3).make()
    data.save(tmp_path / "data.npz")
    loaded = load(str(tmp_path / "data.npz"))
    assert data.is_rectangular == (lengths == "equal")
    for a, b in zip(data.X + data.X_test, loaded.X + loaded.X_test, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(data.y, loaded.y)
    np.testing.assert_array_equal(data.y_test, loaded.y_test)


def test_padding_puts_zeros_behind():
    data = Generated(5, 50, "uniform").make()
    rectangle = data.padded(data.X)
    assert rectangle.shape == (5, data.longest, 10)
    np.testing.assert_array_equal(rectangle[0, : len(data.X[0])], data.X[0])
    assert not rectangle[0, len(data.X[0]) :].any()


def test_a_ratio_is_taken_within_each_round_and_for_one_unit():
    measured = ratio(record("slow", [8.0, 2.0, 6.0], units=2.0), record("fast", [1.0, 1.0, 3.0]))
    assert (measured.median, measured.low, measured.high) == (1.0, 1.0, 4.0)


def test_deviation_from_a_straight_line():
    assert growth.deviation([1.0, 2.0, 4.0], [3.0, 5.0, 9.0]) == pytest.approx(0.0, abs=1e-12)
    assert growth.deviation([1.0, 2.0, 4.0], [1.0, 4.0, 16.0]) > 0.1


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("theme", THEMES)
def test_names_within_a_theme_are_unique(theme, long):
    cases = THEMES[theme].cases(long)
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        assert len({entry.name for entry in case.entries}) == len(case.entries)


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_the_recorded_report_is_that_of_the_recorded_results(folder):
    """Changed by hand, or not written anew after a change of the report: make bench."""
    results = __main__.recorded(folder)
    assert folder.joinpath("README.md").read_text() == report.markdown(results)
    headlines = report.headline_table(results, "rst")
    assert folder.joinpath("headlines.rst").read_text() == headlines + "\n"
    # A theme of another name would be missing at the top of the page.
    assert all(name in headlines for name in report.HEADLINES.values())


UNEQUAL, EQUAL = (f"sequences of {kind} length" for kind in ("unequal", "equal"))
ONE, MANY = "1 sequence of 45 timesteps", "memory, 10000 sequences"
# What a page says, the recorded table, where in it, and the row.
STATED = {
    "README.md": [
        ("{} times as fast as a torch loop with packed", "headlines", UNEQUAL, "torch loop"),
        ("packed sequences, {} times as fast as Keras", "headlines", UNEQUAL, "Keras"),
        ("| {} times as fast as a torch loop, ", "headlines", EQUAL, "torch loop"),
        ("as a torch loop, {} times as fast as Keras", "headlines", EQUAL, "Keras"),
        ("45 timesteps | {} ms", "single", ONE, "sklstm"),
        ("ms; {} ms as an ONNX file", "single", ONE, "onnxruntime"),
        ("10,000 sequences | {} MiB", "memory", MANY, "sklstm"),
        ("MiB; torch loop {}, Keras", "memory", MANY, "torch loop"),
        (", Keras {} |", "memory", MANY, "Keras"),
    ],
    "docs/index.rst": [
        ("{} times as fast as a torch loop with packed", "headlines", UNEQUAL, "torch loop"),
        ("packed sequences and {} times as fast as Keras", "headlines", UNEQUAL, "Keras"),
        ("the factor is {} and", "headlines", EQUAL, "torch loop"),
        ("and {} (:doc:`/benchmarks/index`", "headlines", EQUAL, "Keras"),
        ("of 45 timesteps in {} ms", "single", ONE, "sklstm"),
        ("ONNX file in {} ms", "single", ONE, "onnxruntime"),
    ],
}


@pytest.mark.parametrize("page", STATED)
def test_the_first_pages_have_the_recorded_figures(page):
    text = " ".join((ROOT / page).read_text().split())
    for sentence, table, place, row in STATED[page]:
        (shown,) = re.findall(re.escape(sentence).replace(r"\{\}", r"(\d[\d.]*)"), text)
        recorded = (__main__.RESULTS / f"short/{table}.rst").read_text()
        figure = re.search(rf"{place}.*?{row} +([\d.]+)", recorded, flags=re.DOTALL)[1]
        # The recorded figure is rounded, too.
        half = 0.51 * unit_of_last_digit(shown)
        assert float(shown) == pytest.approx(float(figure), rel=0, abs=half), sentence


def test_the_readme_has_the_recorded_baselines():
    fits = json.loads((ROOT / "benchmarks/results/baselines/fits.json").read_text())["series"]

    def middle(name, model, key):
        return np.median([fit[key] for fit in fits if (fit["set"], fit["model"]) == (name, model)])

    text = " ".join((ROOT / "README.md").read_text().split())
    times = [middle(n, "sklstm", "seconds") / middle(n, "MiniRocket", "seconds") for n in IN_AEON]
    fewest, most = re.search(r"trains (\d+) to (\d+) times as fast", text).groups()
    assert [round(min(times), -1), round(max(times), -1)] == [int(fewest), int(most)]
    trees = middle("JapaneseVowels", "summaries", "seconds")
    assert "some forty times as long to train as the trees" in text
    assert round(middle("JapaneseVowels", "sklstm", "seconds") / trees, -1) == 40
    summaries, network = re.search(r"\(OSULeaf: ([\d.]+), the network ([\d.]+)\)", text).groups()
    assert float(summaries) == round(middle("OSULeaf", "summaries", "score"), 2)
    assert float(network) == round(middle("OSULeaf", "sklstm", "score"), 2)


def test_the_contestants_on_a_gpu_run():
    rows = gpu.steps_table(SMALL[-1:], "cpu")
    assert rows[0]["loop / sklstm"] == rows[0]["loop by hand"] / rows[0]["sklstm"] > 0
    limits = gpu.limits_table(rows, SMALL[-1:], "cpu")
    assert [row["work"] for row in limits[:1]] == [str(STEPS[-1])]
    assert packed_loop(*ragged(4), "cpu") > 0
    assert captures(lambda: None) == []
    # More processes would take seconds to start.
    (row,) = searches_table("cpu", small=True, n_jobs=(1,))
    assert row["fits a minute"] > 0
    assert row["over one process"] == 1.0


def test_what_was_aimed_at_on_a_gpu_is_compared_with_what_was_found():
    names = [str(work) for work in STEPS]
    figures = {
        "steps": [{"work": n, "sklstm": 2.0, "loop by hand": 5.0, "kernels alone": 1.9}
                  for n in names],
        "predictions": [{"work": "one", "sklstm": 0.3, "bare network": 0.1}],
        "fits": [
            {"work": WHOLE, "sklstm": 1.0, "without graphs": 5.0, "on the CPU": 0.5},
            {"work": "fit of 10 epochs, a", "sklstm": 1.0, "without graphs": 1.2},
            {"work": "fit of 10 epochs, b", "sklstm": 1.0, "without graphs": 0.9},
        ],
    }  # fmt: skip
    rows = targets_table(figures, counts=True)
    verdicts = [row["verdict"] for row in rows]
    assert verdicts == [
        "missed", "missed", "reached", "reached", "reached", "reached", "not measured",
        "not measured", "not measured", "reached", "missed", "not measured", "missed", "missed",
    ]  # fmt: skip
    assert {row["work"] for row in rows[:6]} <= set(names)
    assert (rows[-2]["found"], rows[-1]["found"], rows[-1]["target"]) == ("0.9", "0.15", "<= 0.1")
    assert not {"reached", "missed"} & {r["verdict"] for r in targets_table(figures, counts=False)}


def test_keras_on_torch_gives_figures_or_reasons(tmp_path, monkeypatch):
    monkeypatch.setattr(with_keras, "_has_keras", lambda python: False)
    assert with_keras.keras_steps(SMALL[:2], "cpu") == [with_keras.NO_KERAS] * 2
    script = tmp_path / "fits.py"
    script.write_text("print(0.5, flush=True)\nraise OSError('no GPU')")
    monkeypatch.setattr(with_keras, "SCRIPT", script)
    monkeypatch.setattr(with_keras, "_has_keras", lambda python: True)
    monkeypatch.setattr(with_keras, "KERAS_PYTHON", Path(sys.executable))
    assert with_keras.keras_steps(SMALL[:2], "cpu") == [0.5, "OSError: no GPU"]


class Guesses:
    """Probabilities that know nothing; a sequence is a number."""

    classes_ = np.array(["a", "b", "c"])

    def predict_proba(self, X):
        raw = np.random.default_rng(0).uniform(0.1, 1, size=(len(X), 3))
        return raw / raw.sum(axis=1, keepdims=True)


def test_sets_of_guesses_hold_nine_of_ten_and_are_large():
    y = np.random.default_rng(1).choice(Guesses.classes_, size=200, p=[0.6, 0.3, 0.1])
    rows = prediction_sets.judge(Guesses(), list(range(200)), y, range(30))
    for form in ("all", "by class"):
        coverage = np.mean([row[form]["coverage"] for row in rows])
        # The mean of 30 splits of the same sequences; a split has a standard deviation of .04.
        assert coverage == pytest.approx(0.9, abs=0.02)
        assert np.mean([row[form]["size"] for row in rows]) == pytest.approx(2.7, abs=0.1)
    assert rows[0]["all"] == prediction_sets.judge(Guesses(), list(range(200)), y, [0])[0]["all"]


def test_halves_share_nothing_and_leave_nothing_out():
    calibration, test = prediction_sets.halves(np.arange(7, 18), seed=3)
    assert sorted([*calibration, *test]) == list(range(7, 18))
    assert len(calibration) == 5


@pytest.mark.parametrize(
    ("module", "file", "key", "table", "page"),
    [
        (prediction_sets, "splits.json", "sets", prediction_sets.table_of_sets, "sets.rst"),
        (
            prediction_sets, "splits.json", "intervals",
            prediction_sets.table_of_intervals, "intervals.rst",
        ),
        (calibration, "fits.json", None, calibration.table, "test.rst"),
        (rejection, "speakers.json", None, rejection.table, "test.rst"),
        (rejection, "texts.json", None, rejection.table_of_texts, "texts.rst"),
    ],
)  # fmt: skip
def test_the_tables_of_the_guide_are_those_of_the_recorded_figures(module, file, key, table, page):
    recorded = json.loads((module.RESULTS / file).read_text())
    rows = recorded if key is None else recorded[key]
    assert (module.RESULTS / page).read_text() == table(rows, "rst") + "\n"


def test_figures_and_tables_are_written_down(tmp_path):
    write_down(tmp_path / "new", "fits", [{"a": 1}], {"test": "a table"})
    assert json.loads((tmp_path / "new/fits.json").read_text()) == [{"a": 1}]
    assert (tmp_path / "new/test.rst").read_text() == "a table\n"
