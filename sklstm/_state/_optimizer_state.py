"""Validation and loading of the ``state_dict`` of an optimizer.

torch does not validate it: fused steps access as many elements of each tensor as the weights have,
so that a tensor of one element crashes the process.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sklstm._state._fingerprint import as_text
from sklstm._training._net import SequenceNet
from sklstm._training._optimizers import make_capturable
from sklstm._training._soundness import LARGEST_WEIGHT

# Options that schedules may change, also schedules of callbacks.
SCHEDULED = frozenset({"lr", "initial_lr", "max_lr", "min_lr", "momentum", "betas"})


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load the state and keep dtypes, which ``load_state_dict`` casts except for ``step``."""
    optimizer.load_state_dict(dict(state))
    parameters = _parameters(optimizer)
    for index, entries in state["state"].items():
        if isinstance(index, int) and isinstance(entries, Mapping):
            loaded = optimizer.state[parameters[index]]
            tensors = {k: v for k, v in entries.items() if isinstance(v, Tensor)}
            loaded.update({k: v.to(loaded[k].device) for k, v in tensors.items()})


def check_optimizer_state(net: SequenceNet, state: Mapping[str, Any]) -> None:
    """Raise ValueError, or one of MALFORMED, unless the net's optimizer can resume from this state.

    The state is compared with that of an identical optimizer after one step on copies of the
    weights; then that optimizer loads it and takes further steps. torch's optimizers have entries
    of the same names and shapes after each step; LBFGS and third-party optimizers may not.
    """
    trial = _build_trial(net)
    _step(trial, 1.0)
    is_of_torch = type(net.optimizer_).__module__.startswith("torch.optim.")
    is_exact = is_of_torch and not isinstance(net.optimizer_, torch.optim.LBFGS)
    groups = net.optimizer_.state_dict()["param_groups"]
    _check_groups(groups, state["param_groups"], is_exact=is_exact)
    _check_entries(trial.state_dict()["state"], state["state"], is_exact=is_exact)
    try:
        load_optimizer(trial, copy.deepcopy(dict(state)))
        # A zero gradient isolates the effect of the state.
        for gradient in (0.0, 1.0) if is_exact else (1.0,):
            _step(trial, gradient)
    except Exception as error:
        raise ValueError(f"The optimizer cannot resume: {type(error).__name__}: {error}") from error
    # Negated, so that NaN fails, too.
    if is_of_torch and not all((p.abs() <= LARGEST_WEIGHT).all() for p in _parameters(trial)):
        raise ValueError("The weights are too large or NaN after a step of the optimizer.")


def is_like(reference: Any, given: Any) -> bool:
    """Whether types, lengths, keys, shapes and dtypes match, and strings, booleans and None."""
    if isinstance(reference, Tensor):
        return isinstance(given, Tensor) and _kind(given) == _kind(reference)
    if isinstance(reference, Mapping):
        same = isinstance(given, Mapping) and given.keys() == reference.keys()
        return same and all(is_like(value, given[name]) for name, value in reference.items())
    if isinstance(reference, (list, tuple)):
        same = type(given) is type(reference) and len(given) == len(reference)
        return same and all(map(is_like, reference, given))
    if isinstance(reference, (int, float)) and not isinstance(reference, bool):
        kinds = (int, float) if isinstance(reference, float) else int
        return isinstance(given, kinds) and not isinstance(given, bool)
    return type(given) is type(reference) and bool(given == reference)


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    return tuple(tensor.shape), tensor.dtype


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _build_trial(net: SequenceNet) -> torch.optim.Optimizer:
    """New optimizer, configured as the net's, on copies of its weights."""
    copies = [
        (name, torch.nn.Parameter(p.detach().clone(), requires_grad=p.requires_grad))
        for name, p in net.get_all_learnable_params()
    ]
    arguments, options = net.get_params_for_optimizer("optimizer", copies)
    optimizer: torch.optim.Optimizer = net.optimizer(*arguments, **options)
    make_capturable(optimizer)
    return optimizer


def _step(optimizer: torch.optim.Optimizer, gradient: float) -> None:
    """Take a step with the gradient of a parabola around -``gradient``, or with zero gradients."""

    def closure() -> Tensor:
        for parameter in _parameters(optimizer):
            if parameter.requires_grad:
                # LBFGS calls this several times and needs gradients that differ.
                moved = parameter.detach() * bool(gradient)
                parameter.grad = torch.full_like(parameter, gradient) + moved
        return torch.zeros((), device=_parameters(optimizer)[0].device)

    closure()
    optimizer.step(closure)  # type: ignore[arg-type]


def _check_groups(references: list[Any], given: Any, *, is_exact: bool) -> None:
    if not (isinstance(given, list) and len(given) == len(references)):
        raise ValueError("The optimizer has different parameter groups.")
    for reference, group in zip(references, given, strict=True):
        fits = group["params"] == reference["params"]
        fits = fits and (group.keys() == reference.keys() or not is_exact)
        names = reference.keys() & group.keys()
        if not (fits and all(_is_option(n, reference[n], group[n], is_exact) for n in names)):
            raise ValueError("The options of the optimizer differ.")


def _is_option(name: str, reference: Any, given: Any, is_exact: bool) -> bool:
    """Whether training may have changed an option to this value."""
    if is_exact and name not in SCHEDULED:
        return is_like(reference, given) and as_text(given) == as_text(reference)
    # A third-party optimizer may toggle a boolean.
    return is_like(reference, given) or (isinstance(reference, bool) and not is_exact)


def _check_entries(reference: Mapping[Any, Any], given: Any, *, is_exact: bool) -> None:
    """Check the state of each parameter, which may be missing before its first step."""
    if not given.keys() <= reference.keys():
        raise ValueError("The optimizer has a state of unknown weights.")
    for index, entries in given.items():
        expected = reference[index]
        if is_exact:
            fits = is_like(expected, entries)
        else:
            fits = all(_may_become(expected[n], entries[n]) for n in expected.keys() & entries)
        if not fits:
            raise ValueError(f"The state of the optimizer for weight {index} is malformed.")


def _may_become(reference: Any, given: Any) -> bool:
    """Whether an entry can become this value: as `is_like`, but lists grow and kinds vary."""
    if isinstance(reference, Tensor) and isinstance(given, Tensor):
        return _kind(given) == _kind(reference)
    if isinstance(reference, list):
        kinds = {_kind(item) for item in reference if isinstance(item, Tensor)}
        return isinstance(given, list) and all(
            _kind(item) in kinds for item in given if isinstance(item, Tensor) and kinds
        )
    return not (isinstance(reference, Tensor) and reference.ndim and given is not None)
