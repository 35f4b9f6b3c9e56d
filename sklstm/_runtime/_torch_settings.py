"""torch's global settings: default device and dtype, denormal numbers, float32 precision, cuDNN."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from sklstm._compat._torch import function_modes, set_function_modes

# Compares as 0 in a thread that flushes denormal numbers, for which torch has no getter.
SMALLEST = 5e-324


class own_settings(AbstractContextManager[None]):
    """Reset torch's global settings to their defaults inside, and restore them afterwards.

    The default device and flushing of denormal numbers are per thread. The float32 precision and
    the algorithms of cuDNN are per process: other threads compute in full precision and with
    deterministic algorithms meanwhile. ``training`` also resets the default dtype, which is per
    process and which only optimizers use. With ``may_use_tf32`` the precision of cuDNN is left as
    it is: TensorFloat-32 unless the caller has changed that. Without ``on_gpu`` nothing of cuDNN
    is touched, which would take longer than all else.
    """

    def __init__(
        self, *, training: bool = False, on_gpu: bool = True, may_use_tf32: bool = False
    ) -> None:
        self._shared = [PRECISION]
        if training:
            self._shared.append(DTYPE)
        if on_gpu:
            self._shared.append(CUDNN_ALGORITHMS)
            if not may_use_tf32:
                self._shared.append(CUDA_PRECISION)
        self._function_modes: list[Any] | None = None
        self._flushes = False

    def __enter__(self) -> None:
        # The default device is a function mode.
        self._function_modes = function_modes()
        set_function_modes([])
        self._flushes = not SMALLEST > 0
        if self._flushes:
            torch.set_flush_denormal(False)
        for setting in self._shared:
            setting.take(self)

    def __exit__(self, *error: object) -> None:
        # The setting that was taken last is seen as it was taken.
        for setting in reversed(self._shared):
            setting.leave(self)
        if self._flushes:
            torch.set_flush_denormal(True)
        if self._function_modes is not None:
            set_function_modes(self._function_modes)


def prediction_settings(device: torch.device | str, precision: str) -> own_settings:
    """Settings of a prediction on a device, with the ``precision`` of an estimator."""
    on_gpu = torch.device(device).type != "cpu"
    return own_settings(on_gpu=on_gpu, may_use_tf32=precision == "tf32")


@dataclass(eq=False)
class Shared:
    """Process-wide setting that must have our value as long as any thread computes.

    Attributes
    ----------
    read, write : callable
        Getter and setter.
    is_ours : callable
        Whether a value is equivalent to ours.
    make_ours : callable
        Set our value.
    """

    read: Callable[[], Any]
    write: Callable[[Any], None]
    is_ours: Callable[[Any], bool]
    make_ours: Callable[[], None]
    callers: Any = None
    users: dict[object, int] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin_in_child)

    def take(self, user: object) -> None:
        """Set our value until this user and all others have left."""
        with self.lock:
            self.users[user] = threading.get_ident()
            value = self.read()
            # Another thread may have changed it meanwhile: the latest value will be restored.
            if not self.is_ours(value):
                self.callers = value
                self.make_ours()

    def leave(self, user: object) -> None:
        """Restore the caller's value if there is no other user; may be called repeatedly."""
        with self.lock:
            if list(self.users) == [user]:
                self._give_back()
            self.users.pop(user, None)

    def _give_back(self) -> None:
        if self.callers is not None and self.is_ours(self.read()):
            self.write(self.callers)
        self.callers = None

    def _begin_in_child(self) -> None:
        """Forget other threads, which a forked child does not have and which would never leave."""
        self.lock = threading.Lock()
        here = threading.get_ident()
        if self.users and here not in self.users.values():
            self._give_back()
        self.users = {user: thread for user, thread in self.users.items() if thread == here}


# Precision of float32 products ------------------------------------------------------------------

# Kinds of operations with a precision setting, of oneDNN, and of cuBLAS and cuDNN.
OF_ONEDNN = [getattr(torch.backends.mkldnn, name) for name in ("matmul", "conv", "rnn")]
OF_CUDA = [
    torch.backends.cuda.matmul,
    *(getattr(torch.backends.cudnn, name) for name in ("conv", "rnn")),
]


def _precision() -> tuple[str | None, ...]:
    return _precision_of_matmul(), *_precisions_of(OF_ONEDNN)


def _precision_of_matmul() -> str | None:
    """The older setting, common to CUDA and CPU; None if the newer ones have been used."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


def _is_exact(precision: tuple[str | None, ...]) -> bool:
    matmul, *operations = precision
    return matmul in (None, "highest") and _are_exact(operations)


def _compute_exactly() -> None:
    if _precision_of_matmul() not in (None, "highest"):
        torch.set_float32_matmul_precision("highest")
    _make_exact(OF_ONEDNN)


def _set_precision(precision: tuple[str | None, ...]) -> None:
    matmul, *operations = precision
    if matmul not in (None, _precision_of_matmul()):
        torch.set_float32_matmul_precision(str(matmul))
    _set_precisions_of(OF_ONEDNN, operations)


def _precisions_of(operations: Sequence[Any]) -> tuple[str, ...]:
    return tuple(operation.fp32_precision for operation in operations)


def _set_precisions_of(operations: Sequence[Any], values: Sequence[str | None]) -> None:
    for operation, value in zip(operations, values, strict=True):
        # "none" inherits the common setting: try it first, then the value itself.
        for candidate in ("none", value):
            if operation.fp32_precision != value:
                operation.fp32_precision = candidate


def _are_exact(values: Iterable[str | None]) -> bool:
    return all(value in ("none", "ieee") for value in values)


def _make_exact(operations: Sequence[Any]) -> None:
    for operation in operations:
        if not _are_exact([operation.fp32_precision]):
            operation.fp32_precision = "ieee"


PRECISION = Shared(_precision, _set_precision, _is_exact, _compute_exactly)
CUDA_PRECISION = Shared(
    partial(_precisions_of, OF_CUDA),
    partial(_set_precisions_of, OF_CUDA),
    _are_exact,
    partial(_make_exact, OF_CUDA),
)


# Algorithms of cuDNN -----------------------------------------------------------------------------


def _algorithms() -> tuple[bool, bool]:
    return torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark


def _set_algorithms(flags: tuple[bool, bool]) -> None:
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = flags


# Deterministic, and not chosen by their speed in a trial.
CUDNN_ALGORITHMS = Shared(
    _algorithms,
    _set_algorithms,
    lambda flags: flags == (True, False),
    lambda: _set_algorithms((True, False)),
)


# Default dtype -----------------------------------------------------------------------------------

DTYPE = Shared(
    torch.get_default_dtype,
    torch.set_default_dtype,
    lambda dtype: dtype is torch.float32,
    lambda: torch.set_default_dtype(torch.float32),
)
