"""Checks of the description of a fitted estimator before anything is built from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from functools import partial
from typing import Any

import numpy as np

from sklstm._batching._scaling import Scaling
from sklstm._compat._sklearn import Interval
from sklstm._config._configuration import NetworkConfiguration
from sklstm._config._options import CHOICES, MAY_BE_AUTO, OPTIONS
from sklstm._tasks._task import Task
from sklstm._training._soundness import (
    are_ascending,
    are_sound_weights,
    is_integer,
    is_real,
    is_sound_epoch,
)
from sklstm._validation._columns import MAX_CATEGORIES, StaticColumns, widths_of
from sklstm.nn._categories import width_of_static

Check = Callable[[Any], bool]
# Some 30 kB of memory each.
MAX_LAYERS = 1_000


def check_state(state: Mapping[str, Any], task_type: type[Task]) -> None:
    """Raise ValueError unless a fit of such a task may leave this state, as `pack_state` packs it.

    No size in the description exceeds the number of weights, so none asks for more memory than the
    file has. The shape of each weight is checked when the network is built.
    """
    check_items(state, ATTRIBUTES | dict(task_type.attribute_checks), optional=OPTIONAL)
    network, scaling = NetworkConfiguration(**state["_network"]), state["_scaling"]
    _check_extent(network, state["net_"]["weights"])
    categories = state["_categories"]
    static = None if state["_static"] is None else StaticColumns(**state["_static"])
    widths = widths_of(categories, static)
    n_columns, n_features = state["_n_columns_in"], state["n_features_in_"]
    names, filters = state.get("feature_names_in_"), network.conv_filters
    takes_tokens = network.vocabulary_size is not None
    width = network.hidden_sizes[-1] * (2 if network.bidirectional else 1) + sum(filters[-1:])
    width += width_of_static(network.n_static, network.static_categories)
    per = network.standardize if isinstance(network.standardize, str) else "dataset"
    n_in_timestep = network.n_features + len(categories)
    is_any = takes_tokens and n_columns is None
    agreements = {
        "n_outputs": task_type.of(state).n_outputs == network.n_outputs,
        "n_features_in_": is_any or n_features == (n_columns or n_in_timestep),
        "feature_names_in_": names is None or len(names) == n_features,
        "_static": widths == (network.n_categories, network.n_static, network.static_categories),
        "_n_features_out": state["_n_features_out"] == width,
        "_scaling": takes_tokens == (scaling is None),
    }
    if static is not None:
        agreements["n_features_in_"] = n_features == len(static.columns)
        agreements["feature_names_in_"] &= names is not None and tuple(names) == static.columns
        agreements["_static"] &= n_columns is None
        agreements["_static"] &= static.features is None or len(static.features) == n_in_timestep
        names = static.features
    agreements["_categories"] = not categories or (
        names is not None and categories.keys() <= {*names}
    )
    if scaling is not None:
        agreements["_scaling"] &= len(scaling["mean"]) == network.n_features
        agreements["standardize"] = scaling.get("per", "dataset") == per
    for name, agrees in agreements.items():
        if not agrees:
            raise ValueError(f"{name} does not agree with the rest.")


def check_items(
    items: Any, checks: Mapping[str, Check], *, optional: frozenset[str] = frozenset()
) -> bool:
    """True, so that it is a check itself; ValueError names what is missing, unknown or wrong."""
    missing, unknown = checks.keys() - optional - items.keys(), items.keys() - checks.keys()
    if missing or unknown:
        raise ValueError(f"Missing: {sorted(missing)[:3]}. Unknown: {sorted(unknown)[:3]}.")
    for name, value in items.items():
        if not checks[name](value):
            raise ValueError(f"{name} cannot be {value!r:.60}.")
    return True


def _check_extent(network: NetworkConfiguration, weights: Mapping[str, Any]) -> None:
    """Raise ValueError if a size or the number of layers exceeds the number of weights."""
    n_weights = sum(array.size for array in weights.values())
    layers = (*network.hidden_sizes, *network.dense_sizes, *network.conv_filters)
    sizes = (*layers, network.patch_size, network.vocabulary_size or 0, network.n_static)
    largest = max(*sizes, network.n_features, network.n_outputs)
    layers = (*layers, *network.n_categories, *network.static_categories)
    # A layer takes memory beside its weights, of which it has at least one.
    if len(layers) > len(weights) or largest > n_weights:
        raise ValueError("The network has fewer weights than it needs.")
    if len(layers) > MAX_LAYERS:
        raise ValueError(f"The network has {len(layers)} layers; {MAX_LAYERS} are possible.")


def is_size(value: Any) -> bool:
    return is_integer(value) and value >= 1


def is_number(value: Any) -> bool:
    return is_integer(value) and value >= 0


def is_size_or_none(value: Any) -> bool:
    return value is None or is_size(value)


def is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def is_output_configuration(value: Any) -> bool:
    return value in [{"transform": form} for form in ("default", "pandas", "polars")]


def are_names(value: Any) -> bool:
    return value.dtype == object and all(isinstance(name, str) for name in value)


def are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _are_categories(value: Any) -> bool:
    """Whether a value is a dict of categories, each column's plain and distinct."""
    return isinstance(value, dict) and all(
        isinstance(column, str)
        and isinstance(own, tuple)
        and len(own) <= MAX_CATEGORIES
        and all(isinstance(category, (bool, float, int, str)) for category in own)
        and len(set(own)) == len(own)
        for column, own in value.items()
    )


