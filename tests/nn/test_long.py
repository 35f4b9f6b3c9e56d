import pytest
import torch

from sklstm.nn import ConvolutionBranch, SequenceNetwork, _long
from sklstm.nn._long import CHUNK, LONG, cut_long

INPUTS = torch.randn(1, 203, 3, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def test_only_long_sequences_are_cut():
    assert cut_long(torch.empty(1, LONG, 0)) == [slice(0, LONG)]
    parts = cut_long(torch.empty(1, LONG + 1, 0))
    assert len(parts) == LONG // CHUNK + 1
    assert parts[0] == slice(0, CHUNK)
    assert parts[-1] == slice(LONG, LONG + 1)


def test_no_sequence_is_cut_where_gradients_are_wanted():
    assert len(cut_long(torch.empty(1, 2 * LONG, 0))) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "last"},
        {"pooling": "mean", "bidirectional": True},
        {"pooling": "attention", "bidirectional": True, "hidden_sizes": (5, 4)},
        {"conv_filters": (6,)},
        {"conv_filters": (6, 4, 4)},
        {"conv_filters": (6, 4), "patch_size": 4},
    ],
    ids=str,
)
@torch.inference_mode()
def test_parts_give_what_the_whole_gives(monkeypatch, options):
    torch.manual_seed(0)
    network = SequenceNetwork(3, 2, **{"hidden_sizes": (5,), **options}).eval()
    expect_the_same_in_parts(monkeypatch, network.embed)


# The reach of one part is longer than a part, and than the sequence.
@pytest.mark.parametrize("kernel_sizes", [(4, 1), (81,), (501,)], ids=str)
@torch.inference_mode()
def test_parts_of_long_kernels(monkeypatch, kernel_sizes):
    torch.manual_seed(0)
    branch = ConvolutionBranch(3, [4] * len(kernel_sizes), kernel_sizes).eval()
    expect_the_same_in_parts(monkeypatch, branch)


def expect_the_same_in_parts(monkeypatch, function):
    whole = function(INPUTS)
    monkeypatch.setattr(_long, "LONG", 40)
    monkeypatch.setattr(_long, "CHUNK", 16)
    # Sums of parts round otherwise.
    torch.testing.assert_close(function(INPUTS), whole, rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_inputs_are_never_written_to():
    network = SequenceNetwork(3, 2, conv_filters=(3, 3)).eval()
    before = INPUTS.clone()
    network(INPUTS)
    assert torch.equal(INPUTS, before)
