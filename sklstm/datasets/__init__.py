"""Generators of synthetic classification tasks whose best possible score is known."""

from __future__ import annotations

from sklstm.datasets._generated import make_temporal_order, make_trends

__all__ = ["make_temporal_order", "make_trends"]
