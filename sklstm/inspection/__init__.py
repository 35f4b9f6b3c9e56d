"""Models and trainings seen from inside: what they have learnt, and why they predict what."""

from __future__ import annotations

from sklstm.inspection._attribution_display import AttributionDisplay
from sklstm.inspection._attributions import Attributions, attributions
from sklstm.inspection._faithfulness import Faithfulness, faithfulness
from sklstm.inspection._faithfulness_display import FaithfulnessDisplay
from sklstm.inspection._maps import activation_maps, attention_weights
from sklstm.inspection._model_summary import LayerSummary, ModelSummary
from sklstm.inspection._permutation import permutation_importance
from sklstm.inspection._permutation_display import PermutationImportanceDisplay
from sklstm.inspection._summary import summary
from sklstm.inspection._training_history import TrainingHistoryDisplay

__all__ = [
    "AttributionDisplay",
    "Attributions",
    "Faithfulness",
    "FaithfulnessDisplay",
    "LayerSummary",
    "ModelSummary",
    "PermutationImportanceDisplay",
    "TrainingHistoryDisplay",
    "activation_maps",
    "attention_weights",
    "attributions",
    "faithfulness",
    "permutation_importance",
    "summary",
]
