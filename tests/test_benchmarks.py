"""The benchmarks' own machinery, and their recorded report."""

import json

import numpy as np
import pytest

from benchmarks import __main__, calibration, gpu, prediction_sets, rejection, report
from benchmarks.data import Generated, load
from benchmarks.harness import Case, Entry, Record, Shelf, measure
from benchmarks.processes import Pool, Process, WorkerFailedError
from benchmarks.results import ratio
from benchmarks.themes import THEMES, growth
from benchmarks.work import Settings

RECORDED = [path.parent for path in __main__.RESULTS.glob("*/machine.rst")]


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


def test_the_contestants_on_a_gpu_run():
    (row,) = gpu.steps_table(gpu.SMALL, "cpu")
    assert row["loop / sklstm"] == row["loop by hand"] / row["sklstm"] > 0
    assert gpu.packed_loop(*gpu.ragged(4), "cpu") > 0
    assert gpu.captures(lambda: None) == []


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
    ],
)  # fmt: skip
def test_the_tables_of_the_guide_are_those_of_the_recorded_figures(module, file, key, table, page):
    recorded = json.loads((module.RESULTS / file).read_text())
    rows = recorded if key is None else recorded[key]
    assert (module.RESULTS / page).read_text() == table(rows, "rst") + "\n"
