"""The state of an optimizer, as its ``state_dict`` gives it: whether it fits, and how it is loaded.

torch loads what it is given. Its fused steps then read and write as much memory of each tensor as
the weights have, and a tensor of one element ends the process.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sklstm._training._fingerprint import as_text
from sklstm._training._net import SequenceNet
from sklstm._training._soundness import LARGEST_WEIGHT

# Options that schedules move, be they callbacks.
MOVED = frozenset({"lr", "initial_lr", "max_lr", "min_lr", "momentum", "betas"})


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """What its ``load_state_dict`` does, but with each tensor of the dtype that it had.

    torch gives all but ``step`` the dtype of the weights.
    """
    optimizer.load_state_dict(dict(state))
    parameters = _parameters(optimizer)
    for index, entries in state["state"].items():
        if not (isinstance(index, int) and isinstance(entries, Mapping)):
            continue
        loaded = optimizer.state[parameters[index]]
        for name, value in entries.items():
            if isinstance(value, Tensor) and value.dtype != loaded[name].dtype:
                loaded[name] = value.to(loaded[name].device)


def check_optimizer_state(net: SequenceNet, state: Mapping[str, Any]) -> None:
    """Raise ValueError, or one of MALFORMED, unless the net's optimizer can go on from this state.

    It is compared with the state of a like optimizer that has made a step with copies of the
    weights, and then a step with them is tried. Optimizers of torch have the same names of the same
    shapes after each step. Of others, and of LBFGS, what the first step makes is compared.
    """
    like = _build_like(net)
    _step(like, 1.0)
    groups = copy.deepcopy(net.optimizer_.state_dict()["param_groups"])
    is_of_torch = type(net.optimizer_).__module__.startswith("torch.optim.")
    is_exact = is_of_torch and not isinstance(net.optimizer_, torch.optim.LBFGS)
    _check_groups(groups, state["param_groups"], is_exact=is_exact)
    _check_entries(like.state_dict()["state"], state["state"], is_exact=is_exact)
    _try(like, copy.deepcopy(dict(state)), (0.0, 1.0) if is_exact else (1.0,))
    # Not as NaN > LARGEST_WEIGHT, which is False.
    if is_of_torch and not all((p.abs() <= LARGEST_WEIGHT).all() for p in _parameters(like)):
        raise ValueError("The optimizer makes weights that are too large, or no numbers.")


def is_like(reference: Any, given: Any) -> bool:
    """Whether what is given has the form of the reference: kinds, lengths, names, shapes, dtypes.

    Texts, truth values and None are compared themselves.
    """
    if isinstance(reference, Tensor):
        return isinstance(given, Tensor) and _kind(given) == _kind(reference)
    if isinstance(reference, Mapping):
        return (
            isinstance(given, Mapping)
            and given.keys() == reference.keys()
            and all(is_like(value, given[name]) for name, value in reference.items())
        )
    if isinstance(reference, (list, tuple)):
        same = type(given) is type(reference) and len(given) == len(reference)
        return same and all(map(is_like, reference, given))
    if isinstance(reference, float):
        return isinstance(given, (int, float)) and not isinstance(given, bool)
    if isinstance(reference, int) and not isinstance(reference, bool):
        return isinstance(given, int) and not isinstance(given, bool)
    return type(given) is type(reference) and bool(given == reference)


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    return tuple(tensor.shape), tensor.dtype


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _build_like(net: SequenceNet) -> torch.optim.Optimizer:
    """An optimizer as the net's, of copies of its weights."""
    copies = [
        (name, torch.nn.Parameter(p.detach().clone(), requires_grad=p.requires_grad))
        for name, p in net.get_all_learnable_params()
    ]
    arguments, options = net.get_params_for_optimizer("optimizer", copies)
    optimizer: torch.optim.Optimizer = net.optimizer(*arguments, **options)
    return optimizer


def _step(optimizer: torch.optim.Optimizer, gradient: float) -> None:
    """A step on the gradients of a parabola around minus ``gradient``, or with zeros."""

    def closure() -> Tensor:
        for parameter in _parameters(optimizer):
            if parameter.requires_grad:
                # LBFGS takes several looks, and wants to see another gradient at each.
                moved = parameter.detach() * bool(gradient)
                parameter.grad = torch.full_like(parameter, gradient) + moved
        return torch.zeros((), device=_parameters(optimizer)[0].device)

    closure()
    optimizer.step(closure)  # type: ignore[arg-type]


def _check_groups(references: list[Any], given: Any, *, is_exact: bool) -> None:
    if not (isinstance(given, list) and len(given) == len(references)):
        raise ValueError("The optimizer has other groups.")
    for reference, group in zip(references, given, strict=True):
        names = reference.keys() if is_exact else reference.keys() & group.keys()
        fits = group["params"] == reference["params"]
        fits = fits and (group.keys() == reference.keys() or not is_exact)
        if not (fits and all(_is_option(n, reference[n], group[n], is_exact) for n in names)):
            raise ValueError("The options of the optimizer are others.")


def _is_option(name: str, reference: Any, given: Any, is_exact: bool) -> bool:
    """Whether an option can have come to this value."""
    # A truth value of somebody else's may be a switch.
    if isinstance(reference, bool) and not is_exact:
        return True
    return is_like(reference, given) and (
        not is_exact or name in MOVED or as_text(given) == as_text(reference)
    )


def _check_entries(reference: Mapping[Any, Any], given: Any, *, is_exact: bool) -> None:
    """The state of each parameter; that of some or all may not be there yet."""
    if not given.keys() <= reference.keys():
        raise ValueError("The optimizer has a state of other weights.")
    for index, entries in given.items():
        expected = reference[index]
        if is_exact:
            fits = is_like(expected, entries)
        else:
            fits = all(_may_become(expected[n], entries[n]) for n in expected.keys() & entries)
        if not fits:
            raise ValueError(f"The state of the optimizer for weight {index} is of another form.")


def _may_become(reference: Any, given: Any) -> bool:
    """As `is_like`, where lists grow and numbers may be tensors."""
    if isinstance(reference, Tensor) and isinstance(given, Tensor):
        return _kind(given) == _kind(reference)
    if isinstance(reference, list):
        tensors = [item for item in reference if isinstance(item, Tensor)]
        kinds = set(map(_kind, tensors))
        return isinstance(given, list) and all(
            _kind(item) in kinds for item in given if isinstance(item, Tensor) and kinds
        )
    return not (isinstance(reference, Tensor) and reference.ndim and given is not None)


def _try(
    optimizer: torch.optim.Optimizer, state: dict[str, Any], gradients: tuple[float, ...]
) -> None:
    """Load the state and make steps. A gradient of zeros shows what the state does by itself."""
    try:
        load_optimizer(optimizer, state)
        for gradient in gradients:
            _step(optimizer, gradient)
    except Exception as error:
        raise ValueError(f"The optimizer cannot go on: {type(error).__name__}: {error}") from error
