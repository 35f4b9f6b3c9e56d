"""What a fitted model has learnt, and why it predicts what it predicts."""

from __future__ import annotations

from sklstm.inspection._attribution_display import AttributionDisplay
from sklstm.inspection._attributions import Attributions, attributions
from sklstm.inspection._faithfulness import Faithfulness, faithfulness
from sklstm.inspection._faithfulness_display import FaithfulnessDisplay
from sklstm.inspection._maps import activation_maps, attention_weights

__all__ = [
    "AttributionDisplay",
    "Attributions",
    "Faithfulness",
    "FaithfulnessDisplay",
    "activation_maps",
    "attention_weights",
    "attributions",
    "faithfulness",
]
