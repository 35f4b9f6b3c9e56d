import subprocess
import sys

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklstm import _base
from tests.helpers import make_ragged, quick

X, Y = make_ragged(24)
LONGEST = max(map(len, X))
IN_ALL = sum(map(len, X))

OUT_OF_MEMORY = [
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("could not create a memory object"),
    RuntimeError("could not create a primitive"),
    RuntimeError("could not execute a primitive"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    MemoryError("Unable to allocate 391. MiB for an array with shape (20, 5120000)"),
]
every_kind = pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error)[:30])


class Raising(Callback):
    def __init__(self, error):
        self.error = error

    def on_batch_end(self, net, **kwargs):
        raise self.error


@every_kind
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_says_what_a_step_holds(error, method):
    classifier = quick(hidden_sizes=(8, 4), batch_size=7).fit(X, Y)
    before = dict(vars(classifier))
    classifier.set_params(callbacks=[Raising(error)])
    message = (
        rf"(?s)on device 'cpu'. A step holds 7 sequences of up to {LONGEST} timesteps of 2"
        rf" features and .* hidden_sizes=\(8, 4\), bidirectional=True; X has {IN_ALL} timesteps in"
        r" total.*Reduce batch_size"
    )
    with pytest.raises(MemoryError, match=message) as raised:
        getattr(classifier, method)(X, Y)
    assert raised.value.__cause__ is error
    assert vars(classifier.set_params(callbacks=None)) == before


@every_kind
def test_prediction_says_what_it_was_given(error, monkeypatch):
    classifier = quick(bidirectional=False).fit(X, Y)

    def compute_outputs(*arguments):
        raise error

    monkeypatch.setattr(_base, "compute_outputs", compute_outputs)
    message = (
        rf"(?s)X has 24 sequences of up to {LONGEST} timesteps of 2 features, {IN_ALL} timesteps in"
        r" total; the network has hidden_sizes=\(8,\)\..*Predict fewer sequences at a time"
    )
    with pytest.raises(MemoryError, match=message):
        classifier.predict(X)


def test_token_ids_are_described_by_their_embedding():
    ids = np.random.default_rng(0).integers(1, 9, size=(30, 5))
    classifier = quick(embedding_dim=4, callbacks=[Raising(MemoryError())])
    message = "to 5 timesteps and .*, with vocabulary_size=9, embedding_dim=4, hidden"
    with pytest.raises(MemoryError, match=message):
        classifier.fit(ids, np.arange(30) % 2)


def test_other_errors_pass_unchanged():
    with pytest.raises(RuntimeError, match="must match the size"):
        quick(callbacks=[Raising(RuntimeError("a must match the size of b"))]).fit(X, Y)


def test_a_network_beyond_the_address_space():
    # 10 million units have 4e14 recurrent weights, or 1.6e15 bytes of the 1.4e14 that a process can
    # address, however it is set up.
    with pytest.raises(MemoryError, match=r"hidden_sizes=\(10000000,\)"):
        quick(hidden_sizes=10_000_000).fit(X, Y)


def run_in_a_process_that_may_not_grow(width, program, *, mebibytes):
    """Its output and its errors: so much more than what a small fit has taken."""
    preparation = f"""
import resource
import numpy as np
from sklstm import LSTMSequenceClassifier

X, y = np.ones((64, 5000, 4), dtype=np.float32), np.arange(64) % 2
# With fixed convolutions batches of predictions are small enough.
options = {{"n_kernels": 0, "max_epochs": 1, "batch_size": 64}}
classifier = LSTMSequenceClassifier({width}, **options).fit(X[:4, :10], y[:4])
before = classifier.predict_proba(X[:4, :10])
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + {mebibytes} * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""
    result = subprocess.run(  # noqa: S603
        [sys.executable, "-c", preparation + program], capture_output=True, text=True, check=False
    )
    return result.stdout.split(), result.stderr


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fit", "predict"])
@on_linux
def test_a_network_too_wide_for_the_memory_there_is(method):
    # What failed leaves 80 to 400 MiB of addresses reserved, and the small prediction takes 130.
    output, errors = run_in_a_process_that_may_not_grow(
        2000,
        f"""
try:
    classifier.{method}(X{", y" if method == "fit" else ""})
except MemoryError as error:
    print("up to 5000 timesteps of 4 features" in str(error), "(2000,)" in str(error))
print((classifier.predict_proba(X[:4, :10]) == before).all())
""",
        mebibytes=500,
    )
    assert output == ["True", "True", "True"], errors


@pytest.mark.slow
@on_linux
def test_a_batch_too_large_for_the_memory_there_is_is_trained_in_parts():
    # Threads reserve some 200 MiB of addresses for themselves; a whole batch takes gigabytes.
    output, errors = run_in_a_process_that_may_not_grow(
        64,
        "classifier.set_params(patch_size=1)\n"
        "print(classifier.fit(X, y).n_iter_, len(classifier.predict(X)))",
        mebibytes=800,
    )
    assert output == ["1", "64"], errors
    assert "A training step ran out of memory on device 'cpu'" in errors
