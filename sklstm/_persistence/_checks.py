"""What must hold of the description of a fitted estimator before anything is built from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from itertools import chain
from typing import Any

import numpy as np

from sklstm._config._configuration import NetworkConfiguration
from sklstm._config._options import CHOICES, MAY_BE_AUTO, OPTIONS
from sklstm._tasks._task import Task
from sklstm._training._soundness import (
    are_sound_weights,
    is_integer,
    is_real,
    is_sound_epoch,
)

Check = Callable[[Any], bool]
# Some 30 kB of memory each.
MAX_LAYERS = 1_000


def check_state(state: Mapping[str, Any], task_type: type[Task]) -> None:
    """Raise ValueError unless a fit of such a task may leave this behind, as `pack_state` packs it.

    Weights and network are compared with one another first, so that no number in the description
    asks for more memory than its arrays have. That each weight has its shape is checked when the
    network is laid out.
    """
    _check_items(state, ATTRIBUTES | dict(task_type.attribute_checks), optional=OPTIONAL)
    network, weights = state["_network"], state["net_"]["weights"]
    _check_extent(network, weights)
    n_columns, n_features = state["_n_columns_in"], state["n_features_in_"]
    takes_tokens = network.get("vocabulary_size") is not None
    filters, dilations = network.get("conv_filters", ()), network.get("conv_dilations", ())
    width = network["hidden_sizes"][-1] * (2 if network["bidirectional"] else 1)
    width += filters[-1] if filters else 0
    names, scaling = state.get("feature_names_in_"), state["_scaling"]
    agreements = {
        "n_outputs": task_type.of(state).n_outputs == network["n_outputs"],
        "hidden_sizes": len(network["hidden_sizes"]) >= 1,
        "n_features_in_": n_features == n_columns
        or (n_columns is None and (takes_tokens or n_features == network["n_features"])),
        "feature_names_in_": names is None or len(names) == n_features,
        "conv_kernel_sizes": len(network.get("conv_kernel_sizes", ())) == len(filters),
        "conv_stride": network.get("patch_size", 1) % (network.get("conv_stride") or 1) == 0,
        # No weight is as large as a dilation.
        "conv_dilations": len(dilations) in (0, len(filters)) and max(dilations, default=1) < 2**31,
        "_n_features_out": state["_n_features_out"] == width,
        "_scaling": takes_tokens
        if scaling is None
        else not takes_tokens and len(scaling["mean"]) == network["n_features"],
        "standardize": scaling is None or _scales_as(network.get("standardize", True), scaling),
    }
    for name, agrees in agreements.items():
        if not agrees:
            raise ValueError(f"{name} does not agree with the rest.")


def _check_items(items: Any, checks: Mapping[str, Check], *, optional: frozenset[str]) -> None:
    missing, unknown = checks.keys() - optional - items.keys(), items.keys() - checks.keys()
    if missing or unknown:
        raise ValueError(f"Missing: {sorted(missing)[:3]}. Unknown: {sorted(unknown)[:3]}.")
    for name, value in items.items():
        if not checks[name](value):
            raise ValueError(f"{name} cannot be {value!r:.60}.")


def _check_extent(network: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """No network larger than its weights: each size is a dimension of one, each layer has some.

    A layer takes memory without any weights, which so many of them would need.
    """
    n_weights = sum(array.size for array in weights.values())
    layers = [*chain(*(network.get(name, ()) for name in _WIDTHS))]
    sizes = [*layers, *network.get("conv_kernel_sizes", ()), network.get("patch_size", 1)]
    sizes += [network["n_features"], network["n_outputs"]]
    if len(layers) > len(weights) or max(*sizes, network.get("vocabulary_size") or 0) > n_weights:
        raise ValueError("The network has fewer weights than it needs.")
    if len(layers) > MAX_LAYERS:
        raise ValueError(f"The network has {len(layers)} layers; {MAX_LAYERS} are possible.")


def _is_size(value: Any) -> bool:
    return is_integer(value) and value >= 1


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_fraction(value: Any) -> bool:
    return is_real(value) and 0 <= value < 1


def _are_sizes(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_size, value))


def _is_network(value: Any) -> bool:
    _check_items(value, NETWORK, optional=_WITH_A_DEFAULT)
    return True


def _is_resolved(value: Any) -> bool:
    _check_items(value, RESOLVED, optional=frozenset())
    return True


def _are_names(value: Any) -> bool:
    return value.dtype == object and all(isinstance(name, str) for name in value)


def _is_scaling(value: Any) -> bool:
    if value is None:
        return True
    mean, scale = value["mean"], value["scale"]
    per = value.get("per", "dataset")
    alike = (
        per in ("both", "dataset", "sequence")
        and mean.ndim == 1
        and mean.shape == scale.shape
        and mean.dtype == scale.dtype == np.float64
    )
    return alike and bool(
        np.isfinite(mean).all() and np.isfinite(scale).all() and (scale > 0).all()
    )


def _scales_as(standardize: bool | str, scaling: Mapping[str, Any]) -> bool:
    per = standardize if isinstance(standardize, str) else "dataset"
    return bool(scaling.get("per", "dataset") == per)


def _is_history(value: Any) -> bool:
    shapes = {array.shape for array in value.values()}
    return len(shapes) == 1 and len(shapes.pop()) == 1


def _is_net(value: Any) -> bool:
    checks = {"weights": are_sound_weights, "history": _are_epochs, "device": _is_device}
    _check_items(value, checks, optional=frozenset())
    return True


def _are_epochs(value: Any) -> bool:
    return isinstance(value, list) and all(
        is_sound_epoch(epoch, number) for number, epoch in enumerate(value, start=1)
    )


def _is_device(value: Any) -> bool:
    return re.fullmatch(r"cpu|cuda(:\d{1,2})?", value) is not None


def _is_output_configuration(value: Any) -> bool:
    return value in [{"transform": form} for form in ("default", "pandas", "polars")]


# What a fit sets, and what may be set later. A file may lack the optional ones.
ATTRIBUTES: dict[str, Check] = {
    "n_features_in_": _is_size,
    "feature_names_in_": _are_names,
    "net_": _is_net,
    "history_": _is_history,
    "n_iter_": _is_size,
    "best_epoch_": is_integer,
    "best_score_": is_real,
    "stop_reason_": lambda value: isinstance(value, str),
    "resolved_params_": _is_resolved,
    "_scaling": _is_scaling,
    "_seed": lambda value: is_integer(value) and value >= 0,
    "_network": _is_network,
    "_n_columns_in": lambda value: value is None or _is_size(value),
    "_n_features_out": _is_size,
    "_sklearn_output_config": _is_output_configuration,
}
OPTIONAL = frozenset({"resolved_params_", "feature_names_in_", "_sklearn_output_config"})

# One size for each layer.
_WIDTHS = ("hidden_sizes", "dense_sizes", "conv_filters")


def _check_of(option: Field[Any]) -> Check:
    """What must hold of the value of a resolved option, by the field's type."""
    names = {*CHOICES.get(option.name, ())} - {"auto"}
    checks: dict[str, Check] = {
        "bool": _is_bool,
        "bool | str": lambda value: _is_bool(value) or value in names,
        "float": _is_fraction,
        "int": _is_size,
        "int | None": lambda value: value is None or _is_size(value),
        "str": lambda value: value in names,
        "tuple[int, ...]": _are_sizes,
    }
    return checks[str(option.type)]


NETWORK = {option.name: _check_of(option) for option in fields(NetworkConfiguration)}
# Options that are newer than a file have their defaults.
_WITH_A_DEFAULT = frozenset(
    option.name
    for option in fields(NetworkConfiguration)
    if option.default is not MISSING and NETWORK[option.name](option.default)
)
RESOLVED = {name: _check_of(OPTIONS[name]) for name in MAY_BE_AUTO if name != "device"}
RESOLVED["device"] = _is_device
