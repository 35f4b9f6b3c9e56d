"""Trained net <-> weights and settings that a pickle may hold."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any

import torch

from sklstm._sequences import Array
from sklstm._training._device import count_cuda_devices
from sklstm._training._net import SequenceNet, bare_net
from sklstm._training._specification import NetworkSpecification


@dataclass(frozen=True, eq=False)
class PackedNet:
    """A net as NumPy weights and plain settings: no tensor, no optimizer, no device memory."""

    network: NetworkSpecification
    weights: dict[str, Array]
    history: list[dict[str, Any]]
    device: str


def pack_net(net: SequenceNet, network: NetworkSpecification) -> PackedNet:
    """What is needed to build the net again."""
    weights = {name: t.cpu().numpy().copy() for name, t in net.module_.state_dict().items()}
    return PackedNet(network, weights, copy.deepcopy(list(net.history)), str(net.device))


def unpack_net(packed: PackedNet) -> SequenceNet:
    """The net again, on its device, or on the CPU if that device is not here."""
    device = torch.device(packed.device)
    if device.type == "cuda" and (device.index or 0) >= count_cuda_devices():
        warnings.warn(
            f"The model was trained on {packed.device!r}; torch finds no such CUDA device here, so"
            " it is loaded onto the CPU.",
            stacklevel=2,
        )
        device = torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        network = packed.network.build()
    network.load_state_dict({name: torch.from_numpy(w) for name, w in packed.weights.items()})
    network.eval()
    net = bare_net(network, device)
    for epoch in packed.history:
        net.history.append(dict(epoch))
    return net
