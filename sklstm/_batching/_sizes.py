"""Which data are large; without torch, which a report on data does not need."""

from __future__ import annotations

# Scaled data of up to so many bytes are put on a CPU as a whole; larger ones are read in windows.
WHOLE_BYTES = 2**25


def is_large(n_bytes: int) -> bool:
    """Whether data of so many bytes are read in windows."""
    return n_bytes > WHOLE_BYTES
