"""Stacked LSTM layers over right-padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from sklstm._runtime._concurrency import in_background
from sklstm.nn._dropout import Dropout
from sklstm.nn._initialization import initialize_lstm
from sklstm.nn._long import cut_long


class LSTM(nn.LSTM):
    """``nn.LSTM`` of one layer and one direction, batch first.

    In evaluation mode results are bit-identical on a CPU for any batch composition, and long
    sequences are computed in parts. On a GPU the weights are views of one buffer, as cuDNN needs
    them: others it copies to one at every call.
    """

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, batch_first=True)
        # torch does so itself when a module is moved.
        self.register_load_state_dict_post_hook(_flatten_loaded)  # type: ignore[no-untyped-call]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore an unpickled or copied module."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.make_flat()

    def make_flat(self) -> None:
        """On a GPU gather weights that lie apart in one buffer; the parameters stay the same.

        Nothing is moved that lies together: captured steps have its addresses.
        """
        if is_on_gpu(self.weight_hh_l0) and lie_apart(list(self.parameters())):
            self.flatten_parameters()

    def forward(  # type: ignore[override]
        self, inputs_BTF: Tensor, initial: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Hidden states (B, T, H), and the final hidden and cell states (1, B, H).

        ``initial`` hidden and cell states (1, B, H) continue an earlier call; None means 0.
        """
        weight_ih = self.weight_ih_l0
        has_square_weight = self.input_size == self.hidden_size
        if has_square_weight and not self.training and not is_on_gpu(inputs_BTF):
            # oneDNN fuses both matrix products of a timestep if their sizes are equal, but not for
            # a single sequence, with different rounding. An additional input of 0 prevents that.
            weight_ih = nn.functional.pad(weight_ih, (0, 1))
            # Time-major in memory, as the LSTM kernels keep it.
            inputs_BTF = nn.functional.pad(inputs_BTF.transpose(0, 1), (0, 1)).transpose(0, 1)
        weights = (weight_ih, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)
        if initial is None:
            zeros_1BH = inputs_BTF.new_zeros(1, inputs_BTF.shape[0], self.hidden_size)
            initial = zeros_1BH, zeros_1BH
        last, parts = initial, cut_long(inputs_BTF)
        all_BTH: Tensor | None = None
        for part in parts:
            states_BTH, *memory = torch.lstm(
                inputs_BTF[:, part],
                last,
                weights,
                has_biases=True,
                num_layers=1,
                dropout=0.0,
                # cuDNN rejects a backward pass after a forward pass with train=False.
                train=torch.is_grad_enabled(),
                bidirectional=False,
                batch_first=True,
            )
            last = memory[0], memory[1]
            if len(parts) == 1:
                return states_BTH, last
            if all_BTH is None:
                # Time-major in memory, as above; a concatenation would take twice as much.
                n_timesteps, batch_size = inputs_BTF.shape[1], inputs_BTF.shape[0]
                shape = (n_timesteps, batch_size, self.hidden_size)
                all_BTH = states_BTH.new_empty(shape).transpose(0, 1)
            all_BTH[:, part] = states_BTH
        return cast("Tensor", all_BTH), last


def _flatten_loaded(module: LSTM, incompatible_keys: object) -> None:
    """After weights were loaded, by ``assign=True`` possibly as tensors of their own."""
    module.make_flat()


def is_on_gpu(tensor: Tensor) -> bool:
    """Whether a tensor is computed with by cuDNN."""
    return tensor.is_cuda


def lie_apart(tensors: Sequence[Tensor]) -> bool:
    """Whether tensors are not all views of one buffer."""
    return len({tensor.untyped_storage().data_ptr() for tensor in tensors}) > 1


