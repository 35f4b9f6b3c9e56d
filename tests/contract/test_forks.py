"""A forked child, as of gunicorn --preload or ``Pool.map``, computes what its parent would."""

import json
import os
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from sklstm import load_model, save_model
from tests.helpers import make_ragged, quick

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

SECONDS = 30  # for each child; what hangs is killed
X, Y = make_ragged(40)
# Wide enough for what torch gives to an OpenMP team, many enough for teams of our own.
WIDE = {"hidden_sizes": 128, "conv_filters": (8,), "batch_size": 20, "max_epochs": 2}

# One process for each parent. A child's answer comes through a pipe.
PROGRAM = """
import json, os, select, signal, sys, threading, time
import numpy as np
import torch
from sklearn.model_selection import GridSearchCV
from sklstm import load_model
from sklstm._inference import _prediction
from sklstm._runtime import _heap
from tests.contract.test_forks import SECONDS, WIDE, X, Y
from tests.helpers import quick

_prediction.MAX_BATCH["cpu"] = 16_384, 8  # several batches, so that teams of our own predict
path, parent, *children = sys.argv[1:]
model = None

def fit():
    return quick(**WIDE).fit(X, Y)

WORK = {
    "import only": lambda: None,
    "load": lambda: (model or load_model(path)) and load_model(path),
    "fit": fit,
    "predict": lambda: (model or load_model(path)).predict(X),
    "predict_proba": lambda: (model or load_model(path)).predict_proba(X),
    "search": lambda: GridSearchCV(quick(**WIDE), {"learning_rate": [0.01, 0.02]}, cv=2).fit(X, Y),
    "count": lambda: np.array([len(_heap._users)]),
}

def answer(name):
    value = WORK[name]()
    if hasattr(value, "predict_proba"):
        value = value.predict_proba(X)
    return np.asarray(value).tolist()

def ask_child(name):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(answer(name)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        if not select.select([pipe], [], [], SECONDS)[0]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return "hangs"
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text or '"nothing"')
"""

IN_TURN = """
if parent == "team":  # of the user's own
    torch.ones(2000, 2000) @ torch.ones(2000, 2000)
elif parent == "load":
    model = load_model(path)
elif parent == "fit":
    model = fit()
elif parent == "predict":
    model = load_model(path)
    model.predict(X), model.predict_proba(X), model.transform(X)
print(json.dumps({child: ask_child(child) for child in children}))
"""

# Another thread of the parent is somewhere in a fit, with the turn, the heap and the generators.
DURING = """
from skorch.callbacks import Callback

started = threading.Event()

class Start(Callback):
    def on_batch_end(self, net, **kwargs):
        started.set()
        net.should_stop = is_over

is_over = False
def fit_on():
    quick(**{**WIDE, "max_epochs": 1_000_000}, callbacks=[Start()]).fit(X, Y)

thread = threading.Thread(target=fit_on)
thread.start()
started.wait()
print(json.dumps([{child: ask_child(child) for child in children} for _ in range(4)]))
is_over = True
thread.join()
"""

# The parent forks in the middle of its own fit, and the child goes on with what a callback does.
INSIDE = """
from skorch.callbacks import Callback

class Fork(Callback):
    def on_epoch_end(self, net, **kwargs):
        answers.append({child: ask_child(child) for child in children})

answers = []
expected = fit().predict_proba(X)
found = quick(**WIDE, callbacks=[Fork()]).fit(X, Y).predict_proba(X)
assert (found == expected).all()
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("forks") / "model.safetensors"
    save_model(quick(**WIDE).fit(X, Y), path)
    return str(path)


@cache
def run(program, path, parent, *children):
    # Forks beside other threads are deprecated, since they may hang: that ours do not is tested.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM + program]
    result = subprocess.run(  # noqa: S603
        [*command, path, parent, *children], capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "2"}, timeout=10 * SECONDS,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


CHILDREN = ("load", "fit", "predict", "predict_proba", "search")


def check(child, answer, path):
    """The answer is what this process, which has not been forked, says."""
    if child == "search":
        assert np.shape(answer) == (40, 2)
        return
    model = load_model(path)
    expected = model.predict(X) if child == "predict" else model.predict_proba(X)
    np.testing.assert_array_equal(answer, expected)


@pytest.mark.parametrize("child", CHILDREN)
@pytest.mark.parametrize("parent", ["import only", "load", "fit", "predict", "team"])
def test_a_forked_child_computes_what_its_parent_would(parent, child, model_file):
    check(child, run(IN_TURN, model_file, parent, *CHILDREN)[child], model_file)


def test_a_child_forked_while_another_thread_fits_does_not_wait_for_it(model_file):
    for answers in run(DURING, model_file, "", "fit", "predict_proba", "count"):
        assert answers.pop("count") == [0]
        for child, answer in answers.items():
            check(child, answer, model_file)


def test_a_child_forked_by_a_callback_fits_and_predicts(model_file):
    answers = run(INSIDE, model_file, "", "fit", "predict_proba", "count")
    assert len(answers) == 2
    for of_epoch in answers:
        # Its own fit goes on in it.
        assert of_epoch.pop("count") == [1]
        for child, answer in of_epoch.items():
            check(child, answer, model_file)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_no_call_leaves_a_thread_behind_least_of_all_an_openmp_team(model_file):
    program = """
def threads_above(n, patience=20.0):
    # The system takes a moment to end a thread that has been waited for.
    end = time.monotonic() + patience
    while (n_more := len(os.listdir("/proc/self/task")) - n) and time.monotonic() < end:
        time.sleep(0.01)
    return n_more

n = threads_above(0, patience=0)
print(json.dumps([[name, answer(name), threads_above(n)][::2] for name in children]))
"""
    assert run(program, model_file, "", *CHILDREN) == [[name, 0] for name in CHILDREN]
