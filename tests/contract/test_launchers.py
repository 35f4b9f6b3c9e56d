"""Who starts the ranks of a fit makes no difference to its bits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import hashlib, sys
from contextlib import ExitStack
from sklstm import LSTMSequenceClassifier
from sklstm.distributed import data_parallel
from tests.helpers import make_ragged

def context(kind, stack):
    if kind == "dask":
        from distributed import Client, LocalCluster
        cluster = stack.enter_context(LocalCluster(2, threads_per_worker=1, dashboard_address=":0"))
        return data_parallel(stack.enter_context(Client(cluster)))
    if kind == "ray":
        import ray
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        stack.callback(ray.shutdown)
        return data_parallel(ray=2)
    return data_parallel(2) if kind == "loky" else data_parallel()

if __name__ == "__main__":
    X, y = make_ragged(40)
    with ExitStack() as stack, context(sys.argv[1], stack):
        clf = LSTMSequenceClassifier(
            hidden_sizes=4, max_epochs=3, batch_size=16, dropout=0.2, conv_filters=(4,),
            early_stopping=True, random_state=0,
        ).fit(X, y)
    state = clf.net_.module_.state_dict().values()
    digest = hashlib.sha256(b"".join(t.numpy().tobytes() for t in state)).hexdigest()
    # In one write, so that the lines of two ranks do not run into each other.
    sys.stdout.write(f"digest {digest} {clf.history_['valid_loss'].tolist()}\\n")
    sys.stdout.flush()
"""
TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone")


def result(script, kind, *launcher):
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(script), kind]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)  # noqa: S603
    assert done.returncode == 0, done.stderr
    lines = done.stdout.replace("digest", "\ndigest").splitlines()
    (found,) = {line for line in lines if line.startswith("digest")}
    return found


@pytest.mark.slow
def test_loky_dask_ray_and_torchrun_give_the_same_bits(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    expected = result(script, "loky")
    for kind, launcher in (("dask", ()), ("ray", ()), ("torchrun", TORCHRUN)):
        assert result(script, kind, *launcher) == expected, kind
