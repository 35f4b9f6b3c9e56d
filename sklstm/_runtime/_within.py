"""Contexts that Ctrl-C cannot leave open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def within(contexts: Sequence[AbstractContextManager[object]], work: Callable[[], T]) -> T:
    """What ``work`` returns inside the contexts, the first of them outermost.

    Ctrl-C may come before a ``with`` statement has an ``__exit__`` to call, and in the middle of
    that. Here each ``__exit__`` is called in any case, and then once more, so that one interruption
    leaves nothing behind, wherever it comes. For that a context reads what is before it sets
    anything, and its ``__exit__`` may be called again, and without ``__enter__``.

    Context variables that the work sets end with it.

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