class Direction(nn.Module):
    """One direction of an `LSTMLayer`.

    Parameters
    ----------
    input_size : int
        Number of features of a timestep.
    hidden_size : int
        Number of units.
    is_backward : bool, default=False
        Whether sequences are read backwards, each from its own last timestep.

    Attributes
    ----------
    lstm : LSTM
        LSTM of this direction.
    pooling : nn.Module or None
        Pooling of the states in the order of reading.
    """

    def __init__(self, input_size: int, hidden_size: int, *, is_backward: bool = False) -> None:
        super().__init__()
        self.lstm = LSTM(input_size, hidden_size)
        self.is_backward = is_backward
        self.pooling: nn.Module | None = None

    def forward(self, inputs_BTF: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Hidden states (B, T, H) in chronological order, or pooled states (B, H)."""
        reversal = None
        if self.is_backward:
            if lengths_B is not None:
                reversal = reversal_index(lengths_B, inputs_BTF.shape[1])
            inputs_BTF = reverse(inputs_BTF, reversal)
        states_BTH: Tensor = self.lstm(inputs_BTF)[0]
        if self.pooling is not None:
            pooled_BH: Tensor = self.pooling(states_BTH, lengths_B)
            return pooled_BH
        return reverse(states_BTH, reversal) if self.is_backward else states_BTH


class LSTMLayer(nn.Module):
    r"""Unidirectional or bidirectional LSTM layer for right-padded sequences.

    .. math::

        i_t, f_t, o_t &= \sigma(W x_t + U h_{t-1} + b)
            \quad \text{each gate with its own } W, U, b \\
        g_t &= \tanh(W_g x_t + U_g h_{t-1} + b_g) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
        h_t &= o_t \odot \tanh(c_t)

    The backward direction begins at the last timestep of each sequence, as with packed sequences.
    It is computed as a forward LSTM of sequences reversed within their lengths, so that a CPU uses
    the fused kernel.

    Parameters
    ----------
    input_size : int
        Number of features of a timestep.
    hidden_size : int
        Number of units per direction.
    bidirectional : bool, default=False
        Whether the layer is bidirectional.
    """

    def __init__(self, input_size: int, hidden_size: int, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.forwards = Direction(input_size, hidden_size)
        self.backwards = (
            Direction(input_size, hidden_size, is_backward=True) if bidirectional else None
        )
        self.reset_parameters()

    def directions(self) -> list[Direction]:
        """Forward direction and, if bidirectional, backward direction."""
        return [self.forwards] if self.backwards is None else [self.forwards, self.backwards]

    def reset_parameters(self) -> None:
        """Draw new weights."""
        for direction in self.directions():
            initialize_lstm(direction.lstm)

    def forward(self, inputs_BTF: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Compute hidden states of shape (B, T, D), or (B, D) if pooled.

        ``lengths_B`` are the numbers of timesteps of the sequences. None means T for all. States of
        padding are finite but meaningless.
        """
        pending = [in_background(each, inputs_BTF, lengths_B) for each in self.directions()]
        outputs = [output() for output in pending]
        return torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]


class LSTMEncoder(nn.Module):
    """Stacked LSTM layers.

    Parameters
    ----------
    input_size : int
        Number of features of a timestep.
    hidden_sizes : sequence of int
        Number of units of each layer, per direction.
    bidirectional : bool, default=False
        Whether the layers are bidirectional.
    dropout : float, default=0.0
        Dropout rate between layers.
    """

    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        directions = 2 if bidirectional else 1
        input_sizes = [input_size, *(directions * size for size in hidden_sizes[:-1])]
        self.layers = nn.ModuleList(
            LSTMLayer(size_in, size, bidirectional=bidirectional)
            for size_in, size in zip(input_sizes, hidden_sizes, strict=True)
        )
        self.dropout = Dropout(dropout)
        self.output_size = directions * hidden_sizes[-1]
        self.bidirectional = bidirectional

    def pool_directions(self, pooling: nn.Module) -> None:
        """Pool each direction in the last layer: faster than concatenating all states first."""
        *_, last = self.layers
        for direction in cast("LSTMLayer", last).directions():
            direction.pooling = pooling

    def forward(self, inputs_BTF: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Compute hidden states of the last layer, of shape (B, T, D), or (B, D) if pooled.

        ``lengths_B`` are the numbers of timesteps of the sequences. None means T for all.
        """
        *layers, last = self.layers
        for layer in layers:
            inputs_BTF = self.dropout(layer(inputs_BTF, lengths_B))
        states: Tensor = last(inputs_BTF, lengths_B)
        return states


def reversal_index(lengths_B: Tensor, n_timesteps: int) -> Tensor:
    """Flat indices that reverse each sequence of a (T, B) grid within its own length.

    Lengths [3, 1] of T = 3: timesteps [[2, 0], [1, 1], [0, 2]], so flat positions t * B + b
    [4, 1, 2, 3, 0, 5]. Reversing twice gives the original.
    """
    batch_size = lengths_B.shape[0]
    steps_T1 = torch.arange(n_timesteps, device=lengths_B.device).unsqueeze(1)
    mirrored_TB = lengths_B - 1 - steps_T1
    steps_TB = torch.where(mirrored_TB >= 0, mirrored_TB, steps_T1)
    return (steps_TB * batch_size + torch.arange(batch_size, device=lengths_B.device)).flatten()


def reverse(values_BTF: Tensor, reversal: Tensor | None) -> Tensor:
    """Reverse each sequence; padding stays at the end."""
    if reversal is None:
        return values_BTF.flip(1)
    reversed_BTF: Tensor = _Permute.apply(values_BTF, reversal)  # type: ignore[no-untyped-call]
    return reversed_BTF


class _Permute(torch.autograd.Function):
    """Gather by a self-inverse permutation, whose backward pass is the same gather.

    autograd's backward pass of a gather is a scatter-add into zeros, at several times the cost.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(values_BTF: Tensor, permutation: Tensor) -> Tensor:
        return _permute(values_BTF, permutation)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        return _permute(grad_outputs[0], ctx.saved_tensors[0]), None


def _permute(values_BTF: Tensor, permutation: Tensor) -> Tensor:
    # Time-major in memory, as in the LSTM kernels, which avoids copies before and after.
    values_TBF = values_BTF.transpose(0, 1)
    rows = values_TBF.reshape(-1, values_TBF.shape[2]).index_select(0, permutation)
    return rows.view(values_TBF.shape).transpose(0, 1)
