"""Works for launchers: what each rank computes is a function of a test."""

import _thread
import os
import signal
import threading
import time

import torch

CPU = torch.device("cpu")


class Calls:
    """A `Work` of which each rank calls the function with data and ranks.

    Functions are made by functions, so that they are pickled by value: workers cannot import tests.
    """

    device = CPU

    def __init__(self, call, data=None):
        self.call, self.data = call, data

    def receive(self, returned):
        return returned


def summing(n=3):
    """The sum of 1 and 2, n times, and what was found of data and threads."""

    def call(data, ranks):
        for _ in range(n):
            total = ranks.sum([torch.tensor([ranks.rank + 1.0])])
        return total.item(), data, torch.get_num_threads()

    return call


def raising(rank, error):
    def call(data, ranks):
        ranks.sum([torch.zeros(1)])
        if ranks.rank == rank:
            raise error
        ranks.sum([torch.zeros(1)])

    return call


def signalling(rank, number):
    """The rank sends itself a signal, after it has written when; the others go on."""

    def call(data, ranks):
        ranks.sum([torch.zeros(1)])
        if ranks.rank == rank:
            with open(data, "w") as file:  # noqa: PTH123
                file.write(str(time.time()))
            os.kill(os.getpid(), number)
        while True:
            ranks.sum([torch.zeros(1)])
            time.sleep(0.01)

    return call


def killed(rank):
    return signalling(rank, signal.SIGKILL)


def stopped(rank):
    return signalling(rank, signal.SIGSTOP)


def endless():
    def call(data, ranks):
        with open(data, "w") as file:  # noqa: PTH123
            file.write(str(time.time()))
        while True:
            ranks.sum([torch.zeros(1)])
            time.sleep(0.01)

    return call


def seconds_since(path):
    """Seconds since the moment that a rank has written."""
    return time.time() - float(path.read_text())


def interrupt_once(began):
    """Interrupt this process, as Ctrl-C does, when a file is there."""

    def interrupt():
        while not began.exists():
            time.sleep(0.05)
        _thread.interrupt_main()

    threading.Thread(target=interrupt, daemon=True).start()
