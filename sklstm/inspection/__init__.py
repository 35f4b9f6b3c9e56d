"""What a fitted model has learnt, and why it predicts what it predicts."""

from __future__ import annotations

from sklstm.inspection._attributions import Attributions, attributions

__all__ = ["Attributions", "attributions"]
