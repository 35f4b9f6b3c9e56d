"""Export of fitted models to files that run without Python."""

from __future__ import annotations

from sklstm.export._onnx import to_onnx

__all__ = ["to_onnx"]
