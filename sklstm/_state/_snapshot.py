"""Snapshots of a net in training: everything that its next step depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from sklstm._compat._sklearn import InvalidParameterError
from sklstm._config._configuration import Configuration
from sklstm._files._values import UnstorableError, encode
from sklstm._runtime._randomness import own_torch_generator
from sklstm._runtime._within import within
from sklstm._state._fingerprint import as_text
from sklstm._state._optimizer_state import load_optimizer
from sklstm._state._snapshot_checks import check_snapshot
from sklstm._training._callbacks import LearningRate
from sklstm._training._configure import build_network
from sklstm._training._net import SequenceNet
from sklstm._training._optimizers import resolve_optimizer
from sklstm._training._stopping import ValidationScores

# Key of the dict that represents a tensor.
TENSOR = "tensor"


def take_snapshot(net: SequenceNet) -> dict[str, Any]:
    """Training state between steps as plain values and arrays, which share the net's memory."""
    packed: dict[str, Any] = pack(_state_of(net))
    return packed


def _state_of(net: SequenceNet) -> dict[str, Any]:
    cuda, progress = torch.device(net.device).type == "cuda", net.progress
    # A row that is not complete is begun again.
    rows = net.history[:-1] if progress.has_open_row else net.history
    return {
        "weights": net.module_.state_dict(),
        "optimizer": net.optimizer_.state_dict(),
        "callbacks": {name: callback.state_dict() for name, callback in _own_callbacks(net)},
        # Only the user's callbacks use batch records, and callbacks are not saved.
        "history": [{**epoch, "batches": []} for epoch in rows],
        "n_epochs_done": net.n_epochs_done,
        "n_halvings": net.n_halvings,
        # What a callback asks for within a row holds at its end.
        "should_stop": net.should_stop and not progress.has_open_row,
        "progress": progress.state_dict(),
        "batch_rng": progress.state_of_generator(net.batch_rng),
        "torch_rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state(net.device) if cuda else None,
    }


def restore_snapshot(net: SequenceNet, snapshot: Mapping[str, Any]) -> None:
    """Restore a snapshot to a net whose training has just begun.

    Raise ValueError, or one of MALFORMED, before anything is changed if it does not fit.
    """
    state = unpack(snapshot)
    check_snapshot(net, state, _state_of(net))
    net.module_.load_state_dict(state["weights"])
    load_optimizer(net.optimizer_, state["optimizer"])
    for name, callback in _own_callbacks(net):
        callback.load_state_dict(state["callbacks"][name])
    net.history[:] = state["history"]
    net.n_epochs_done = state["n_epochs_done"]
    net.n_halvings = state["n_halvings"]
    net.should_stop = state["should_stop"]
    net.progress.load_state_dict(state["progress"], torch.device(net.device))
    net.batch_rng.bit_generator.state = state["batch_rng"]
    torch.set_rng_state(state["torch_rng"])
    if state["cuda_rng"] is not None:
        torch.cuda.set_rng_state(state["cuda_rng"], net.device)


def describe_optimizer(configuration: Configuration) -> str:
    """Class and options of the optimizer, without the learning rate, for a fingerprint.

    Raise InvalidParameterError if its state cannot be saved. The state exists only after a step, so
    one is taken, on small weights of the same numbers of dimensions as the network's.
    """
    build, options = resolve_optimizer(configuration.optimizer)
    with torch.device("meta"):
        shapes = [
            parameter.shape for parameter in build_network(configuration.network).parameters()
        ]
    parameters = [torch.nn.Parameter(torch.zeros([min(n, 2) for n in shape])) for shape in shapes]

    def closure() -> Any:
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        return torch.zeros(())

    def step() -> torch.optim.Optimizer:
        groups = [{"params": parameters}]
        optimizer = build(groups, lr=configuration.learning_rate, **options)
        closure()
        optimizer.step(closure)
        return optimizer

    optimizer = within([own_torch_generator(0, torch.device("cpu"))], step)
    try:
        encode(pack(optimizer.state_dict()), {})
    except UnstorableError as error:
        raise InvalidParameterError(
            "The 'checkpoint' parameter must be None with the optimizer"
            f" {build!r}: its state cannot be written without pickle. {error}"
        ) from error
    group = {k: v for k, v in optimizer.param_groups[0].items() if k not in ("params", "lr")}
    return f"{type(optimizer).__module__}.{type(optimizer).__qualname__} {as_text(group)}"


def _own_callbacks(net: SequenceNet) -> list[tuple[str, Any]]:
    """The package's callbacks that have a state, by class name."""
    kinds = (LearningRate, ValidationScores)
    return [(type(cb).__name__, cb) for _, cb in net.callbacks_ if isinstance(cb, kinds)]


def pack(value: Any, name: str = "") -> Any:
    """Replace tensors by dicts of an array; UnstorableError for dtypes that NumPy lacks."""
    if isinstance(value, torch.Tensor):
        try:
            return {TENSOR: value.detach().cpu().numpy()}
        except TypeError as error:
            raise UnstorableError(name, f"a tensor of dtype {value.dtype}") from error
    if isinstance(value, Mapping):
        return {key: pack(item, f"{name}/{key}".lstrip("/")) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [pack(item, f"{name}/{i}") for i, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    return value


def unpack(value: Any) -> Any:
    """Inverse of `pack`."""
    if isinstance(value, Mapping):
        if value.keys() == {TENSOR} and isinstance(value[TENSOR], np.ndarray):
            return torch.from_numpy(value[TENSOR])
        return {key: unpack(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [unpack(item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value