def _are_static_columns(value: Any) -> bool:
    if value is None:
        return True
    static = StaticColumns(**value)
    columns, features = static.columns, static.features
    return (
        isinstance(columns, tuple)
        and all(isinstance(column, str) for column in columns)
        and len(set(columns)) == len(columns)
        and _are_categories(static.categories)
        and {static.sequences, *static.categories} <= set(columns)
        and static.sequences not in static.categories
        and (
            features is None
            or (isinstance(features, tuple) and all(isinstance(own, str) for own in features))
        )
    )


def _are_sizes(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(is_size, value))


def _is_scaling(value: Any) -> bool:
    if value is None:
        return True
    scaling = Scaling(**value)
    mean, scale = scaling.mean, scaling.scale
    return (
        scaling.per in ("both", "dataset", "sequence")
        and mean.ndim == 1
        and mean.shape == scale.shape
        and mean.dtype == scale.dtype == np.float64
        and bool(np.isfinite([mean, scale]).all() and (scale > 0).all())
    )


def _is_extent(value: Any) -> bool:
    names = {"n_sequences", "shortest", "longest"}
    return value is None or (value.keys() == names and all(map(is_size, value.values())))


def _is_history(value: Any) -> bool:
    shapes = {array.shape for array in value.values()}
    return len(shapes) == 1 and len(shapes.pop()) == 1


def _are_epochs(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(is_sound_epoch(epoch, number) for number, epoch in enumerate(value, start=1))
        and are_ascending(value)
    )


def _is_device(value: Any) -> bool:
    return re.fullmatch(r"cpu|cuda(:\d{1,2})?", value) is not None


def _may_be_zero(option: Field[Any]) -> bool:
    accepts = option.metadata.get("accepts", ())
    return any(isinstance(c, Interval) and c.left == 0 for c in accepts)


def _check_of(option: Field[Any]) -> Check:
    """The check of a resolved option, by the type of its field."""
    names = {*CHOICES.get(option.name, ())} - {"auto"}
    checks: dict[str, Check] = {
        "bool": is_bool,
        "bool | str": lambda value: is_bool(value) or value in names,
        "float": lambda value: is_real(value) and 0 <= value < 1,
        "int": is_number if _may_be_zero(option) else is_size,
        "int | None": is_size_or_none,
        "str": lambda value: value in names,
        "tuple[int, ...]": _are_sizes,
    }
    return checks[str(option.type)]


NETWORK = {option.name: _check_of(option) for option in fields(NetworkConfiguration)}
# With categories alone there is no feature of numbers.
NETWORK |= {"n_features": is_number, "n_static": is_number}
# A file that is older than an option lacks it: the default holds.
_WITH_A_DEFAULT = frozenset(
    option.name
    for option in fields(NetworkConfiguration)
    if option.default is not MISSING and NETWORK[option.name](option.default)
)
RESOLVED = {name: _check_of(OPTIONS[name]) for name in MAY_BE_AUTO if name != "device"}
RESOLVED["device"] = _is_device
NET: dict[str, Check] = {
    "weights": are_sound_weights, "history": _are_epochs, "device": _is_device,
}  # fmt: skip
# The attributes that fit and set_output set.
ATTRIBUTES: dict[str, Check] = {
    "n_features_in_": is_size,
    "feature_names_in_": are_names,
    "net_": partial(check_items, checks=NET),
    "history_": _is_history,
    "n_iter_": is_size,
    "best_epoch_": is_real,
    "best_score_": is_real,
    "stop_reason_": lambda value: isinstance(value, str),
    "resolved_params_": partial(check_items, checks=RESOLVED, optional=_WITH_A_DEFAULT),
    "_scaling": _is_scaling,
    "_seed": is_number,
    "_network": partial(check_items, checks=NETWORK, optional=_WITH_A_DEFAULT),
    "_n_columns_in": is_size_or_none,
    "_n_features_out": is_size,
    "_categories": _are_categories,
    "_static": _are_static_columns,
    "_extent": _is_extent,
    "_sklearn_output_config": is_output_configuration,
}
# What a state may lack.
OPTIONAL = frozenset({"resolved_params_", "feature_names_in_", "_sklearn_output_config"})
# What an attribute was that an older file lacks.
DEFAULTS: dict[str, Any] = {"_categories": {}, "_static": None, "_extent": None}
