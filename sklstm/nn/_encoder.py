"""Stacked LSTM layers over right-padded batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from sklstm.nn._concurrency import Branch, compute
from sklstm.nn._dropout import Dropout, dropout
from sklstm.nn._initialization import initialize_lstm
from sklstm.nn._long import cut_long


def _as_it_is(values_BTF: Tensor) -> Tensor:
    return values_BTF


class LSTMLayer(nn.Module):
    r"""One LSTM layer that reads right-padded sequences in one or both directions.

    .. math::

        i_t, f_t, o_t &= \sigma(W x_t + U h_{t-1} + b)
            \quad \text{each gate with its own } W, U, b \\
        g_t &= \tanh(W_g x_t + U_g h_{t-1} + b_g) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
        h_t &= o_t \odot \tanh(c_t)

    The backward direction reads each sequence from its own last timestep, as a packed sequence
    would: it reverses within the length and runs a second forward LSTM, which on a CPU stays on the
    fused kernel (ADR 3).

    Parameters
    ----------
    input_size : int
        Features of a timestep.
    hidden_size : int
        Width of each direction.
    bidirectional : bool, default=False
        Whether to read backwards too.
    recurrent_dropout : float, default=0.0
        Fraction of the recurrent weights that is dropped for a training step (DropConnect [1]_).

    References
    ----------
    .. [1] S. Merity, N. Keskar, R. Socher, "Regularizing and Optimizing LSTM Language Models",
       ICLR 2018.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bidirectional: bool = False,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.recurrent_dropout = recurrent_dropout
        self.forwards = nn.LSTM(input_size, hidden_size, batch_first=True)
        self.backwards = (
            nn.LSTM(input_size, hidden_size, batch_first=True) if bidirectional else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        initialize_lstm(self.forwards)
        if self.backwards is not None:
            initialize_lstm(self.backwards)

    def forward(
        self,
        inputs_BTF: Tensor,
        reversal: Tensor | None = None,
        pool: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Hidden states of each timestep, shape (B, T, D), D the hidden size of all directions.

        ``reversal`` is what `reversal_index` returns for the lengths of the batch; None says that
        all sequences have T timesteps. States of padding are finite and mean nothing.

        ``pool`` maps the states (B, T, H) of one direction, in the order in which it reads, to
        (B, H); with it the result has shape (B, D).
        """
        return self.forward_beside((), inputs_BTF, reversal, pool)[0]

    def forward_beside(
        self,
        others: Sequence[Branch],
        inputs_BTF: Tensor,
        reversal: Tensor | None = None,
        pool: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """The same, and the values of other branches that are computed at the same time."""
        # The others first: the longest work is best begun with.
        branches = [*others, self._branch(self.forwards, inputs_BTF, pool)]
        if self.backwards is not None:
            turn = partial(reverse, reversal=reversal)
            branches.append(self._branch(self.backwards, inputs_BTF, pool, turn))
        values = compute(branches)
        own = values[len(others) :]
        return torch.cat(own, dim=-1) if len(own) > 1 else own[0], values[: len(others)]

    def _branch(
        self,
        lstm: nn.LSTM,
        inputs_BTF: Tensor,
        pool: Callable[[Tensor], Tensor] | None,
        turn: Callable[[Tensor], Tensor] = _as_it_is,
    ) -> Branch:
        """What one direction computes, and from what."""
        read = _run if self.training else _run_alike

        def run(inputs_BTF: Tensor, *weights: Tensor) -> Tensor:
            states_BTH = read(turn(inputs_BTF), weights)
            return turn(states_BTH) if pool is None else pool(states_BTH)

        weight_ih, weight_hh, bias_ih, bias_hh = lstm.all_weights[0]
        dropped_hh = dropout(weight_hh, self.recurrent_dropout, training=self.training)
        return run, (inputs_BTF, weight_ih, dropped_hh, bias_ih, bias_hh)


def _run(inputs_BTF: Tensor, weights: tuple[Tensor, ...]) -> Tensor:
    """Hidden states (B, T, H) of one layer in one direction."""
    zeros_1BH = inputs_BTF.new_zeros(1, len(inputs_BTF), weights[1].shape[1])
    memory, states = (zeros_1BH, zeros_1BH), []
    for part in cut_long(inputs_BTF):
        states_BTH, *last = torch.lstm(
            inputs_BTF[:, part],
            memory,
            weights,
            has_biases=True,
            num_layers=1,
            dropout=0.0,
            # cuDNN refuses a backward pass where it was told that none would come.
            train=torch.is_grad_enabled(),
            bidirectional=False,
            batch_first=True,
        )
        states.append(states_BTH)
        memory = last[0], last[1]
    return torch.cat(states, dim=1) if len(states) > 1 else states[0]


def _run_alike(inputs_BTF: Tensor, weights: tuple[Tensor, ...]) -> Tensor:
    """The same as `_run` gives, each sequence with the same bits in any company.

    Where the inputs are as wide as the states, oneDNN adds up the two matrix products of a timestep
    in one go, but not those of a sequence alone, and these round otherwise. One more input, which
    is 0, keeps them apart.
    """
    weight_ih, weight_hh, *biases = weights
    if weight_ih.shape[1] == weight_hh.shape[1]:
        weight_ih = nn.functional.pad(weight_ih, (0, 1))
        # Time-major in memory, as the LSTM kernels keep it.
        inputs_BTF = nn.functional.pad(inputs_BTF.transpose(0, 1), (0, 1)).transpose(0, 1)
    return _run(inputs_BTF, (weight_ih, weight_hh, *biases))


class LSTMEncoder(nn.Module):
    """A stack of `LSTMLayer`, each with its own width.

    Parameters
    ----------
    input_size : int
        Features of a timestep.
    hidden_sizes : sequence of int
        Width of each layer, first to last.
    bidirectional : bool, default=False
        Whether every layer reads both ways; each direction has the full width.
    dropout : float, default=0.0
        Fraction of the states that is zeroed between layers while training.
    recurrent_dropout : float, default=0.0
        As in `LSTMLayer`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        directions = 2 if bidirectional else 1
        input_sizes = [input_size, *(directions * size for size in hidden_sizes[:-1])]
        self.layers = nn.ModuleList(
            LSTMLayer(
                size_in, size, bidirectional=bidirectional, recurrent_dropout=recurrent_dropout
            )
            for size_in, size in zip(input_sizes, hidden_sizes, strict=True)
        )
        self.dropout = Dropout(dropout)
        self.output_size = directions * hidden_sizes[-1]
        self.bidirectional = bidirectional

    def forward(
        self,
        inputs_BTF: Tensor,
        lengths_B: Tensor | None = None,
        pool: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Hidden states of the last layer, shape (B, T, D).

        ``lengths_B`` counts the timesteps of each sequence; None says that all have T. ``pool`` is
        for the last layer, as in `LSTMLayer`.
        """
        return self.forward_beside((), inputs_BTF, lengths_B, pool)[0]

    def forward_beside(
        self,
        others: Sequence[Branch],
        inputs_BTF: Tensor,
        lengths_B: Tensor | None = None,
        pool: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """The same, and the values of other branches, computed at the same time as a layer."""
        reversal = None
        if self.bidirectional and lengths_B is not None:
            reversal = reversal_index(lengths_B, inputs_BTF.shape[1])
        states = inputs_BTF
        *layers, last = self.layers
        for layer in layers:
            states = self.dropout(layer(states, reversal))
        return cast("LSTMLayer", last).forward_beside(others, states, reversal, pool)


def reversal_index(lengths_B: Tensor, n_timesteps: int) -> Tensor:
    """Flat positions that reverse each sequence of a (T, B) grid within its own length.

    Lengths [3, 1] of T = 3: timesteps [[2, 0], [1, 1], [0, 2]], so flat positions t * B + b
    [4, 1, 2, 3, 0, 5]. Reversing twice gives the original.
    """
    batch_size = len(lengths_B)
    steps_T1 = torch.arange(n_timesteps, device=lengths_B.device).unsqueeze(1)
    mirrored_TB = lengths_B - 1 - steps_T1
    steps_TB = torch.where(mirrored_TB >= 0, mirrored_TB, steps_T1)
    return (steps_TB * batch_size + torch.arange(batch_size, device=lengths_B.device)).flatten()


def reverse(values_BTF: Tensor, reversal: Tensor | None) -> Tensor:
    """The values of each sequence in reverse order; padding stays at the end."""
    if reversal is None:
        return values_BTF.flip(1)
    reversed_BTF: Tensor = _Permute.apply(values_BTF, reversal)  # type: ignore[no-untyped-call]
    return reversed_BTF


class _Permute(torch.autograd.Function):
    """Gather by a permutation that is its own inverse: the backward pass is the same gather.

    autograd's own backward pass of a gather adds into a zeroed array, several times the cost.
    """

    @staticmethod
    def forward(ctx: Any, values_BTF: Tensor, permutation: Tensor) -> Tensor:
        ctx.save_for_backward(permutation)
        return _permute(values_BTF, permutation)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        return _permute(grad_outputs[0], ctx.saved_tensors[0]), None


def _permute(values_BTF: Tensor, permutation: Tensor) -> Tensor:
    # Time-major in memory, as the LSTM kernels keep it: then no copy is made on the way in or out.
    values_TBF = values_BTF.transpose(0, 1)
    rows = values_TBF.reshape(-1, values_TBF.shape[2]).index_select(0, permutation)
    return rows.view(values_TBF.shape).transpose(0, 1)
