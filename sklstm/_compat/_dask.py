"""The Dask worker whose task a thread runs."""

from __future__ import annotations

import sys
from typing import Any


def dask_worker() -> Any:
    """The Dask worker whose task this thread runs, or which its context comes from; else None."""
    # Inside a task it has been imported. Elsewhere the import would take a second.
    distributed = sys.modules.get("distributed")
    get_worker = getattr(distributed, "get_worker", None)
    if get_worker is None:
        return None
    try:
        return get_worker()
    except ValueError:
        return None
