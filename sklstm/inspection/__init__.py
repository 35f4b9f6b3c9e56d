"""Looking into fitted estimators."""

from __future__ import annotations

from sklstm.inspection._training_history import TrainingHistoryDisplay

__all__ = ["TrainingHistoryDisplay"]
