import numpy as np
import pytest

from sklstm.inspection import activation_maps, attention_weights
from tests.inspection.fitted import LABELS, X, classifier, fitted, table


@pytest.mark.parametrize("name", ["convolutions", "fixed", "categories", "static", "texts"])
def test_a_map_sums_to_the_part_of_the_branch_in_the_logit(name):
    model, given = fitted(name)
    maps = activation_maps(model, given[:3], target="up")
    estimator = model[-1] if name == "texts" else model
    transformed = model[0].transform(given[:3]) if name == "texts" else given[:3]
    module = estimator.net_.module_
    network = getattr(module, "network", module)
    share = float(module.shares[0]) if hasattr(module, "shares") else 1.0
    first, size = network.encoder.output_size, network.convolutions.output_size
    weight = network.head[-1].weight.detach().cpu().numpy()[list(model.classes_).index("up")]
    pooled = estimator.transform(transformed)[:, first : first + size]
    expected = share * pooled @ weight[first : first + size]
    np.testing.assert_allclose([m.sum() for m in maps], expected, atol=1e-5)
    if name != "texts":
        sequences = given["x"] if hasattr(given, "columns") else given
        assert [len(m) for m in maps] == [len(x) for x in list(sequences)[:3]]


def test_patches_share_their_value_and_padding_is_zero():
    cube = np.full((6, 14, 2), np.nan)
    for row, x in zip(cube, X[:6], strict=True):
        row[: len(x)] = x
    model = classifier(n_kernels=0, conv_filters=3, patch_size=3, mask_value=np.nan, dense_sizes=3)
    maps = activation_maps(model.fit(cube, LABELS[:6]), cube)
    for values, x in zip(maps, X, strict=False):
        assert values.shape == (14,)
        assert (values[len(x) :] == 0).all()
        np.testing.assert_array_equal(values[0], values[1])
    alone = activation_maps(model, X[:1])
    np.testing.assert_allclose(maps[0][: len(X[0])], alone[0], atol=1e-6)


def test_models_without_convolutions_are_told_so():
    model, given = fitted("windows")
    with pytest.raises(ValueError, match=r"Fit it with these, such as .*\(conv_filters=\(64"):
        activation_maps(model, given[:2])


ATTENTION = {"pooling": "attention", "n_kernels": 0, "conv_filters": ()}


@pytest.mark.parametrize(
    ("parameters", "given"),
    [
        ({}, X), ({"patch_size": 3}, X), ({"bidirectional": False, "conv_filters": 3}, X),
        ({"n_kernels": 200, "patch_size": 2}, X), ({}, table(X)),
    ],
)  # fmt: skip
def test_weights_sum_to_one_and_belong_to_timesteps(parameters, given):
    model = classifier(**{**ATTENTION, **parameters}).fit(given, LABELS)
    weights = attention_weights(model, given[:4])
    for own, x in zip(weights, X, strict=False):
        assert own.shape == (len(x),)
        assert (own > 0).all()
        np.testing.assert_allclose(own.sum(), 1.0, atol=1e-6)
    alone = attention_weights(model, given[1:2])
    np.testing.assert_allclose(weights[1], alone[0], atol=1e-6)


def test_weights_are_those_of_the_pooling():
    model, given = fitted("attention")
    network = model.net_.module_
    states = []
    handle = network.pooling.register_forward_pre_hook(lambda m, inputs: states.append(inputs[0]))
    pooled = model.transform(given[:1])
    handle.remove()
    (weights,) = attention_weights(model, given[:1])
    found = weights @ states[0][0].detach().double().cpu().numpy()
    np.testing.assert_allclose(found, pooled[0], atol=1e-5)


def test_models_without_attention_are_told_so():
    model, given = fitted("lstm")
    with pytest.raises(ValueError, match=r"Fit it with LSTMSequenceClassifier\(pooling='attent"):
        attention_weights(model, given[:2])
