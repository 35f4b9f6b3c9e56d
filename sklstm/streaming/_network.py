"""A network that reads sequences timestep by timestep."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from sklstm.nn import LSTMLayer, SequenceNetwork
from sklstm.streaming._running import Running

# Number of timesteps that are read at a time, which bounds the memory of a long update.
CHUNK = 2048

# What is known of all streams, by name; the first dimension of each tensor is that of the streams.
State = dict[str, Tensor]


class CausalNetwork:
    """Outputs of a `SequenceNetwork` after each timestep, from a state of constant size.

    Parameters
    ----------
    network : SequenceNetwork
        A network of one direction without convolutions, in evaluation mode.
    running : Running
        The running form of its pooling.

    Notes
    -----
    The state after t timesteps of a stream is: ``n_timesteps``, t; ``hidden_0``, ``cell_0`` and so
    on, the states of the LSTM layers after the last complete patch; ``total``, that of the pooling
    there; and ``pending``, the timesteps of the incomplete patch and zeros, if patches have more
    than one.
    """

    def __init__(self, network: SequenceNetwork, running: Running) -> None:
        self.network = network
        self.running = running
        self.device = next(network.parameters()).device
        self.patch_size = network.patch_size
        layers = cast("list[LSTMLayer]", list(network.encoder.layers))
        self.lstms = [layer.forwards.lstm for layer in layers]
        self.width = self.lstms[0].input_size // self.patch_size

    def begin(self, n_streams: int) -> State:
        """State before the first timestep."""
        state = {"n_timesteps": torch.zeros(n_streams, dtype=torch.int64)}
        for layer, lstm in enumerate(self.lstms):
            for name in ("hidden", "cell"):
                state[f"{name}_{layer}"] = torch.zeros(n_streams, lstm.hidden_size)
        state["total"] = self.running.begin(n_streams)
        if self.patch_size > 1:
            state["pending"] = torch.zeros(n_streams, self.patch_size, self.width)
        return {name: tensor.to(self.device) for name, tensor in state.items()}

    def read(
        self, state: State, inputs: Tensor, encoded_BS: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Logits after each timestep, shape (B, T, C), and the state after all.

        Parameters
        ----------
        state : dict of Tensor
            State of B streams, which is not changed.
        inputs : Tensor of shape (B, T, F), or of token ids (B, T)
            New timesteps, as the network takes them.
        encoded_BS : Tensor of shape (B, S), default=None
            Encoded static columns, if the network has such.
        """
        outputs: list[Tensor] = []
        for part in inputs.split(CHUNK, dim=1):
            pooled, state = self._pool(state, self._embed(part))
            outputs += [self._classify(pooled_BTD, encoded_BS) for pooled_BTD in pooled]
        return (torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]), state

    def _embed(self, inputs: Tensor) -> Tensor:
        """What the LSTM layers read, shape (B, T, F)."""
        for embed in (self.network.embedding, self.network.categories):
            if embed is not None:
                inputs = embed(inputs)
        return inputs

    def _classify(self, pooled_BTD: Tensor, encoded_BS: Tensor | None) -> Tensor:
        if encoded_BS is not None:
            expanded_BTS = encoded_BS.unsqueeze(1).expand(-1, pooled_BTD.shape[1], -1)
            pooled_BTD = torch.cat([pooled_BTD, expanded_BTS], dim=2)
        rows = pooled_BTD.reshape(-1, pooled_BTD.shape[2])
        return self.network.classify(rows).view(*pooled_BTD.shape[:2], -1)

    def _pool(self, state: State, inputs_BTF: Tensor) -> tuple[list[Tensor], State]:
        """Pooled vectors after each timestep, in parts (B, T, D), and the new state."""
        if self.patch_size == 1:
            pooled_BTD, state = self._pool_timesteps(state, inputs_BTF)
            return [pooled_BTD], state
        parts = []
        while inputs_BTF.shape[1] > 0:
            # Up to the end of the first patch that becomes complete.
            filled = int((state["n_timesteps"] % self.patch_size).max())
            n_new = min(self.patch_size - filled, inputs_BTF.shape[1])
            pooled_BTD, state = self._pool_within_patch(state, inputs_BTF[:, :n_new])
            inputs_BTF = inputs_BTF[:, n_new:]
            parts.append(pooled_BTD)
        return parts, state

    def _pool_timesteps(self, state: State, inputs_BTF: Tensor) -> tuple[Tensor, State]:
        """The same of timesteps that are no patches."""
        n_new = inputs_BTF.shape[1]
        states_BTD, memory = self._read_layers(state, inputs_BTF)
        totals_BTW = self.running.extend(state["total"], states_BTD)
        n_timesteps_B = state["n_timesteps"] + n_new
        counts_BT = n_timesteps_B.unsqueeze(1) - torch.arange(n_new - 1, -1, -1, device=self.device)
        # A copy: a view would keep the totals of all timesteps.
        memory |= {"n_timesteps": n_timesteps_B, "total": totals_BTW[:, -1].clone()}
        return self.running.finish(totals_BTW, counts_BT), memory

    def _pool_within_patch(self, state: State, inputs_BTF: Tensor) -> tuple[Tensor, State]:
        """The same of timesteps within one patch of each stream.

        Each of them makes a patch that ends in zeros, and all of these follow the same patches. Of
        size 3 with timestep a pending, timesteps b and c make the patches [a, b, 0] and [a, b, c].
        """
        n_streams, n_new, _ = inputs_BTF.shape
        n_timesteps_B, size = state["n_timesteps"], self.patch_size
        filled_B1 = (n_timesteps_B % size).unsqueeze(1)
        # Number of filled places of each patch.
        ends_BT = filled_B1 + torch.arange(1, n_new + 1, device=self.device)
        places_BTF = (ends_BT - 1).unsqueeze(2).expand_as(inputs_BTF)
        patch_BPF = state["pending"].scatter(1, places_BTF, inputs_BTF)
        is_empty_BTP = torch.arange(size, device=self.device) >= ends_BT.unsqueeze(2)
        patches_BTPF = patch_BPF.unsqueeze(1).masked_fill(is_empty_BTP.unsqueeze(3), 0.0)

        before = {name: tensor.repeat_interleave(n_new, dim=0) for name, tensor in state.items()}
        states_N1D, after = self._read_layers(
            before, patches_BTPF.reshape(n_streams * n_new, 1, -1)
        )
        totals_N1W = self.running.extend(before["total"], states_N1D)
        counts_B1 = (n_timesteps_B // size + 1).unsqueeze(1)
        totals_BTW = totals_N1W.view(n_streams, n_new, -1)
        pooled_BTD = self.running.finish(totals_BTW, counts_B1.expand(-1, n_new))

        is_complete_B1 = filled_B1 + n_new == size
        after = {name: rows.view(n_streams, n_new, -1)[:, -1] for name, rows in after.items()}
        after["total"] = totals_BTW[:, -1]
        new = {name: torch.where(is_complete_B1, rows, state[name]) for name, rows in after.items()}
        new["n_timesteps"] = n_timesteps_B + n_new
        new["pending"] = patch_BPF.masked_fill(is_complete_B1.unsqueeze(2), 0.0)
        return pooled_BTD, new

    def _read_layers(self, state: State, inputs_BTF: Tensor) -> tuple[Tensor, State]:
        """States of the last layer (B, T, H), and the hidden and cell states of all layers."""
        memory: State = {}
        for layer, lstm in enumerate(self.lstms):
            hidden, cell = f"hidden_{layer}", f"cell_{layer}"
            initial = state[hidden].unsqueeze(0), state[cell].unsqueeze(0)
            inputs_BTF, (last_1BH, cells_1BH) = lstm(inputs_BTF, initial)
            memory |= {hidden: last_1BH[0], cell: cells_1BH[0]}
        return inputs_BTF, memory
