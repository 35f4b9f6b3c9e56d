"""Studies of Optuna that several processes work on, with pruning, as the guide shows them."""

import os
import signal
import subprocess
import sys

import pytest
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from skorch.callbacks import Callback

from tests.crashing import Crash
from tests.helpers import make_ragged, quick

optuna = pytest.importorskip("optuna")

from optuna.pruners import SuccessiveHalvingPruner  # noqa: E402
from optuna.samplers import RandomSampler  # noqa: E402
from optuna.storages import JournalStorage  # noqa: E402
from optuna.storages.journal import JournalFileBackend  # noqa: E402
from optuna.study import MaxTrialsCallback  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

X, Y = make_ragged(36, n_classes=3)
X_VAL, Y_VAL = make_ragged(24, n_classes=3, seed=1)
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
N_EPOCHS, N_TRIALS = 4, 10


class Report(Callback):
    """Tells a trial of each epoch, those of an earlier process included."""

    def __init__(self, trial):
        self.trial = trial
        self.n_reported = 0

    def on_epoch_end(self, net, **kwargs):
        for epoch in net.history[self.n_reported :]:
            self.trial.report(epoch["valid_score"], epoch["epoch"])
        self.n_reported = len(net.history)
        if self.trial.should_prune():
            raise optuna.TrialPruned


class LogEpochs(Callback):
    """A line for each epoch that is trained: number of its trial, learning rate, epoch."""

    def __init__(self, folder, trial):
        self.path, self.trial = folder / "epochs", trial

    def on_epoch_end(self, net, **kwargs):
        with self.path.open("a") as log:
            log.write(f"{self.trial.number} {net.lr!r} {len(net.history)}\n")


class End(Callback):
    """The end of the process in the trial of that number or a later one, after an epoch."""

    def __init__(self, trial, in_trial, end):
        self.is_due, self.end = trial.number >= in_trial, end

    def on_epoch_begin(self, net, **kwargs):
        if self.is_due and len(net.history) == 2:
            self.end()


def crash():
    raise Crash


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def open_study(folder, seed):
    return optuna.create_study(
        study_name="trends",
        storage=JournalStorage(JournalFileBackend(str(folder / "journal"))),
        direction="maximize",
        sampler=RandomSampler(seed=seed),
        pruner=SuccessiveHalvingPruner(min_resource=2, reduction_factor=2),
        load_if_exists=True,
    )


def revive(study):
    """Hand the trials of killed processes to the next ones."""
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        study.enqueue_trial(trial.params)
        study.tell(trial.number, state=TrialState.FAIL)


def optimize(folder, seed, *, in_trial=99, end=crash):
    """What each process does."""
    (folder / "fits").mkdir(exist_ok=True)

    def objective(trial):
        classifier = quick(
            hidden_sizes=4,
            max_epochs=N_EPOCHS,
            learning_rate=trial.suggest_float("learning_rate", 1e-4, 0.1, log=True),
            checkpoint=folder / "fits",
            callbacks=[LogEpochs(folder, trial), Report(trial), End(trial, in_trial, end)],
        )
        classifier.fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
        return classifier.best_score_

    study = open_study(folder, seed)
    study.optimize(objective, callbacks=[MaxTrialsCallback(N_TRIALS, states=FINISHED)])
    return study


def epochs_by_rate(folder):
    """Numbers of the epochs trained, by learning rate, in the order of training."""
    epochs = {}
    for line in (folder / "epochs").read_text().splitlines():
        _, rate, number = line.split()
        epochs.setdefault(rate, []).append(int(number))
    return epochs


def assert_nothing_was_lost(folder, finished_before, n_repeated=0):
    study = open_study(folder, 0)
    finished = study.get_trials(deepcopy=False, states=FINISHED)
    assert len(finished) >= N_TRIALS
    assert {t.number for t in finished_before} <= {t.number for t in finished}
    assert {t.state for t in finished} == set(FINISHED)
    # Also of the trial that was ended by force each epoch was trained once.
    epochs = epochs_by_rate(folder)
    for numbers in epochs.values():
        assert sorted(set(numbers)) == list(range(1, max(numbers) + 1))
    assert sum(len(numbers) - max(numbers) for numbers in epochs.values()) <= n_repeated
    # The scores of all epochs are known to the pruner, whoever trained them.
    for trial in finished:
        trained = epochs[repr(trial.params["learning_rate"])]
        assert sorted(trial.intermediate_values) == sorted(set(trained))


@pytest.fixture(autouse=True)
def quiet():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def test_a_trial_that_was_ended_by_force_is_gone_on_with(tmp_path):
    with pytest.raises(Crash):
        optimize(tmp_path, 0, in_trial=3)
    study = open_study(tmp_path, 0)
    finished = study.get_trials(states=FINISHED)
    revive(study)
    optimize(tmp_path, 1)
    assert_nothing_was_lost(tmp_path, finished)
    assert len(study.get_trials(states=[TrialState.FAIL])) == 1


PROGRAM = """
import sys
from pathlib import Path
from tests.model_selection.test_studies import kill, optimize
optimize(Path(sys.argv[1]), int(sys.argv[2]), in_trial=int(sys.argv[3]), end=kill)
"""


def start(folder, seed, in_trial):
    arguments = [str(folder), str(seed), str(in_trial)]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments])  # noqa: S603


def run_processes(folder, *arguments):
    """Run a process for each; their exit codes."""
    processes = [start(folder, *of_process) for of_process in arguments]
    return [process.wait(timeout=300) for process in processes]


def run_loky(folder, *arguments):
    """The same by joblib."""
    tasks = [delayed(optimize)(folder, seed, in_trial=n, end=kill) for seed, n in arguments]
    Parallel(n_jobs=len(tasks), backend="loky")(tasks)


@pytest.mark.slow
@pytest.mark.parametrize("by_loky", [False, True])
def test_two_processes_of_which_one_is_killed(tmp_path, by_loky):
    if by_loky:
        with pytest.raises(TerminatedWorkerError):
            run_loky(tmp_path, (0, 99), (1, 0))
    else:
        assert run_processes(tmp_path, (0, 99), (1, 0)) == [0, -signal.SIGKILL]
    study = open_study(tmp_path, 2)
    finished = study.get_trials(states=FINISHED)
    # loky ends the other worker, too, maybe between an epoch and its checkpoint.
    orphans = study.get_trials(states=[TrialState.RUNNING])
    assert 1 <= len(orphans) <= 1 + by_loky
    revive(study)
    if by_loky:
        run_loky(tmp_path, (3, 99), (4, 99))
    else:
        assert run_processes(tmp_path, (3, 99), (4, 99)) == [0, 0]
    assert_nothing_was_lost(tmp_path, finished, n_repeated=int(by_loky))
    rates = [t.params["learning_rate"] for t in study.get_trials(states=FINISHED)]
    assert {orphan.params["learning_rate"] for orphan in orphans} <= set(rates)
