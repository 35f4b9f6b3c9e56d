"""Export of fitted models to files that run without Python."""

from __future__ import annotations

from sklstm.export._onnx import to_onnx
from sklstm.export._onnx_stream import to_onnx_stream

__all__ = ["to_onnx", "to_onnx_stream"]
