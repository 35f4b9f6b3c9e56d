import copy
import io
import pickle
import pickletools

import joblib
import numpy as np
import pytest
import torch

from sklstm._state._packing import pack_state, unpack_state
from tests.helpers import make_ragged, quick

X, Y = make_ragged(20)


@pytest.fixture(scope="module")
def classifier():
    return quick(bidirectional=True, dense_sizes=(4,), max_epochs=2).fit(X, Y)


def through_joblib(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "copied",
    [lambda e: pickle.loads(pickle.dumps(e)), through_joblib, copy.deepcopy],
    ids=["pickle", "joblib", "deepcopy"],
)
def test_a_copy_gives_identical_probabilities(classifier, copied):
    again = copied(classifier)
    np.testing.assert_array_equal(again.predict_proba(X), classifier.predict_proba(X))
    np.testing.assert_array_equal(again.history_["train_loss"], classifier.history_["train_loss"])
    assert again.n_iter_ == 2


def test_a_copy_can_be_trained_further(classifier):
    again = pickle.loads(pickle.dumps(classifier)).partial_fit(X, Y)
    assert again.n_iter_ == 3
    assert again.history_["epoch"].tolist() == [1, 2, 3]


def test_a_pickle_names_nothing_of_torch_or_skorch(classifier):
    globals_ = {
        arg for op, arg, _ in pickletools.genops(pickle.dumps(classifier, protocol=2))
        if op.name == "GLOBAL"
    }  # fmt: skip
    modules = {name.partition(" ")[0] for name in globals_}
    # Of our own only the class itself: no other class has to stay where it is.
    assert {module for module in modules if module.startswith("sklstm")} == {"sklstm._classifier"}
    packages = {module.partition(".")[0] for module in modules}
    others = {"numpy", "copyreg", "copy_reg", "builtins", "__builtin__", "_codecs"}
    assert packages <= others | {"sklstm"}


def test_a_pickle_is_not_much_larger_than_the_weights(classifier):
    n_weights = sum(p.numel() for p in classifier.net_.module_.parameters())
    assert len(pickle.dumps(classifier)) < 4 * n_weights + 10_000


def test_an_unfitted_estimator_pickles():
    assert pickle.loads(pickle.dumps(quick(max_epochs=7))).max_epochs == 7


def packed(classifier):
    return pack_state(vars(classifier))


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_model_of_a_gpu_loads_where_there_is_none(classifier, monkeypatch, device):
    state = packed(classifier)
    state["net_"]["device"] = device
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.warns(UserWarning, match=f"trained on '{device}'; torch finds no such CUDA device"):
        net = unpack_state(state)["net_"]
    assert net.device == "cpu"
    assert next(net.module_.parameters()).device == torch.device("cpu")


def test_loading_leaves_torchs_global_state(classifier):
    pickled = pickle.dumps(classifier)
    before = torch.get_rng_state()
    pickle.loads(pickled)
    assert torch.equal(torch.get_rng_state(), before)


def test_packing_copies_the_weights(classifier):
    for weights in packed(classifier)["net_"]["weights"].values():
        weights.fill(0.0)
    assert any(p.abs().sum() > 0 for p in classifier.net_.module_.parameters())


def test_the_loaded_weights_are_a_copy(classifier):
    state = packed(classifier)
    loaded = unpack_state(state)["net_"]
    for weights in state["net_"]["weights"].values():
        weights.fill(0.0)
    assert any(p.abs().sum() > 0 for p in loaded.module_.parameters())


def test_frozen_vectors_stay_frozen():
    X_ids = [[2, 3, 4], [3, 2]] * 5
    frozen = quick(embedding_dim=3, freeze_embedding=True, max_epochs=1).fit(X_ids, [0, 1] * 5)
    again = pickle.loads(pickle.dumps(frozen))
    requires = {name: p.requires_grad for name, p in again.net_.module_.named_parameters()}
    idle = {name for name, trained in requires.items() if not trained}
    assert idle == {"network.embedding.weight", "linear.bias", "linear.table"}


def test_weights_of_another_network_are_refused_before_memory_is_taken(classifier):
    state = packed(classifier)
    # 4e12 weights: an attempt to allocate them would not end in a ValueError.
    state["_network"]["hidden_sizes"] = (1_000_000,)
    with pytest.raises(ValueError, match=r"The weights \['encoder.*are not those of a network"):
        unpack_state(state)
