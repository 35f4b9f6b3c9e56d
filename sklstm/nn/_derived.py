"""Values derived from weights, computed once for many predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from sklstm._compat._torch import version_of

T = TypeVar("T")


class Derived(Generic[T]):
    """Function of tensors that keeps its last value until one of the tensors changes.

    A change is another tensor, or an operation in place on the same one. What is written through
    ``tensor.data`` goes unnoticed: torch does not count it. With gradients, and where a program is
    exported, nothing is kept.

    Parameters
    ----------
    compute : callable
        The function, of a module, so that it can be pickled.
    """

    def __init__(self, compute: Callable[..., T]) -> None:
        self._compute = compute
        # Replaced as a whole: threads may share it.
        self._kept: tuple[list[Any], T] | None = None

    def __call__(self, *sources: Tensor) -> T:
        """Value for these tensors."""
        if not may_reuse_memory():
            return self._compute(*sources)
        kept = self._kept
        if kept is not None and all(map(_is_same, kept[0], sources)):
            return kept[1]
        value = self._compute(*sources)
        versions = [version_of(source) for source in sources]
        if None not in versions:
            devices = [source.device for source in sources]
            self._kept = list(zip(sources, versions, devices, strict=True)), value
        return value

    def clear(self) -> None:
        """Keep nothing."""
        self._kept = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Derived, (self._compute,)


def may_reuse_memory() -> bool:
    """Whether results may be written into arrays that are there: no gradient needs these."""
    return not (torch.is_grad_enabled() or torch.compiler.is_exporting())


def _is_same(kept: tuple[Tensor, int, torch.device], source: Tensor) -> bool:
    tensor, version, device = kept
    return tensor is source and version_of(source) == version and source.device == device
