"""Serialization of a fitted estimator's state for pickle, skops and model files."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from sklstm._batching._scaling import Scaling
from sklstm._config._configuration import NetworkConfiguration
from sklstm._runtime._device import count_cuda_devices
from sklstm._sequences import Array
from sklstm._training._configure import build_network
from sklstm._training._net import bare_net
from sklstm._validation._columns import StaticColumns
from sklstm._warnings import warn_user


def pack_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the state to plain values and NumPy arrays; the optimizer is not kept."""
    packed = dict(state)
    if "net_" in packed:
        net = packed["net_"]
        weights = net.module_.state_dict()
        packed["net_"] = {
            "weights": {name: tensor.cpu().numpy().copy() for name, tensor in weights.items()},
            "history": copy.deepcopy(list(net.history)),
            "device": str(net.device),
        }
        packed["_network"] = asdict(packed["_network"])
        if packed["_scaling"] is not None:
            packed["_scaling"] = asdict(packed["_scaling"])
        if packed["_static"] is not None:
            packed["_static"] = asdict(packed["_static"])
    return packed


def unpack_state(packed: Mapping[str, Any]) -> dict[str, Any]:
    """Restore a packed state, its net on the original device if available, else on the CPU."""
    state = dict(packed)
    if "net_" in state:
        kept = state["net_"]
        state["_network"] = NetworkConfiguration(**state["_network"])
        network = _build(state["_network"], kept["weights"]).eval()
        state["net_"] = bare_net(network, _device_here(kept["device"]))
        state["net_"].history.extend(dict(epoch) for epoch in kept["history"])
        if state["_scaling"] is not None:
            state["_scaling"] = Scaling(**state["_scaling"])
        if state["_static"] is not None:
            state["_static"] = StaticColumns(**state["_static"])
    return state


def _device_here(name: str) -> torch.device:
    """The named device if available here, else the CPU, with a warning."""
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count_cuda_devices():
        warn_user(
            f"The model was trained on {name!r}; torch finds no such CUDA device here, so it is"
            " loaded onto the CPU.",
        )
        return torch.device("cpu")
    return device


def _build(network: NetworkConfiguration, weights: Mapping[str, Array]) -> torch.nn.Module:
    """Build the network with these weights, whose shapes are checked before memory is allocated."""
    # On the meta device modules take no memory and draw no random numbers.
    with torch.device("meta"), _NothingDrawn():
        module = build_network(network)
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    given, needed = _kinds(tensors), _kinds(module.state_dict())
    if given != needed:
        wrong = sorted(name for name in given | needed if given.get(name) != needed.get(name))
        raise ValueError(f"The weights {wrong[:3]} are not those of a network of {network}.")
    # Copies, in memory that torch has aligned. `to_empty` would do, but it imports torch's symbolic
    # shapes: a second, and 30 MB, for whoever only predicts (ADR 56).
    copies = {name: tensor.clone() for name, tensor in tensors.items()}
    module.load_state_dict(copies, assign=True)
    return module


class _NothingDrawn(TorchFunctionMode):
    """Leaves out normal numbers, which torch draws on the meta device with its compiler."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.init.normal_:
            return kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def _kinds(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
