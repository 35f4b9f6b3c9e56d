"""Ranks that torchrun starts, and a process that is one of them without torchrun."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from sklstm import LSTMSequenceClassifier
from sklstm._runtime._ranks import InTurn
from sklstm.distributed import _torchrun, data_parallel
from tests.helpers import make_ragged

SCRIPT = """
import hashlib, sys
from sklstm import LSTMSequenceClassifier
from sklstm._runtime._ranks import InTurn, set_launcher
from sklstm.distributed import data_parallel
from tests.helpers import make_ragged

X, y = make_ragged(40)
clf = LSTMSequenceClassifier(
    hidden_sizes=4, max_epochs=2, batch_size=16, dropout=0.2, random_state=0, conv_filters=(4,)
)

def digest():
    state = clf.net_.module_.state_dict()
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in state.values())).hexdigest()

if sys.argv[1] == "torchrun":
    with data_parallel():
        clf.fit(X, y)
    print(digest(), flush=True)
elif sys.argv[1] == "seeds":
    # Each process draws one of its own.
    with data_parallel():
        clf.set_params(random_state=None).fit(X, y)
    print(digest(), flush=True)
elif sys.argv[1] == "loky":
    with data_parallel(2):
        clf.fit(X, y)
    print(digest(), flush=True)
"""


def run(tmp_path, kind, *launcher):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(script), kind]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)  # noqa: S603
    assert done.returncode == 0, done.stderr
    # The lines of two processes may come as one.
    return done.stdout.replace("\n", "")


@pytest.mark.slow
def test_torchrun_and_loky_give_the_same_bits(tmp_path):
    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone")
    digest = run(tmp_path, "loky")
    assert len(digest) == 64
    assert run(tmp_path, "torchrun", *torchrun) == digest * 2
    both = run(tmp_path, "seeds", *torchrun)
    assert both[:64] == both[64:] != digest


def test_without_torchrun_the_error_says_how_to_start(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ValueError, match="torchrun --nproc-per-node=2"), data_parallel():
        pass


def test_fits_of_all_contexts_have_places_of_their_own_in_the_store(monkeypatch):
    values = {"RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 1}
    for name, value in (values | {"TORCHELASTIC_USE_AGENT_STORE": True}).items():
        monkeypatch.setenv(name, str(value))
    prefixes = []

    @contextmanager
    def join(*arguments, prefix, **options):
        prefixes.append(prefix)
        yield InTurn(2)

    monkeypatch.setattr(_torchrun, "join", join)
    X, y = make_ragged()
    clf = LSTMSequenceClassifier(hidden_sizes=4, max_epochs=1, n_kernels=0)
    for _ in range(2):
        with data_parallel():
            clf.fit(X, y)
    assert len(set(prefixes)) == 2


def test_a_single_process_is_a_rank_too(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    values = {"RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    X, y = make_ragged()
    options = {"hidden_sizes": 4, "max_epochs": 1, "n_kernels": 0, "mixup_alpha": 0.0}
    clf = LSTMSequenceClassifier(**options, random_state=0)
    alone = clf.fit(X, y).predict_proba(X)
    with data_parallel():
        for _ in range(2):
            assert (clf.fit(X, y).predict_proba(X) == alone).all()
