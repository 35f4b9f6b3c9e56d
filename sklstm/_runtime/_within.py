"""Interruption-safe context managers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def within(contexts: Sequence[AbstractContextManager[object]], work: Callable[[], T]) -> T:
    """Result of ``work`` inside the contexts, the first of them outermost.

    Ctrl-C may come before a ``with`` statement calls ``__exit__``, or during it. Here every
    ``__exit__`` is called twice, so that a single interruption leaves no context open. Contexts
    must therefore read the old state before they set anything, and allow ``__exit__`` repeatedly
    and without ``__enter__``.

    Context variables set by the work end with it.

    References
    ----------
    ADR 43.
    """
    return copy_context().run(_within, contexts, work)


def _within(contexts: Sequence[AbstractContextManager[object]], work: Callable[[], T]) -> T:
    if not contexts:
        return work()
    try:
        try:
            contexts[0].__enter__()
            return _within(contexts[1:], work)
        finally:
            contexts[0].__exit__(None, None, None)
    finally:
        contexts[0].__exit__(None, None, None)
