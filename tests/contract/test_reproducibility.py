"""The same bits: what docs/user_guide/reproducibility.rst promises."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold, cross_validate
from skorch.callbacks import Callback, EpochTimer

from tests.helpers import make_ragged, quick

X, Y = make_ragged(48, n_classes=3)
GROUPS = np.arange(48) // 4
EVERYTHING_RANDOM = {
    "dropout": 0.3, "hidden_sizes": (8, 4), "early_stopping": True,
    "validation_fraction": 0.25, "conv_filters": (5, 4), "n_kernels": 200,
}  # fmt: skip


def weights(classifier):
    return np.concatenate(
        [p.detach().cpu().numpy().ravel() for p in classifier.net_.module_.parameters()]
    )


PROGRAM = """
import hashlib, sys
import numpy as np, torch
from tests.contract.test_reproducibility import EVERYTHING_RANDOM, GROUPS, X, Y, weights
from tests.helpers import quick

np.random.seed(int(sys.argv[1])), torch.manual_seed(int(sys.argv[1]))
classifier = quick(**EVERYTHING_RANDOM).fit(X, Y, groups=GROUPS)
for array in (weights(classifier), classifier.predict_proba(X), classifier.history_["valid_loss"]):
    print(hashlib.sha256(array.tobytes()).hexdigest())
print(torch.get_num_threads())
"""


def run(seed, n_threads):
    environment = os.environ | {"OMP_NUM_THREADS": n_threads, "PYTHONHASHSEED": seed}
    result = subprocess.run(  # noqa: S603
        [sys.executable, "-c", PROGRAM, seed], capture_output=True, text=True, env=environment,
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.mark.parametrize("n_threads", ["1", "2"])
def test_two_processes_give_the_same_bits(n_threads):
    first, second = run("1", "1"), run("2", n_threads)
    assert first[:-1] == second[:-1]
    assert second[-1] == n_threads


def test_one_and_two_workers_give_the_same_bits():
    classifier = quick(**EVERYTHING_RANDOM)
    one, two = (
        cross_validate(
            classifier, X, Y, cv=StratifiedGroupKFold(3), groups=GROUPS, n_jobs=n_jobs,
            return_estimator=True,
        )
        for n_jobs in (1, 2)
    )  # fmt: skip
    np.testing.assert_array_equal(one["test_score"], two["test_score"])
    for ours, theirs in zip(one["estimator"], two["estimator"], strict=True):
        np.testing.assert_array_equal(weights(ours), weights(theirs))


class Look(Callback):
    """Looks at everything, at every opportunity."""

    def on_batch_end(self, net, loss, y_pred, **kwargs):
        net.history.record_batch("largest", float(y_pred.detach().max()))

    def on_epoch_end(self, net, **kwargs):
        net.history.record("norm", float(sum(p.detach().norm() for p in net.module_.parameters())))


@pytest.mark.parametrize(
    "onlooker", [{"verbose": 1}, {"callbacks": [Look()]}, {"callbacks": [EpochTimer(), Look()]}]
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_onlookers_change_no_bit(onlooker, method):
    arguments = (X, Y) if method == "fit" else (X, Y, np.unique(Y))
    plain, watched = (
        getattr(quick(**EVERYTHING_RANDOM, **options), method)(*arguments)
        for options in ({}, onlooker)
    )
    np.testing.assert_array_equal(weights(plain), weights(watched))


def test_the_order_of_parameters_and_labels_by_another_name_change_no_bit():
    plain = quick(**EVERYTHING_RANDOM).fit(X, Y)
    backwards = quick(**dict(reversed(EVERYTHING_RANDOM.items())))
    renamed = backwards.fit(X, np.array(["a", "b", "c"])[Y])
    np.testing.assert_array_equal(weights(plain), weights(renamed))
