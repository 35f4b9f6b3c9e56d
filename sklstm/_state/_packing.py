"""Conversion of the state of a fitted estimator for pickle, skops and model files."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from sklstm._batching._scaling import Scaling
from sklstm._config._configuration import NetworkConfiguration
from sklstm._runtime._device import count_cuda_devices
from sklstm._sequences import Array
from sklstm._training._configure import build_network
from sklstm._training._net import SequenceNet, bare_net
from sklstm._warnings import warn_user
from sklstm.nn import SequenceNetwork


def pack_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state as plain values and NumPy arrays, without objects of torch, skorch or our own."""
    packed = dict(state)
    if "net_" in packed:
        packed["net_"] = _pack_net(packed["net_"])
        packed["_network"] = asdict(packed["_network"])
        if packed["_scaling"] is not None:
            packed["_scaling"] = asdict(packed["_scaling"])
    return packed


def unpack_state(packed: Mapping[str, Any]) -> dict[str, Any]:
    """The state that was packed, its net on its device, or on the CPU if that is missing here."""
    state = dict(packed)
    if "net_" in state:
        state["_network"] = NetworkConfiguration(**state["_network"])
        state["net_"] = _unpack_net(state["net_"], state["_network"])
        if state["_scaling"] is not None:
            state["_scaling"] = Scaling(**state["_scaling"])
    return state


def _pack_net(net: SequenceNet) -> dict[str, Any]:
    """All that is needed to build the net again, except the optimizer."""
    return {
        "weights": {name: t.cpu().numpy().copy() for name, t in net.module_.state_dict().items()},
        "history": copy.deepcopy(list(net.history)),
        "device": str(net.device),
    }


def _unpack_net(packed: Mapping[str, Any], network: NetworkConfiguration) -> SequenceNet:
    module = _build(network, packed["weights"]).eval()
    net = bare_net(module, _device_here(packed["device"]))
    net.history.extend(dict(epoch) for epoch in packed["history"])
    return net


def _device_here(name: str) -> torch.device:
    """The device of that name, or the CPU if it is missing here."""
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count_cuda_devices():
        warn_user(
            f"The model was trained on {name!r}; torch finds no such CUDA device here, so it is"
            " loaded onto the CPU.",
        )
        return torch.device("cpu")
    return device


def _build(network: NetworkConfiguration, weights: Mapping[str, Array]) -> SequenceNetwork:
    """The network with these weights. Memory is allocated only after their shapes are checked."""
    # On the meta device a network takes no memory and draws no random numbers.
    with torch.device("meta"):
        module = build_network(network)
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    given, needed = _kinds(tensors), _kinds(module.state_dict())
    if given != needed:
        wrong = sorted(name for name in given | needed if given.get(name) != needed.get(name))
        raise ValueError(f"The weights {wrong[:3]} are not those of a network of {network}.")
    module.to_empty(device="cpu").load_state_dict(tensors)
    return module


def _kinds(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
