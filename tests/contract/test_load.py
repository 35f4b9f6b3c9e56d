"""Many threads, many fits, many sequences."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from benchmarks.scale.memory import rise_in_process, write_data
from tests.helpers import make_ragged, quick

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


@pytest.mark.parametrize("method", ["predict_proba", "transform"])
def test_eight_threads_predict_what_one_does(method):
    X, y = make_ragged(400, n_classes=3)
    classifier = quick(hidden_sizes=(16, 8), pooling="attention").fit(X, y)
    parts = [X[start : start + 50] for start in range(0, 400, 50)] * 4
    predict = getattr(classifier, method)
    expected = [predict(part) for part in parts]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(predict, parts))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def measure(program):
    """What a program of its own process prints, as JSON."""
    result = subprocess.run(  # noqa: S603
        [sys.executable, "-c", PREPARATION + program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


PREPARATION = """
import gc, json
from pathlib import Path
import numpy as np
from sklstm import LSTMSequenceClassifier
from sklstm.datasets import make_trends

def memory(figure):  # MB
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(figure)) / 1024
"""


@pytest.mark.slow
@linux_only
def test_three_hundred_fits_do_not_grow_the_process(say):
    growth = measure("""
small, large = make_trends(60, random_state=0), make_trends(400, random_state=0)

def fit(i):
    X, y = small if i % 3 else large
    LSTMSequenceClassifier(
        8 if i % 2 else (32, 16), max_epochs=2, early_stopping=i % 4 == 0,
        pooling=("max", "attention")[i % 5 == 0], random_state=i,
    ).fit(X, y).predict(X)

for i in range(30):
    fit(i)
before = memory("VmRSS")
for i in range(300):
    fit(i)
gc.collect()
print(json.dumps(memory("VmRSS") - before))
""")
    say(f"300 fits grew the process by {growth:.1f} MB")
    assert growth < 30


@pytest.mark.slow
@linux_only
@pytest.mark.parametrize(("form", "copies"), [("X", 0), ("list(X)", 1)])
def test_a_million_short_sequences_are_predicted_within_the_stated_memory(form, copies, say):
    """100 MB beside X; a list of short sequences is copied once."""
    extra, size = measure(f"""
n = 1_000_000
X, y = np.random.default_rng(0).normal(size=(n, 5, 2)).astype(np.float32), np.arange(n) % 2
classifier = LSTMSequenceClassifier(16, max_epochs=1, random_state=0).fit(X[:200], y[:200])
classifier.predict_proba(X[:5000])
data = {form}
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before = memory("VmRSS")
probabilities = classifier.predict_proba(data)
assert probabilities.shape == (n, 2)
print(json.dumps([memory("VmHWM") - before, X.nbytes / 2**20]))
""")
    say(f"A million sequences of {size:.0f} MB took {extra:.0f} MB more")
    assert extra < copies * size + 100


@pytest.mark.slow
@linux_only
@pytest.mark.parametrize("kind", ["map", "memory", "list"])
def test_a_fit_of_large_data_takes_100_mib(kind, tmp_path, say):
    """Of a map of any size, of an array, or of a list."""
    path = tmp_path / "X.npy"
    write_data(path, 200)
    extra = rise_in_process(path, kind)
    say(f"A fit of 200 MB, {kind}, took {extra:.0f} MiB more")
    assert extra < 100


@pytest.mark.slow
@linux_only
def test_one_sequence_of_a_million_timesteps_is_predicted_within_the_stated_memory(say):
    """Windows of 65 numbers, also reversed, and two directions of 64: 1032 bytes a timestep.

    What is in use beside them differs between runs: 1.0 to 1.7 GB in twelve, with one thread, too.
    """
    extra = measure("""
X, y = make_trends(60, random_state=0)
classifier = LSTMSequenceClassifier(max_epochs=1, random_state=0).fit(X, y)
x = np.random.default_rng(0).normal(size=(1_000_000, 1))
classifier.predict_proba([x[:5000]])
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before = memory("VmRSS")
classifier.predict_proba([x])
print(json.dumps(memory("VmHWM") - before))
""")
    say(f"A sequence of a million timesteps took {extra:.0f} MB")
    assert extra < 1800
