"""The study of accuracy: ``python -m benchmarks.accuracy --help``.

Settings are compared by cross-validation on the training parts alone, in five folds that are
trained with a seed each. The test parts are read with ``--test``, for the settings named.

Each fit is one line of ``results/accuracy/fits.jsonl``. What is there is not computed again: after
an interruption the study goes on, and with another setting it computes that setting only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
import warnings
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import accuracy_report
from benchmarks.accuracy_settings import QUESTIONS, SETTINGS
from benchmarks.machine import processor
from benchmarks.sets import Set, find_sets, take

RESULTS = Path(__file__).parent / "results" / "accuracy"
N_FOLDS = 5
# Sets with missing values.
WITH_MISSING = ("DodgerLoopDay",)
# Maximum number of sequences that a fit to a quarter is scored on.
MAX_SCORED = 2000
# Bins of the expected calibration error.
N_BINS = 15


@dataclass(frozen=True)
class Job:
    """One fit of a setting.

    Its part is "cv", a fold of the set's training part, "quarter", a quarter of it, or "test", all
    of it.
    """

    set: Set
    setting: str
    part: str
    seed: int

    def build(self) -> Any:
        """The pipeline, whose last step is the estimator."""
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.ensemble import VotingClassifier
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        from sklstm import LSTMSequenceClassifier
        from sklstm.preprocessing import SequenceImputer, TokenEncoder

        changes = dict(SETTINGS[self.setting])
        if "linear" in changes:
            linear = LogisticRegression(C=changes["C"], max_iter=2000)
            return make_pipeline(TfidfVectorizer(**changes["linear"]), linear)
        steps: list[Any] = [SequenceImputer()] if self.set.name in WITH_MISSING else []
        calibration, n_votes = changes.pop("calibration", None), changes.pop("votes", None)
        if self.set.is_text:
            changes["embedding_dim"] = 100
            steps = [TokenEncoder()]
        classifier = LSTMSequenceClassifier(**changes, random_state=self.seed)
        if calibration:
            classifier = CalibratedClassifierCV(
                classifier, method=calibration, cv=3, ensemble=False
            )
        if n_votes:
            seeds = range(n_votes * self.seed, n_votes * (self.seed + 1))
            voters = [(str(s), LSTMSequenceClassifier(**changes, random_state=s)) for s in seeds]
            classifier = VotingClassifier(voters, voting="soft")
        return make_pipeline(*steps, classifier)

    @property
    def key(self) -> str:
        """What identifies the fit: the set, the part, the seed and all parameters, defaults too."""
        parameters = sorted((k, repr(v)) for k, v in self.build().get_params().items())
        text = json.dumps([self.set.name, self.part, self.seed, parameters])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def split(self) -> tuple[Any, np.ndarray, Any, np.ndarray]:
        """X and y to fit, X and y to score."""
        from sklearn.model_selection import StratifiedKFold

        X, y = self.set.read("train")
        if self.part == "test":
            return X, y, *self.set.read("test")
        if self.part == "quarter":
            fit = quarter(y, self.seed)
            score = np.setdiff1d(np.arange(len(y)), fit)[:MAX_SCORED]
            return take(X, fit), y[fit], take(X, score), y[score]
        folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=self.seed // N_FOLDS)
        fit, score = list(folds.split(y, y))[self.seed % N_FOLDS]
        return take(X, fit), y[fit], take(X, score), y[score]


def quarter(y: np.ndarray, seed: int) -> np.ndarray:
    """Indices of a quarter of each class, at least two of it."""
    rng = np.random.default_rng(seed)
    of_classes = [rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y)]
    return np.sort(np.concatenate([i[: max(2, round(len(i) / 4))] for i in of_classes]))


@dataclass(frozen=True)
class Fit:
    """What came out of a job, and on which processor: on another one bits differ, and so do fits.

    The processor is unknown for fits that are older than this field.
    """

    key: str
    set: str
    setting: str
    part: str
    seed: int
    accuracy: float
    balanced_accuracy: float
    log_loss: float
    calibration_error: float
    seconds: float
    n_epochs: int
    processor: str = ""


def run(job: Job, key: str) -> Fit:
    """Fit and score."""
    import torch
    from sklearn.metrics import accuracy_score, balanced_accuracy_score

    # The threads that the environment grants, also in a worker that was forked.
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    warnings.filterwarnings("ignore", message="The least populated class")
    warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
    X, y, X_score, y_score = job.split()
    start = time.perf_counter()
    model = job.build().fit(X, y)
    seconds = time.perf_counter() - start
    probabilities = model.predict_proba(X_score)
    predicted = model.classes_[probabilities.argmax(axis=1)]
    return Fit(
        key,
        job.set.name,
        job.setting,
        job.part,
        job.seed,
        float(accuracy_score(y_score, predicted)),
        float(balanced_accuracy_score(y_score, predicted)),
        _log_loss(model.classes_, y_score, probabilities),
        calibration_error(probabilities.max(axis=1), predicted == y_score),
        seconds,
        _n_epochs(model[-1]),
        processor(),
    )


def _n_epochs(classifier: Any) -> int:
    """Epochs of the network that predicts, or of the first that votes; 0 of a linear model."""
    if hasattr(classifier, "calibrated_classifiers_"):
        classifier = classifier.calibrated_classifiers_[0].estimator
    if hasattr(classifier, "estimators_"):
        classifier = classifier.estimators_[0]
    return int(classifier.n_iter_) if hasattr(classifier, "history_") else 0


def _log_loss(classes: np.ndarray, y: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative logarithm of the true label's probability, which is at least 1e-7.

    A label that was not trained on has that probability.
    """
    given = np.where(y[:, None] == classes, probabilities, 0.0).sum(axis=1)
    return float(-np.log(np.maximum(given, 1e-7)).mean())


