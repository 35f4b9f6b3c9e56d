"""One fit on several processes, on one machine or on many."""

from __future__ import annotations

from sklstm.distributed._data_parallel import data_parallel

__all__ = ["data_parallel"]
