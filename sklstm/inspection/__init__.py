"""What a fitted model reads in the sequences."""

from __future__ import annotations

from sklstm.inspection._permutation import permutation_importance

__all__ = ["permutation_importance"]
