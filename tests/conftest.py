"""What holds for every test."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor

OFFLINE = str(Path(__file__).parent / "offline")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device", default="cpu", help="default of the estimators' device, and of torch's in tests"
    )
    parser.addoption("--screenshots", help="folder for pictures of the documentation's pages")


def pytest_configure(config: pytest.Config) -> None:
    # No socket to another machine: here, and in processes that tests start.
    sys.path.append(OFFLINE)
    importlib.import_module("no_network")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [OFFLINE, *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    device = config.getoption("device")
    if device != "cpu":
        for estimator in (LSTMSequenceClassifier, LSTMSequenceRegressor):
            estimator.__init__.__kwdefaults__["device"] = device
        torch.set_default_device(device)
    # What a shell starts in the background ignores SIGINT, and then nobody can press Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """Tests fail that turn to another machine, even if the error is caught."""
    yield
    tried = sys.modules["no_network"].take_attempts()
    assert tried == [], "tests run without a network"


@pytest.fixture(autouse=True)
def _fixed_torch_seed():
    """Tests that draw from torch's global generator draw the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def figures():
    """Figures without a screen, closed in the end."""
    matplotlib = pytest.importorskip("matplotlib")
    plt = pytest.importorskip("matplotlib.pyplot")
    before = matplotlib.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


@pytest.fixture
def say(record_property: Callable[[str, str], None]) -> Callable[[str], None]:
    """Says a measured figure in the summary at the end, from whatever worker."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, text in report.user_properties:
            if name == "figure" and report.when == "call":
                terminalreporter.write_line(f"{report.nodeid.split('::')[-1]}: {text}")


@pytest.fixture
def our_threads():
    """Function that gives the threads of the package that have begun since."""
    earlier = threading.enumerate()

    def begun():
        later = (thread for thread in threading.enumerate() if thread not in earlier)
        return [thread for thread in later if thread.name.startswith("sklstm")]

    return begun
