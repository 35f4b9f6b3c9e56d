"""What a fitted model reads in the sequences."""

from __future__ import annotations

from sklstm.inspection._permutation import permutation_importance
from sklstm.inspection._permutation_display import PermutationImportanceDisplay

__all__ = ["PermutationImportanceDisplay", "permutation_importance"]
