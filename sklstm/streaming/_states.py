"""Validation of what a stream begins or continues with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklstm._validation._columns import read_static_alone
from sklstm.streaming._models import Model
from sklstm.streaming._network import State


def check_n_streams(n_streams: Any) -> int:
    """Number of streams, 1 for None."""
    if n_streams is None:
        return 1
    if isinstance(n_streams, (int, np.integer)) and n_streams >= 1 and n_streams is not True:
        return int(n_streams)
    raise ValueError(
        f"n_streams must be an int of at least 1, or None for one stream. Got {n_streams!r:.60}."
    )


def encode_static(model: Model, static: Any, n: int) -> Tensor | None:
    """Encoded static columns of each of ``n`` streams, (B, S); None if the model has none."""
    columns, encoder = model.schema.static, model.network.static
    if columns is None:
        if static is not None:
            raise ValueError(f"static must be None: this {model.name} has no static columns.")
        return None
    table = read_static_alone(static, columns, estimator=model.name, name="static")
    if len(table) != n:
        raise ValueError(f"static has {len(table)} rows, but there are {n} streams.")
    if encoder is None:
        return None
    encoded_BS: Tensor = encoder(torch.from_numpy(table).to(model.device))
    return encoded_BS


def check_state(state: Mapping[str, Any], like: State) -> State:
    """A state of arrays as tensors, if it has the names, shapes and kinds of another one."""
    names = sorted(state.keys())
    if names != sorted(like):
        raise ValueError(
            f"The state must have the arrays {sorted(like)}. Got {names}.\n\nGive what"
            " state_dict() of a stream of the same model has returned."
        )
    return {name: _check_array(state[name], tensor, name) for name, tensor in like.items()}


def _check_array(given: Any, like: Tensor, name: str) -> Tensor:
    array, shape = np.asarray(given), tuple(like.shape)
    wanted = like.cpu().numpy().dtype
    if array.shape != shape or array.dtype != wanted:
        raise ValueError(
            f"{name!r} of the state must be of shape {shape} and dtype {wanted}. Got {array.shape}"
            f" and {array.dtype}."
        )
    if not np.isfinite(array).all() or (name == "n_timesteps" and (array < 0).any()):
        raise ValueError(f"{name!r} of the state holds values that no stream has.")
    return torch.from_numpy(array.copy()).to(like.device)
