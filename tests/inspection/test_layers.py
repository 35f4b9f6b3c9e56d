import warnings

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm.inspection import summary
from sklstm.inspection._layers import layers_of
from sklstm.nn import ConvolutionEnsemble, FixedConvolutions, SequenceNetwork, StaticEncoder
from tests.training.cases import CASES, fit

X, Y = np.random.default_rng(0).normal(size=(40, 12, 3)), np.arange(40) % 2
PLAIN = {"hidden_sizes": 4, "n_kernels": 0, "conv_filters": (), "max_epochs": 1, "random_state": 0}


def same_sizes(found, module):
    """Whether the totals are those that torch counts."""
    parameters, buffers = list(module.parameters()), list(module.buffers())
    n_trained = sum(p.numel() for p in parameters if p.requires_grad)
    assert found.n_trained == n_trained
    assert found.n_parameters == sum(t.numel() for t in parameters + buffers)
    assert found.n_fixed == found.n_parameters - n_trained
    assert found.n_bytes == sum(t.nbytes for t in parameters + buffers)


# Sizes --------------------------------------------------------------------------------------------

OF_ARCHITECTURES = [
    "last", "ragged", "ragged convolutions", "fixed convolutions", "windows", "tokens",
    "static columns", "static columns beside fixed convolutions", "static columns of tokens",
    "categories", "several labels",
]  # fmt: skip


@pytest.mark.parametrize("case", OF_ARCHITECTURES)
def test_sizes_are_those_that_torch_counts_fitted_or_not(case):
    (X, y), changes = CASES[case]
    classifier = fit(case, max_epochs=1)
    found = summary(classifier)
    same_sizes(found, classifier.net_.module_)
    options = {"hidden_sizes": 4, "max_epochs": 1, "random_state": 0} | changes
    before = summary(LSTMSequenceClassifier(**options), X, y)
    assert before.layers == found.layers
    assert (before.patch_size, before.n_timesteps) == (found.patch_size, found.n_timesteps)
    assert before.seconds_per_epoch > 0
    assert before.n_epochs is None


def test_frozen_embedding_is_fixed():
    ids = np.random.default_rng(0).integers(2, 9, size=(20, 5))
    options = PLAIN | {"embedding_weights": np.ones((9, 3)), "tfidf": False}
    classifier = LSTMSequenceClassifier(**options, freeze_embedding=True).fit(ids, Y[:20])
    embedding = summary(classifier).layers[0]
    assert (embedding.kind, embedding.n_trained, embedding.n_fixed) == ("Embedding", 0, 27)
    assert embedding.output_shape == ("B", "T", 3)


def test_sizes_by_hand():
    classifier = LSTMSequenceClassifier(**PLAIN | {"hidden_sizes": (4, 3), "dense_sizes": 5})
    first, second, pooling, dense, output = summary(classifier, X, np.arange(40) % 3).layers
    # Four gates, each with weights of inputs and states and two biases, in two directions.
    assert first.n_trained == 2 * 4 * (4 * 3 + 4 * 4 + 2 * 4)
    assert first.n_multiplications == 2 * 4 * (4 * 3 + 4 * 4)
    assert second.n_trained == 2 * 4 * (3 * 8 + 3 * 3 + 2 * 3)
    assert (first.output_shape, second.output_shape) == (("B", "T", 8), ("B", "T", 6))
    assert (pooling.kind, pooling.output_shape) == ("Max pooling", ("B", 6))
    assert (dense.n_trained, dense.n_multiplications) == (6 * 5 + 5, 6 * 5)
    assert (output.n_trained, output.output_shape) == (5 * 3 + 3, ("B", 3))
    assert {layer.per for layer in (first, second)} == {"timestep"}
    assert {layer.per for layer in (dense, output)} == {"sequence"}


@pytest.mark.parametrize("loss", ["squared_error", "quantile"])
def test_regressor(loss):
    regressor = LSTMSequenceRegressor(**PLAIN, loss=loss).fit(X, Y * 1.0)
    found = summary(regressor)
    same_sizes(found, regressor.net_.module_)
    assert found.layers[-1].output_shape == ("B", 3 if loss == "quantile" else 1)


