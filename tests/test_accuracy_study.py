"""The study of accuracy: what it computes, what it keeps, and its recorded report."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import accuracy, accuracy_report, published, regression
from benchmarks.accuracy_settings import QUESTIONS, SETTINGS
from benchmarks.sets import Set, find_sets, take
from tests.helpers import make_ragged

ROOT = Path(__file__).parents[1]
RECORDED = accuracy.load(accuracy.RESULTS / "fits.jsonl").values()


def read(part):
    return make_ragged(40, seed=len(part))


SMALL = Set("small", False, read)


@pytest.fixture(autouse=True)
def quick_settings(monkeypatch):
    for name in ("default", "usual"):
        quick = {"conv_filters": (), "hidden_sizes": 4, "max_epochs": 2, "dropout": len(name) / 100}
        monkeypatch.setitem(SETTINGS, name, quick)


def jobs(*settings, part="cv"):
    return [accuracy.Job(SMALL, s, part, seed) for s in settings for seed in range(2)]


def test_what_is_on_file_is_not_computed_again(tmp_path, capsys):
    path = tmp_path / "fits.jsonl"
    first = list(accuracy.run_all(jobs("default"), path, n_workers=1))
    written = path.read_text()
    assert capsys.readouterr().out.count("accuracy") == 2
    assert list(accuracy.run_all(jobs("default"), path, n_workers=1)) == first
    assert path.read_text() == written
    assert list(accuracy.run_all(jobs("default", "usual"), path, n_workers=1))[:2] == first
    assert path.read_text().startswith(written)
    assert capsys.readouterr().out.count("'usual'") == 2


def test_another_value_of_a_parameter_is_another_fit(monkeypatch):
    (before, _), (again, _) = jobs("default"), jobs("default")
    assert before.key == again.key
    known = {before.key, jobs("default", part="test")[0].key, jobs("default")[1].key}
    assert len(known) == 3
    monkeypatch.setitem(SETTINGS, "default", {"hidden_sizes": 5})
    assert jobs("default")[0].key not in known


def test_of_a_job_that_was_fitted_again_the_last_fit_counts(tmp_path, monkeypatch):
    path = tmp_path / "fits.jsonl"
    accuracy.run_all(jobs("default"), path, n_workers=1)
    monkeypatch.setitem(SETTINGS, "default", {**SETTINGS["default"], "max_epochs": 1})
    again = accuracy.run_all(jobs("default"), path, n_workers=1)
    assert list(accuracy.load(path).values()) == again
    assert {fit.n_epochs for fit in again} == {1}


def test_settings_are_compared_on_the_training_part_alone():
    X, _ = read("train")
    seen = []
    for seed in range(accuracy.N_FOLDS):
        X_fit, y_fit, X_score, y_score = accuracy.Job(SMALL, "default", "cv", seed).split()
        assert len(X_fit) == len(y_fit) == 32
        assert len(X_score) == len(y_score) == 8
        seen += [x.tobytes() for x in X_score]
    assert sorted(seen) == sorted(x.tobytes() for x in X)


def test_a_quarter_has_two_sequences_of_each_class_at_least():
    y = np.repeat([0, 1, 2], [40, 5, 2])
    chosen = y[accuracy.quarter(y, 0)]
    assert np.bincount(chosen).tolist() == [10, 2, 2]
    X_fit, _, X_score, _ = accuracy.Job(SMALL, "default", "quarter", 0).split()
    assert len(X_fit) + len(X_score) == 40
    assert not {x.tobytes() for x in X_fit} & {x.tobytes() for x in X_score}


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_builds_an_estimator(setting):
    assert accuracy.Job(SMALL, setting, "cv", 0).build().get_params()


def test_questions_ask_for_settings_that_there_are():
    bases = ("default", "no fixed convolutions")
    assert all(settings[0] in bases for settings in QUESTIONS.values())
    asked = {setting for settings in QUESTIONS.values() for setting in settings}
    assert asked == set(SETTINGS)


def test_calibration_error_of_one_who_is_always_certain_and_half_the_time_right():
    is_right = np.array([True, False] * 10)
    assert accuracy.calibration_error(np.ones(20), is_right) == pytest.approx(0.5)
    assert accuracy.calibration_error(np.full(20, 0.5), is_right) == pytest.approx(0.0)
    # Two bins: 0.1 off on three quarters of them, 0.3 on the rest.
    confidence = np.array([0.6] * 15 + [0.8] * 5)
    is_right = np.array([True] * 7 + [False] * 8 + [True] * 5)
    expected = (15 * abs(0.6 - 7 / 15) + 5 * 0.2) / 20
    assert accuracy.calibration_error(confidence, is_right) == pytest.approx(expected)


def test_sets_of_a_folder_are_found_and_read(tmp_path):
    (tmp_path / "texts").mkdir()
    for part in ("train", "test"):
        (tmp_path / "texts" / f"{part}.tsv").write_text("b\tone two\na\tthree\n", encoding="utf-8")
    found = find_sets(tmp_path)["texts"]
    texts, labels = found.read("test")
    assert (texts, labels.tolist(), found.is_text) == (["one two", "three"], ["b", "a"], True)
    assert take(texts, np.array([1])) == ["three"]


def test_sets_of_the_wheel_are_time_by_features():
    X, y = find_sets(None)["JapaneseVowels"].read("train")
    assert X[0].shape == (20, 12)
    assert len(X) == len(y) == 270


def fit(setting, name, seed, found, part="cv"):
    figures = {"balanced_accuracy": 0.0, "log_loss": 0.0, "calibration_error": 0.0}
    rest = {"part": part, "seconds": 1.0, "n_epochs": 1, **figures}
    return accuracy.Fit(
        setting + name + str(seed), name, setting, seed=seed, accuracy=found, **rest
    )


def test_settings_are_compared_on_the_sets_and_seeds_that_all_were_fitted_with():
    fits = [
        fit("default", "A", 0, 0.5), fit("default", "A", 1, 0.9), fit("default", "B", 0, 0.7),
        fit("usual", "A", 0, 0.6), fit("usual", "C", 0, 0.1),
    ]  # fmt: skip
    table = accuracy_report.question_table(
        accuracy_report.Fits(fits, "cv"), ("default", "usual"), "tsv"
    )
    head, first, second = (line.split("\t") for line in table.splitlines())
    assert head[0].strip() == "setting, 1 sets"
    assert [row[1].strip() for row in (first, second)] == ["0.500", "0.600"]
    assert second[-1].strip() == "1 / 0"


PUBLISHED = """\
# A comment, as those that name the sources.
set,method,measure,figure,source
A,ROCKET,accuracy,0.9000,one
A,ROCKET,accuracy,0.8000,two
A,LSTM-FCN,accuracy,0.7000,one
A,ALSTM-FCN,accuracy,0.7500,one
B,ROCKET,accuracy,0.6001,one
B,ROCKET,accuracy,0.6004,two
C,ROCKET,RMSE,0.289,one
C,LSTM,RMSE,14,two
C,CNN,RMSE,0.3,one
"""


@pytest.fixture
def known(tmp_path):
    path = tmp_path / "published.csv"
    path.write_text(PUBLISHED)
    return published.read(path)


def test_the_first_of_two_sources_counts_and_both_are_shown(known):
    assert published.accuracies(known).to_dict()["ROCKET"] == {"A": 0.9, "B": 0.6001}
    assert published.of_all_sources(known, "A", "ROCKET") == [0.9, 0.8]
    assert published.as_text([0.9, 0.8]) == "0.900 / 0.800"


def test_two_sources_that_agree_in_three_digits_are_one_figure(known):
    assert published.as_text(published.of_all_sources(known, "B", "ROCKET")) == "0.600"


def test_what_was_not_published_is_not_available(known):
    assert published.as_text(published.of_all_sources(known, "C", "ROCKET")) == "n/a"
    assert published.as_text(published.best_of(known, "B", published.LSTM_FCN)) == "n/a"


def test_the_best_of_a_family_counts(known):
    assert published.best_of(known, "A", published.LSTM_FCN) == [0.75]


def test_errors_have_the_digits_that_were_published(known):
    assert published.with_sources(known, "C") == "ROCKET 0.289, CNN 0.3 (one), LSTM 14 (two)"


def test_the_file_of_published_figures_names_all_of_its_sources():
    known = published.read()
    head = [line for line in published.FILE.read_text().splitlines() if line.startswith("#")]
    described = {line[2:].split(":")[0] for line in head if re.match(r"# \S.*: ", line)}
    assert set(known["source"]) <= described
    assert not known.duplicated(["set", "method", "source"]).any()
    assert known.loc[known["measure"] == "accuracy", "figure"].astype(float).between(0, 1).all()
    assert set(known["measure"]) == {"accuracy", "RMSE"}


def test_methods_are_ranked_on_the_sets_that_they_are_known_of():
    found = {"A": 0.9, "B": 0.8, "C": 0.7, "D": 1.0}
    fits = [fit("default", name, 0, share, "test") for name, share in found.items()]
    figures = pd.DataFrame(
        {
            "HC2": [0.95, 0.8, None, 0.1],
            "FCN": [0.1, None, None, 0.1],
            "never known": [None, None, None, 1.0],
        },
        index=["A", "B", "C", "not fitted"],
    )
    table = accuracy_report.rank_table(
        accuracy_report.Fits(fits, "test"), "default", figures, "tsv"
    )
    rows = [[cell.strip() for cell in line.split("\t")] for line in table.splitlines()[1:]]
    # C has no published figure, D is not among the published ones.
    assert rows == [
        ["HC2, 2 sets", "1.25", "0.875", "0.850", "1 / 0"],
        ["default, 2 sets", "1.75", "0.850", "0.850", "0 / 0"],
        ["FCN, 1 sets", "3.00", "0.100", "0.900", "0 / 1"],
    ]


@pytest.mark.skipif(not RECORDED, reason="nothing is recorded")
def test_the_recorded_report_is_that_of_the_recorded_fits(tmp_path):
    accuracy_report.write(RECORDED, tmp_path)
    names = {path.name for path in accuracy.RESULTS.glob("*.rst")}
    assert names == {path.name for path in tmp_path.glob("*.rst")}
    for name in names:
        assert (tmp_path / name).read_text() == (accuracy.RESULTS / name).read_text()


@pytest.mark.skipif(not RECORDED, reason="nothing is recorded")
def test_the_readme_has_the_recorded_figures():
    tested = accuracy_report.Fits(RECORDED, "test")
    readme = (ROOT / "README.md").read_text()
    assert accuracy_report.short_table(tested, "markdown") in readme
    assert accuracy_report.short_text_table(tested, "markdown") in readme


@pytest.mark.skipif(not RECORDED, reason="nothing is recorded")
@pytest.mark.parametrize("page", ["README.md", "docs/index.rst", "docs/benchmarks/accuracy.rst"])
def test_mean_ranks_in_sentences_are_those_of_the_table(page):
    table = (accuracy.RESULTS / "ranks.rst").read_text()
    ranks = {f"{float(rank):.1f}" for rank in re.findall(r"sets +(\d+\.\d\d) ", table)}
    sentences = re.split(r"(?<=\.)\s+(?=[A-Z])", (ROOT / page).read_text())
    named = {n for s in sentences if "mean rank" in s for n in re.findall(r"\b\d+\.\d\b", s)}
    assert len(ranks) > 10
    assert named
    assert named <= ranks


def test_errors_of_regressors_are_shown_beside_the_published_ones():
    fits = json.loads((regression.RESULTS / "fits.json").read_text())["fits"]
    table = (regression.RESULTS / "test.rst").read_text()
    assert regression.table(fits, "rst") + "\n" == table
