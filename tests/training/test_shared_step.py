"""Steps that ranks share, computed by one process in turn."""

import numpy as np
import pytest
import torch

from sklstm import LSTMSequenceClassifier
from sklstm._runtime._ranks import InTurn, reset_launcher, set_launcher
from sklstm.nn._normalization import BatchNorm
from tests.helpers import torch_threads

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 2)) for n in RNG.integers(3, 12, 30)]
Y = RNG.integers(0, 3, 30)
WEIGHTS = RNG.uniform(0.5, 2.0, 30)
PLAIN = {
    "hidden_sizes": 4, "max_epochs": 2, "batch_size": 8, "n_kernels": 0, "conv_filters": (),
    "mixup_alpha": 0.0, "random_state": 0,
}  # fmt: skip


def fitted(size=None, **options):
    token = set_launcher(None if size is None else InTurn(size))
    try:
        return LSTMSequenceClassifier(**PLAIN | options).fit(X, Y, sample_weight=WEIGHTS)
    finally:
        reset_launcher(token)


def difference(clf, other):
    states = zip(clf.net_.module_.parameters(), other.net_.module_.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in states)


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_shares_give_the_step_of_the_whole_batch(size):
    # With sgd: Adam makes a step of full size of the rounding of a gradient of 0.
    options = {"optimizer": "sgd", "learning_rate": 0.05, "l2": 1e-3, "l1": 1e-4}
    whole, shared = fitted(**options), fitted(size, **options)
    assert difference(whole, shared) < 1e-5
    np.testing.assert_allclose(whole.history_["train_loss"], shared.history_["train_loss"], 1e-5)


def test_a_share_without_sequences_needs_no_threads():
    with torch_threads(2):
        # More ranks than sequences of a batch, and a network with branches.
        assert np.isfinite(fitted(9, max_epochs=4).history_["train_loss"]).all()


def test_statistics_of_convolutions_are_those_of_the_whole_batch():
    # In the first layer of the first step, whose inputs do not depend on the shares.
    options = {"conv_filters": (8,), "batch_size": 30, "max_epochs": 1}
    whole, shared = fitted(**options), fitted(2, **options)
    norms = [
        next(m for m in clf.net_.module_.modules() if isinstance(m, BatchNorm))
        for clf in (whole, shared)
    ]
    assert norms[0].n_steps == norms[1].n_steps == 1
    torch.testing.assert_close(norms[0].mean, norms[1].mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(norms[0].variance, norms[1].variance, rtol=1e-5, atol=1e-6)


def test_dropout_is_drawn_for_each_share_by_the_seed_of_the_fit():
    first, second, whole = fitted(2, dropout=0.5), fitted(2, dropout=0.5), fitted(dropout=0.5)
    assert difference(first, second) == 0.0
    assert difference(first, whole) > 1e-4


def test_a_frozen_embedding_is_left_out_of_the_sum():
    tokens = [np.minimum(np.abs(x[:, 0] * 9).astype(int) + 1, 9) for x in X]
    vectors = RNG.normal(size=(10, 3)).astype(np.float32)
    token = set_launcher(InTurn(2))
    try:
        clf = LSTMSequenceClassifier(
            hidden_sizes=4, max_epochs=1, embedding_weights=vectors, freeze_embedding=True,
            random_state=0,
        ).fit(tokens, Y)  # fmt: skip
    finally:
        reset_launcher(token)
    kept = next(v for k, v in clf.net_.module_.state_dict().items() if "embedding.weight" in k)
    # Row 0 is padding.
    np.testing.assert_array_equal(kept.numpy()[1:], vectors[1:])


class FailsInItsShare(InTurn):
    """Two ranks, of which the other one says that it has failed."""

    def sum(self, summands):
        total = super().sum(summands)
        total[-1] = 1.0
        return total

    def failure(self):
        return ConnectionError("the other one")


def test_a_failure_of_another_rank_ends_the_step():
    token = set_launcher(FailsInItsShare(2))
    try:
        with pytest.raises(ConnectionError, match="the other one"):
            LSTMSequenceClassifier(**PLAIN).fit(X, Y)
    finally:
        reset_launcher(token)


class Reports(InTurn):
    def __init__(self, size):
        super().__init__(size)
        self.reported, self.flags = [], []

    def report(self, error):
        self.reported.append(error)

    def sum(self, summands):
        self.flags += [float(summand[-1]) for summand in summands]
        return super().sum(summands)


def test_a_failure_of_this_rank_is_told_in_the_sum(monkeypatch):
    ranks = Reports(2)

    def fail(*args, **kwargs):
        raise ZeroDivisionError("in the loss")

    monkeypatch.setattr("sklstm._training._net.SequenceNet.get_loss", fail)
    token = set_launcher(ranks)
    try:
        with pytest.raises(ZeroDivisionError, match="in the loss"):
            LSTMSequenceClassifier(**PLAIN).fit(X, Y)
    finally:
        reset_launcher(token)
    assert [str(error) for error in ranks.reported] == ["in the loss"]
    assert ranks.flags == [1.0, 1.0]
