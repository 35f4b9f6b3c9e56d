import numpy as np
import pytest

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm._batching._scaling import relative_moments
from sklstm._config._options import Options
from sklstm._data import _auto
from sklstm._data._auto import resolve_auto
from sklstm._sequences import Sequences
from tests.helpers import make_ragged, short_sequences
from tests.windows import make_small


def resolve(n_sequences=10, n_timesteps=20, **parameters):
    options = Options.of(LSTMSequenceClassifier(**parameters))
    lengths = np.resize(np.asarray(n_timesteps), n_sequences)
    return resolve_auto(options, short_sequences(lengths=lengths))


@pytest.mark.parametrize(
    ("parameters", "filters"),
    [
        ({}, ()),
        ({"n_kernels": 0}, (64, 128, 64)),
        ({"n_kernels": 100}, ()),
        ({"conv_filters": "auto", "embedding_dim": 4}, ()),
        ({"conv_filters": "auto", "embedding_weights": [[0.0], [1.0]]}, ()),
        ({"conv_filters": ()}, ()),
        ({"conv_filters": 7}, (7,)),
        ({"conv_filters": [7, 6]}, (7, 6)),
    ],
)
def test_convolutions(parameters, filters):
    assert resolve(**parameters)["conv_filters"] == filters


@pytest.mark.parametrize(
    ("n_timesteps", "expected"),
    [(1, 1), (128, 1), (129, 2), (256, 2), (427, 4), ([100] * 9 + [20_000], 1)],
)
def test_patches_are_so_large_that_most_sequences_have_at_most_128(n_timesteps, expected):
    for n_sequences in (510, 100):
        assert resolve(n_sequences, n_timesteps, n_kernels=0)["patch_size"] == expected
    assert resolve(100, n_timesteps, patch_size="auto", embedding_dim=3)["patch_size"] == 1
    assert resolve(100, n_timesteps, patch_size=7)["patch_size"] == 7


@pytest.mark.parametrize(("n_timesteps", "expected"), [(128, 1), (256, 1), (257, 2), (2000, 8)])
def test_of_neither_few_nor_many_sequences_most_have_at_most_256(n_timesteps, expected):
    for n_sequences in (101, 500):
        assert resolve(n_sequences, n_timesteps, n_kernels=0)["patch_size"] == expected


@pytest.mark.parametrize(("n_timesteps", "expected"), [(32, 1), (33, 2), (150, 5), (2000, 63)])
def test_fixed_convolutions_have_at_most_32_windows(n_timesteps, expected):
    for n_sequences in (10, 300, 9000):
        assert resolve(n_sequences, n_timesteps)["patch_size"] == expected


def test_several_features_are_read_by_trained_convolutions_beside_the_fixed_ones():
    for n_features, filters, patch_size in ((1, (), 5), (2, (64, 128, 64), 2)):
        sequences = short_sequences(n_features, lengths=np.full(10, 150))
        resolved = resolve_auto(Options.of(LSTMSequenceClassifier()), sequences)
        assert resolved["n_kernels"] == 5040
        assert (resolved["conv_filters"], resolved["patch_size"]) == (filters, patch_size)


@pytest.mark.parametrize(
    ("n_sequences", "batch_size", "expected"),
    [(2, 32, 100), (960, 32, 100), (961, 32, 96), (7494, 32, 12), (100_000, 32, 10), (640, 1, 10)],
)
def test_epochs_are_fewer_where_each_has_many_steps(n_sequences, batch_size, expected):
    resolved = resolve(n_sequences, max_epochs="auto", batch_size=batch_size)
    assert resolved["max_epochs"] == expected
    assert resolve(n_sequences, max_epochs=7)["max_epochs"] == 7


@pytest.mark.parametrize(
    ("n_sequences", "expected"), [(1, 32), (2000, 32), (4096, 64), (7494, 128), (10**6, 128)]
)
def test_batches_grow_with_the_data(n_sequences, expected):
    assert resolve(n_sequences, batch_size="auto")["batch_size"] == expected
    assert resolve(n_sequences, batch_size=7)["batch_size"] == 7


# Standardisation


def standardize(X, given="auto"):
    options = Options.of(LSTMSequenceClassifier(standardize=given))
    sequences = Sequences.from_lengths(np.concatenate(X), [len(x) for x in X])
    return resolve_auto(options, sequences)["standardize"]


def test_one_feature_is_standardised_both_ways_unless_it_has_one_scale():
    X, _ = make_ragged(20, n_features=1)
    assert standardize(X) == "both"
    each = [(x - x.mean()) / x.std() for x in X]
    assert standardize(each) is True
    # As a file may have them: the deviation of a sample, rounded.
    assert standardize([(x * 0.99).round(3) for x in each]) is True
    assert standardize([*each[1:], each[0] + 1]) == "both"
    assert standardize([*each[1:], each[0] * 2]) == "both"


def test_a_few_large_sequences_are_not_to_hide_the_others():
    X, _ = make_ragged(20)
    assert standardize(X) is True
    X[0][:, 1] *= 1000
    assert standardize(X) == "both"


def test_sequences_in_which_a_feature_is_constant_do_not_count():
    flag = [np.eye(5, 2) if i == 0 else np.zeros((5, 2)) for i in range(50)]
    assert standardize(flag) is True
    assert standardize([np.ones((3, 2))] * 4) is True
    assert standardize([np.ones((3, 1))] * 4) is True


@pytest.mark.parametrize("given", [False, True, "sequence", "both"])
def test_what_is_asked_for_is_done(given):
    assert standardize(make_ragged(20)[0], given) == given


def test_token_ids_have_no_scale():
    assert resolve(embedding_dim=4)["standardize"] is False
    assert resolve(embedding_dim=4, standardize="both")["standardize"] is False


# Numbers


@pytest.mark.parametrize("n_features", [1, 3])
def test_numbers_have_defaults_of_their_own(n_features):
    options = Options.of(LSTMSequenceRegressor())
    for n_sequences, n_epochs in ((64, 100), (3000, 17), (15_000, 6), (10**5, 5)):
        sequences = short_sequences(n_features, lengths=np.full(n_sequences, 2))
        resolved = resolve_auto(options, sequences, predicts_numbers=True)
        assert resolved["standardize"] == "both"
        assert resolved["conv_filters"] == ()
        assert resolved["max_epochs"] == n_epochs


@pytest.mark.parametrize("n_features", [1, 2])
def test_of_large_data_some_sequences_say_whether_they_have_scales_of_their_own(
    n_features, monkeypatch
):
    make_small(monkeypatch)
    monkeypatch.setattr(_auto, "MANY_MOMENTS", 64)
    read = []

    def relative(sequences):
        read.append(len(sequences))
        return relative_moments(sequences)

    monkeypatch.setattr(_auto, "relative_moments", relative)
    X = np.random.default_rng(0).normal(size=(300, 20, n_features))
    X[:] = (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
    assert standardize(list(X)) is True
    # Nearly all sequences vary much less than a few large ones.
    X[::20] *= 1000
    assert standardize(list(X)) == "both"
    assert read == [64 // n_features] * 2
