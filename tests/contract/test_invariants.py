"""What must hold for every pooling, direction and depth.

Most of these compare a result with itself in another dress: alone or in a batch, padded or packed,
weighted or repeated. They need no reference values and find what reference values miss.
"""

import itertools

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from sklstm.nn import SequenceNetwork
from tests.helpers import (
    FLOAT32,
    POOLINGS,
    assert_same_in_company,
    gradients,
    make_cube,
    make_ragged,
    pad,
    quick,
)

ARCHITECTURES = [
    {"pooling": pooling, "bidirectional": bidirectional, "hidden_sizes": hidden_sizes}
    for pooling, bidirectional, hidden_sizes in itertools.product(
        POOLINGS, (False, True), ((6,), (6, 5), (6, 5, 4))
    )
] + [
    {"pooling": "max", "bidirectional": True, "hidden_sizes": (6,), "patch_size": patch_size,
     "conv_filters": filters}
    for patch_size, filters in itertools.product((1, 3), ((5,), (5, 4)))
] + [
    {"pooling": "attention", "bidirectional": False, "hidden_sizes": (6,), "patch_size": 3},
    {"pooling": "attention", "bidirectional": True, "hidden_sizes": (6,),
     "conv_filters": (4, 4, 4)},
    # As wide as what they read, and behind widths that are no multiples of 4.
    {"pooling": "last", "bidirectional": False, "hidden_sizes": (2, 2)},
    {"pooling": "attention", "bidirectional": False, "hidden_sizes": (5, 5)},
]  # fmt: skip
every_architecture = pytest.mark.parametrize(
    "architecture", ARCHITECTURES, ids=lambda a: "-".join(map(str, a.values()))
)
X, Y = make_ragged(20)


def build(architecture):
    # While training, a convolution's normalisation is by the whole batch, and is meant to be.
    return SequenceNetwork(2, 3, **architecture).eval()


# The network


@every_architecture
@pytest.mark.parametrize("filler", [0.0, 1e6, np.nan, np.inf])
def test_padding_changes_neither_value_nor_gradient(architecture, filler):
    network = build(architecture)
    losses, alone = [], []
    for x in X[:6]:
        logits = network(torch.as_tensor(x, dtype=torch.float32).unsqueeze(0))
        alone.append(logits[0].detach())
        losses.append(nn.functional.cross_entropy(logits, torch.tensor([1])))
    torch.stack(losses).sum().backward()
    expected = gradients(network)

    network.zero_grad()
    inputs, lengths = pad(X[:6], filler=filler, extra=3)
    inputs.requires_grad_()
    logits = network(inputs, lengths)
    nn.functional.cross_entropy(logits, torch.ones(6, dtype=int), reduction="sum").backward()
    torch.testing.assert_close(logits, torch.stack(alone), **FLOAT32)
    for name, gradient in gradients(network).items():
        # Sums over six sequences in another order.
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-5)
    mask = torch.arange(inputs.shape[1]) < lengths.unsqueeze(1)
    assert not inputs.grad[~mask].any()
    # Under max pooling a timestep behind all maxima of a forward network matters to nobody.
    if architecture["pooling"] != "max":
        assert inputs.grad[mask].any(dim=1).all()


@every_architecture
def test_the_order_within_a_batch_does_not_matter(architecture):
    network = build(architecture)
    inputs, lengths = pad(X)
    order = torch.randperm(len(X))
    with torch.no_grad():
        shuffled = network(inputs[order], lengths[order])
        torch.testing.assert_close(shuffled, network(inputs, lengths)[order], **FLOAT32)


@every_architecture
def test_lengths_that_are_all_equal_may_be_left_out(architecture):
    network = build(architecture)
    inputs = torch.randn(5, 7, 2)
    with torch.no_grad():
        torch.testing.assert_close(network(inputs, torch.full((5,), 7)), network(inputs), **FLOAT32)


@every_architecture
def test_every_timestep_matters(architecture):
    inputs = torch.randn(1, 6, 2, requires_grad=True)
    build(architecture)(inputs)[0, 0].backward()
    influence = inputs.grad[0].abs().sum(dim=1)
    # As above; the first timestep is behind no maximum.
    assert (influence[:1] if architecture["pooling"] == "max" else influence).min() > 0


