"""Fits that end by force, and what is to be the same of two fits."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from tests.helpers import quick


class Crash(BaseException):
    """Nobody's to catch, as a SIGKILL."""


class CrashAfter(Callback):
    """Lets so many epochs be, in whichever of a fit's trainings."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        self.n_epochs -= 1
        if self.n_epochs < 0:
            raise Crash


class Count(Callback):
    n_epochs = 0

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs += 1


def result(classifier):
    """All that a fit has made, as comparable values; how long it took is not of it."""
    net = classifier.net_
    state = net.optimizer_.state_dict()["state"]
    history = {k: v.tolist() for k, v in classifier.history_.items() if k != "dur"}
    figures = {n: getattr(classifier, n) for n in ("n_iter_", "best_epoch_", "best_score_")}
    return {
        "weights": {n: t.tolist() for n, t in net.module_.state_dict().items()},
        "optimizer": repr({k: {n: np.asarray(v).tolist() for n, v in s.items()
                               if torch.is_tensor(v)} for k, s in state.items()}),
        "history": repr(history),
        "figures": repr(figures),
        "stop_reason": classifier.stop_reason_,
        "epochs": [{k: v for k, v in epoch.items() if k != "dur"} for epoch in net.history],
        "scaling": repr(classifier._scaling),
    }  # fmt: skip


def crash_after(n_epochs, *arguments, **parameters):
    """A fit that a crash ends after so many epochs."""
    with pytest.raises(Crash):
        quick(callbacks=[CrashAfter(n_epochs)], **parameters).fit(*arguments)


class CrashAfterSteps(Callback):
    """Lets so many steps be."""

    def __init__(self, n_steps):
        self.n_steps = n_steps

    def on_batch_begin(self, net, training=False, **kwargs):
        self.n_steps -= 1
        if self.n_steps < 0:
            raise Crash