# Names and shapes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", OF_ARCHITECTURES)
def test_names_and_shapes_are_those_of_the_modules(case):
    classifier = fit(case, max_epochs=1)
    module, found = classifier.net_.module_, summary(classifier)
    modules, shapes = dict(module.named_modules(remove_duplicate=False)), {}

    def note(name):
        def hook(module, arguments, output):
            if isinstance(output, torch.Tensor):
                shapes[name] = tuple(output.shape)

        return hook

    for layer in found.layers:
        if layer.name in modules:
            modules[layer.name].register_forward_hook(note(layer.name))
    classifier.predict_proba(CASES[case][0][0][:5])
    assert shapes
    for layer in found.layers:
        is_pooled = found.layers[-1] is not layer and layer.name.endswith("pooling")
        # The windows consist of the projection and the inputs.
        is_part = "encoder" in layer.name or layer.name == "convolutions.projection"
        if layer.name in shapes and not is_pooled and not is_part:
            assert layer.output_shape[-1] == shapes[layer.name][-1], layer
    unknown = [x.name for x in found.layers if x.name not in modules and x.name != "shares"]
    assert not unknown


def test_output_of_the_encoder_is_that_of_its_last_layer():
    classifier = fit("last", max_epochs=1)
    *_, last, pooling = summary(classifier).layers[:3]
    assert last.output_shape[-1] == pooling.output_shape[-1]
    assert pooling.output_shape[-1] == classifier.transform(CASES["last"][0][0]).shape[1]


# Multiplications ----------------------------------------------------------------------------------


def n_counted(module, n_timesteps, *further):
    """Multiplications of one sequence that torch counts, LSTMs as matrix products."""
    module.train()
    # At least 16 rows, which fewer are padded to.
    inputs = (torch.zeros(16, n_timesteps, 3), None, *further)
    with warnings.catch_warnings():
        # Of a setting for GPUs that these flags set as well.
        warnings.filterwarnings("ignore", message="TF32 acceleration")
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            module(*inputs)
    return counter.get_total_flops() / 2 / 16


def n_told(module, n_timesteps, patch_size=1):
    n_patches = -(-n_timesteps // patch_size)
    times = {"timestep": n_timesteps, "patch": n_patches, "sequence": 1}
    return sum(x.n_multiplications * times[x.per] for x in layers_of(module))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bidirectional": True, "hidden_sizes": (4, 6), "dense_sizes": (5, 3)},
        {"pooling": "attention", "bidirectional": True},
        {"patch_size": 4},
    ],
)
def test_multiplications_are_those_that_torch_counts(options):
    network = SequenceNetwork(3, 2, **{"hidden_sizes": (4,)} | options)
    # Bias-free products of attention with one column are padded to two.
    extra = 12 * 8 if options.get("pooling") == "attention" else 0
    counted = n_counted(network, 12)
    assert n_told(network, 12, options.get("patch_size", 1)) == counted - extra


def test_multiplications_of_convolutions():
    network = SequenceNetwork(3, 2, hidden_sizes=(4,), conv_filters=(20, 6))
    plain = SequenceNetwork(3, 2, hidden_sizes=(4,))
    branch = [x for x in layers_of(network) if x.name.startswith("convolutions")]
    per_step = [x.n_multiplications for x in branch if x.per == "timestep"]
    assert per_step == [20 * 3 * 8, 6 * 20 * 5]
    # Squeeze-and-excitation: to one of 20 filters and back.
    (squeeze,) = [x for x in branch if "squeeze" in x.name]
    assert (squeeze.n_multiplications, squeeze.per) == (2 * 20, "sequence")
    more = n_counted(network, 12) - n_counted(plain, 12)
    # Squeezing to one column is padded to two.
    assert more == 12 * sum(per_step) + 2 * 20 + 20 + 6 * 2


def test_multiplications_of_fixed_convolutions():
    convolutions = FixedConvolutions(3, 30, 2000, window_size=1)
    network = SequenceNetwork(convolutions.output_size, 2, hidden_sizes=(4,))
    ensemble = ConvolutionEnsemble(convolutions, network)
    ensemble.requires_grad_(False)
    assert n_told(ensemble, 12) == n_counted(ensemble, 12)


def test_multiplications_of_static_columns():
    network = SequenceNetwork(3, 2, hidden_sizes=(4,), static=StaticEncoder(1, (3,)))
    assert n_told(network, 12) == n_counted(network, 12, torch.zeros(16, 2, dtype=torch.float64))