@every_architecture
def test_the_order_of_timesteps_matters(architecture):
    network = build(architecture)
    inputs = torch.randn(1, 6, 2)
    assert not torch.allclose(network(inputs), network(inputs.flip(1)), atol=1e-4)


def test_both_ends_reach_the_last_state_of_a_bidirectional_network():
    """The mistake of reading the backward direction where it has seen one timestep only."""
    network = build({"bidirectional": True, "pooling": "last"})
    inputs, lengths = pad([x[:5] for x in X if len(x) >= 5][:1], extra=2)
    half = network.encoder.output_size // 2
    for part, far_end in ((slice(0, half), 0), (slice(half, None), 4)):
        inputs.grad = None
        inputs.requires_grad_()
        network.embed(inputs, lengths)[0, part].sum().backward()
        assert inputs.grad[0, far_end].abs().sum() > 0


# The estimator


@every_architecture
def test_alone_or_in_company_a_prediction_is_the_same(architecture):
    classifier = quick(**architecture, max_epochs=1).fit(X, Y)
    together = classifier.predict_proba(X)
    alone = np.vstack([classifier.predict_proba([x]) for x in X])
    assert_same_in_company(alone, together)
    assert_same_in_company(classifier.predict_proba(X[::-1])[::-1], together)


@every_architecture
def test_two_fits_are_the_same_to_the_bit(architecture):
    classifier = quick(**architecture, dropout=0.3, max_epochs=2)
    first, second = (clone(classifier).fit(X, Y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_another_random_state_gives_another_network():
    first, second = (quick(random_state=seed).fit(X, Y).predict_proba(X) for seed in (0, 1))
    assert not np.allclose(first, second)


def test_the_global_random_states_are_unchanged():
    classifier = quick(dropout=0.5, early_stopping=True, random_state=None)
    numpy_before = np.random.get_state()[1].copy()  # noqa: NPY002
    torch_before = torch.get_rng_state()
    classifier.fit(X, Y).predict(X)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_before)


def test_the_global_random_states_have_no_influence():
    results = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        results.append(quick(dropout=0.5, early_stopping=True).fit(X, Y).predict_proba(X))
    np.testing.assert_array_equal(*results)


def test_every_form_of_the_same_sequences_gives_the_same_model():
    cube, y = make_cube()
    forms = [
        cube,
        np.asfortranarray(cube),
        list(cube),
        tuple(cube),
        cube.tolist(),
        torch.from_numpy(cube),
        np.array([*cube, None], dtype=object)[:-1],
    ]
    first, *others = [quick().fit(form, y).predict_proba(cube) for form in forms]
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_padded_with_mask_value_equals_the_list():
    cube, lengths = pad(X, filler=torch.nan)
    np.testing.assert_array_equal(
        quick(mask_value=np.nan).fit(cube.cpu().numpy(), Y).predict_proba(cube.cpu().numpy()),
        quick()
        .fit([x.astype(np.float32) for x in X], Y)
        .predict_proba(cube_to_list(cube, lengths)),
    )


def cube_to_list(cube, lengths):
    return [row[:length].cpu().numpy() for row, length in zip(cube, lengths.tolist(), strict=True)]


def test_as_many_sequences_as_timesteps():
    """n == T, which skorch takes for a list of n inputs."""
    rng = np.random.default_rng(0)
    cube = rng.normal(size=(8, 8, 2))
    y = np.arange(8) % 2
    as_array, as_list = (quick().fit(form, y).predict_proba(form) for form in (cube, list(cube)))
    np.testing.assert_array_equal(as_array, as_list)
    assert as_array.shape == (8, 2)


def test_a_weight_of_zero_is_removal_to_the_bit():
    extra, extra_y = make_ragged(6, seed=9)
    weights = np.r_[np.ones(20), np.zeros(6)]
    of_training = ({"class_weight": "balanced"}, {"dropout": 0.3}, {"mixup_alpha": 0.5})
    for options in ({}, {"early_stopping": True}, *of_training):
        weighted = quick(batch_size=5, **options).fit(
            [*X, *[x + 50 for x in extra]], np.r_[Y, extra_y], weights
        )
        removed = quick(batch_size=5, **options).fit(X, Y, np.ones(20))
        np.testing.assert_array_equal(weighted.predict_proba(X), removed.predict_proba(X))


def test_token_ids_of_weight_zero_stay_in_the_vocabulary():
    """Or a training could not go on with the same X, nor predict it."""
    X_ids = [np.array([50, 3]), *(np.arange(2, 5 + i % 7) for i in range(20))]
    y, weights = np.r_[0, Y], np.r_[0, np.ones(20)]
    embedded = {"embedding_dim": 3, "conv_filters": (), "warm_start": True}
    weighted = quick(**embedded).fit(X_ids, y, weights)
    weighted.fit(X_ids, y, weights).predict(X_ids)
    weighted, removed = (
        quick(vocabulary_size=51, **embedded).fit(*data)
        for data in ((X_ids, y, weights), (X_ids[1:], Y))
    )
    np.testing.assert_array_equal(weighted.predict_proba(X_ids), removed.predict_proba(X_ids))


# With the full batch in each step, twenty float32 steps of another summation order.
FULL_BATCH = {"batch_size": 1000, "max_epochs": 20}
TRAINED = {"rtol": 2e-3, "atol": 2e-4}


@pytest.mark.parametrize("options", [{}, {"class_weight": "balanced"}])
def test_an_integer_weight_is_a_repetition(options):
    weights = np.random.default_rng(0).integers(1, 4, size=20)
    repeated = np.repeat(np.arange(20), weights)
    by_weight = quick(**FULL_BATCH, **options).fit(X, Y, weights)
    by_repetition = quick(**FULL_BATCH, **options).fit([X[i] for i in repeated], Y[repeated])
    np.testing.assert_allclose(
        by_weight.predict_proba(X), by_repetition.predict_proba(X), **TRAINED
    )
    unweighted = quick(**FULL_BATCH, **options).fit(X, Y)
    assert not np.allclose(by_weight.predict_proba(X), unweighted.predict_proba(X), **TRAINED)


def test_a_class_weight_of_two_is_the_class_repeated():
    # Without standardisation: a class weight weighs the loss, not the features' moments.
    plain = {**FULL_BATCH, "standardize": False}
    twice = np.r_[np.arange(20), np.flatnonzero(Y == 1)]
    weighted = quick(**plain, class_weight={1: 2.0}).fit(X, Y)
    repeated = quick(**plain).fit([X[i] for i in twice], Y[twice])
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), **TRAINED)
    unweighted = quick(**plain).fit(X, Y)
    assert not np.allclose(weighted.predict_proba(X), unweighted.predict_proba(X), **TRAINED)


