"""Nothing here talks to a network."""

import ast
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import sklstm

SOURCES = Path(sklstm.__file__).parent
# Fits shared by several processes, and their heartbeats, are all there is to talk about.
TALKING = {
    "_runtime/_group.py", "_runtime/_heartbeats.py", "distributed/_dask.py",
    "distributed/_worker.py",
}  # fmt: skip
NETWORK = {
    "aiohttp", "asyncio", "ftplib", "http", "httpx", "requests", "smtplib", "socket",
    "socketserver", "ssl", "urllib", "urllib3", "webbrowser", "xmlrpc",
}  # fmt: skip

# What the tests themselves promise


def send_datagram(address):
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", address)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (socket.create_connection, ("192.0.2.1", 80)),
        (socket.create_connection, ("example.org", 80)),
        (socket.gethostbyname, "example.org"),
        (send_datagram, ("192.0.2.1", 53)),
    ],
)
def test_a_test_cannot_reach_another_machine(call, argument):
    with pytest.raises(OSError, match="tests run without a network"):
        call(argument)
    assert len(sys.modules["no_network"].take_attempts()) == 1


def test_a_process_that_a_test_starts_cannot_reach_another_machine():
    result = run("import socket; socket.create_connection(('192.0.2.1', 80))")
    assert "tests run without a network" in result.stderr


def test_tests_can_reach_this_machine():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5),
    ):
        pass


# What the package promises

BEGIN = """
import sys

sockets = []
sys.addaudithook(lambda event, args: event.startswith("socket.") and sockets.append(event))

import json, os, tempfile
from pathlib import Path

import numpy as np

import sklstm
from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm import load_model, model_card, predict_batches, save_model
from sklstm.datasets import describe, make_trends
from sklstm.inspection import attributions, permutation_importance, summary
from sklstm.streaming import Stream

folder = Path(tempfile.mkdtemp())
X, y = make_trends(40, random_state=0)
describe(X, y)
small = {"hidden_sizes": 4, "max_epochs": 2, "random_state": 0}
classifier = LSTMSequenceClassifier(**small, early_stopping=True, checkpoint=folder / "c").fit(X, y)
LSTMSequenceRegressor(**small).fit(X, np.arange(40.0)).predict(X)
save_model(classifier, folder / "model")
loaded = load_model(folder / "model")
loaded.predict_proba(X)
list(predict_batches(loaded, X, batch_size=16))
model_card(folder / "model")
summary(loaded)
attributions(loaded, X[:2])
permutation_importance(loaded, X, y, n_repeats=1, random_state=0)
# A model that may be streamed.
causal = LSTMSequenceClassifier(**small, bidirectional=False, n_kernels=0, conv_filters=(),
                                patch_size=1, standardize=True).fit(X, y)
Stream(causal).update(X[0])
"""

EXPORT = """
from sklstm.export import to_onnx, to_onnx_stream

to_onnx(classifier, folder / "model.onnx")
to_onnx_stream(causal, folder / "stream.onnx")
"""

END = """
opened = []
if sys.platform == "linux":
    # Of libraries that need no Python to open one.
    for entry in os.scandir("/proc/self/fd"):
        target = os.path.realpath(entry.path) if os.path.exists(entry.path) else ""
        opened += [target] if "socket:" in target else []
print(json.dumps([sockets, opened]))
"""


def run(program):
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("use", ["", EXPORT], ids=["", "onnx"])
def test_no_socket_is_opened_from_the_report_on_data_to_the_file_of_a_model(use):
    if use:
        pytest.importorskip("onnxruntime")
    result = run(BEGIN + use + END)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == [[], []]


def imported(path):
    """Names of the packages that a file imports, at any place in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_network_modules_are_imported_where_processes_share_a_fit_and_nowhere_else():
    found = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if NETWORK.intersection(imported(path))
    }
    assert found == TALKING
