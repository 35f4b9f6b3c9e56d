"""Fits that write down their epochs, in processes one of which is killed."""

import os
import signal
from pathlib import Path

from skorch.callbacks import Callback


class WriteDown(Callback):
    """Adds a line for each epoch to a file; kills its process at a line of that number, once."""

    def __init__(self, path, kill_at=None):
        self.path = path
        self.kill_at = kill_at

    def on_epoch_end(self, net, **kwargs):
        with Path(self.path).open("a") as file:
            file.write(f"{net.lr}\n")
        n_lines = len(epochs_in(self.path))
        if self.kill_at is not None and n_lines >= self.kill_at:
            has_killed = Path(f"{self.path}.killed")
            if not has_killed.exists():
                has_killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)


def epochs_in(path):
    """The learning rate of each epoch that was trained."""
    return Path(path).read_text().split()