def test_the_scale_of_all_weights_does_not_matter():
    mixing = quick(mixup_alpha=0.5)
    small, large = (mixing.fit(X, Y, np.full(20, w)).predict_proba(X) for w in (0.25, 4.0))
    np.testing.assert_array_equal(small, large)


@pytest.mark.parametrize("standardize", [True, "sequence", "both"])
def test_standardised_input_is_free_of_units(standardize):
    # Powers of two: the units change no digit.
    scaled = [x * np.array([1024.0, 0.125]) for x in X]
    np.testing.assert_array_equal(
        quick(standardize=standardize).fit(scaled, Y).predict_proba(scaled),
        quick(standardize=standardize).fit(X, Y).predict_proba(X),
    )


def test_standardised_per_sequence_it_is_free_of_the_scale_of_each():
    classifier = quick(standardize="sequence").fit(X, Y)
    scaled = [x * 2.0**i for i, x in enumerate(X)]
    np.testing.assert_array_equal(classifier.predict_proba(scaled), classifier.predict_proba(X))
    moved = [x + i for i, x in enumerate(X)]
    np.testing.assert_allclose(
        classifier.predict_proba(moved), classifier.predict_proba(X), **FLOAT32
    )


@pytest.mark.parametrize("standardize", ["sequence", "both"])
def test_standardised_per_sequence_it_owes_nothing_to_its_company(standardize):
    classifier = quick(standardize=standardize).fit(X, Y)
    together = classifier.predict_proba(X)
    alone = np.concatenate([classifier.predict_proba([x]) for x in X])
    assert_same_in_company(alone, together)