def calibration_error(confidence: np.ndarray, is_right: np.ndarray) -> float:
    """Expected calibration error [1]_: mean gap of confidence and accuracy over bins of confidence.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks",
       ICML 2017, equation 3.
    """
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    gaps = [abs((confidence - is_right)[bins == b].sum()) for b in range(N_BINS)]
    return float(sum(gaps) / len(confidence))


def load(path: Path) -> dict[str, Fit]:
    """The fits on file, by key; of a job that was fitted again, with other parameters, the last."""
    if not path.exists():
        return {}
    fits = (Fit(**json.loads(line)) for line in path.read_text().splitlines())
    last = {(fit.set, fit.setting, fit.part, fit.seed): fit for fit in fits}
    return {fit.key: fit for fit in last.values()}


def run_all(jobs: Iterable[Job], path: Path, n_workers: int) -> list[Fit]:
    """Compute and write down what is missing, then give all of it."""
    known = load(path)
    keys = {job: job.key for job in jobs}
    missing = {job: key for job, key in keys.items() if key not in known}
    path.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(n_workers) as pool, path.open("a") as file:
        futures = [pool.submit(run, job, key) for job, key in missing.items()]
        for done, future in enumerate(as_completed(futures), start=1):
            fit = future.result()
            known[fit.key] = fit
            file.write(json.dumps(asdict(fit)) + "\n")
            file.flush()
            print(
                f"{done}/{len(futures)} {fit.set} {fit.setting!r} {fit.part} {fit.seed}:"
                f" accuracy {fit.accuracy:.4f}, log-loss {fit.log_loss:.3f}, {fit.seconds:.1f} s",
                flush=True,
            )
    return [known[key] for key in keys.values()]


def main() -> None:
    """Compute what was asked for, and remake tables and picture from all that is on file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder with .ts files and folders of train.tsv")
    parser.add_argument("--sets", nargs="+", help="names of sets; default: all that are found")
    parser.add_argument(
        "--questions", nargs="*", choices=QUESTIONS, default=[], help="which settings to compare"
    )
    parser.add_argument(
        "--test",
        nargs="*",
        choices=SETTINGS,
        default=[],
        help="settings to read the test parts for",
    )
    parser.add_argument(
        "--quarter",
        nargs="*",
        choices=SETTINGS,
        default=[],
        help="settings to fit to a quarter of the training parts",
    )
    parser.add_argument("--seeds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="default: %(default)s")
    arguments = parser.parse_args()
    sets = find_sets(arguments.data)
    chosen = [sets[name] for name in arguments.sets or sets]
    compared = list(dict.fromkeys(s for q in arguments.questions for s in QUESTIONS[q]))
    wanted = [("cv", s) for s in compared]
    wanted += [("quarter", s) for s in arguments.quarter]
    wanted += [("test", s) for s in arguments.test]
    jobs = [
        Job(a_set, setting, part, seed)
        for part, setting in wanted
        for seed in range(arguments.seeds)
        for a_set in chosen
    ]
    run_all(jobs, RESULTS / "fits.jsonl", arguments.workers)
    accuracy_report.write(load(RESULTS / "fits.jsonl").values(), RESULTS)


if __name__ == "__main__":
    main()
