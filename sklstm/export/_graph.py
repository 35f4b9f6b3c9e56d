"""ONNX graphs, written node by node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from sklstm._optional import require
from sklstm._sequences import Array

# Read by onnxruntime since 1.14, by its documentation, and by whatever converts graphs of 2023.
OPSET, IR_VERSION = 18, 8
# Protocol buffers hold no more bytes.
MAX_BYTES = 2**31 - 1

# Name of a value of the graph.
Value = str
Operand = Value | Array | np.generic | None


class Graph:
    """ONNX graph under construction.

    Equal constants are stored once, and so are equal nodes, so that whoever needs a mask may ask
    for it anew.
    """

    def __init__(self) -> None:
        self._onnx = require("onnx", extra="onnx")
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._constants: dict[tuple[Any, ...], tuple[Value, Array]] = {}
        self._known: dict[tuple[Any, ...], list[Value]] = {}

    def input(self, name: str, dtype: npt.DTypeLike, shape: Sequence[str | int]) -> Value:
        """Declare an input."""
        self._inputs.append(self._describe(name, dtype, shape))
        return name

    def output(
        self, name: str, value: Value, dtype: npt.DTypeLike, shape: Sequence[str | int]
    ) -> None:
        """Make a value an output."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._describe(name, dtype, shape))

    def add(self, operator: str, *operands: Operand, **attributes: Any) -> Value:
        """Add a node; the name of its first output. Arrays become constants."""
        return self.add_all(operator, *operands, n_outputs=1, **attributes)[0]

    def add_all(
        self, operator: str, *operands: Operand, n_outputs: int, **attributes: Any
    ) -> list[Value]:
        """The same with the names of all outputs."""
        inputs = [self._name(operand) for operand in operands]
        key = (operator, *inputs, n_outputs, repr(sorted(attributes.items())))
        if key not in self._known:
            outputs = [f"{operator}_{len(self._nodes)}_{i}" for i in range(n_outputs)]
            # Protocol buffers know plain numbers alone.
            node = self._onnx.helper.make_node(operator, inputs, outputs, **attributes)
            self._nodes.append(node)
            self._known[key] = outputs
        return self._known[key]

    def build(self, description: str) -> Any:
        """The onnx.ModelProto."""
        helper, from_array = self._onnx.helper, self._onnx.numpy_helper.from_array
        constants = [from_array(array, name) for name, array in self._constants.values()]
        graph = helper.make_graph(self._nodes, "sklstm", self._inputs, self._outputs, constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        model.producer_name, model.producer_version = "sklstm", _version()
        model.doc_string = description
        if model.ByteSize() > MAX_BYTES:
            raise ValueError(
                f"The weights take {model.ByteSize() / 2**30:.1f} GB, and an ONNX file holds 2."
                "\n\nTrain with a smaller vocabulary_size or embedding_dim."
            )
        self._onnx.checker.check_model(model, full_check=True)
        return model

    def running_max(self, before: Value, values: Value) -> Value:
        """Maxima of ``before`` (B, D) and the first t of the values (T, B, D), float32."""
        helper, code = self._onnx.helper, self._code(np.float32)
        names = ("before", "value", "after", "maximum")
        before_, value, after, maximum = (
            helper.make_tensor_value_info(name, code, None) for name in names
        )
        nodes = [helper.make_node("Max", names[:2], ["after"]),
                 helper.make_node("Identity", ["after"], ["maximum"])]  # fmt: skip
        body = helper.make_graph(nodes, "maximum", [before_, value], [after, maximum])
        return self.add_all("Scan", before, values, n_outputs=2, body=body, num_scan_inputs=1)[1]

    # Short forms ----------------------------------------------------------------------------------

    def constant(self, array: Array) -> Value:
        """The name of a constant."""
        return self._name(array)

    def cast(self, value: Value, dtype: npt.DTypeLike) -> Value:
        """The value in another type."""
        return self.add("Cast", value, to=self._code(dtype))

    def transpose(self, value: Value, *axes: int) -> Value:
        """The value with its axes in this order."""
        return self.add("Transpose", value, perm=list(axes))

    def reshape(self, value: Value, *shape: int) -> Value:
        """The value in this shape; 0 is the size that the axis had, -1 what is left."""
        return self.add("Reshape", value, integers(*shape))

    def unsqueeze(self, value: Value, *axes: int) -> Value:
        """The value with new axes of size 1."""
        return self.add("Unsqueeze", value, integers(*axes))

    def concat(self, values: Sequence[Operand], axis: int) -> Value:
        """The values side by side."""
        if len(values) == 1:
            return self._name(values[0])
        return self.add("Concat", *values, axis=axis)

    def reduce(self, kind: str, value: Value, axis: int, *, keepdims: bool = False) -> Value:
        """The "Sum", "Max" or "Min" over an axis."""
        return self.add(f"Reduce{kind}", value, integers(axis), keepdims=int(keepdims))

    def cut(self, value: Value, axis: int, start: Operand, stop: Operand) -> Value:
        """The slice of an axis; the bounds are of shape (1,)."""
        return self.add("Slice", value, start, stop, integers(axis))

    def _name(self, operand: Operand) -> Value:
        if operand is None:
            return ""
        if isinstance(operand, str):
            return operand
        array = np.asarray(operand, order="C")
        content = tuple(array.tolist()) if array.dtype == object else array.tobytes()
        key = (array.dtype.str, array.shape, content)
        name = f"constant_{len(self._constants)}"
        return self._constants.setdefault(key, (name, array))[0]

    def _code(self, dtype: npt.DTypeLike) -> int:
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _describe(self, name: str, dtype: npt.DTypeLike, shape: Sequence[str | int]) -> Any:
        return self._onnx.helper.make_tensor_value_info(name, self._code(dtype), list(shape))


@dataclass(frozen=True)
class Padded:
    """Padded sequences in a graph: values (B, T, ...), and lengths (B,), int64.

    Without lengths nothing is padding, and what counts real timesteps is not available.
    """

    graph: Graph
    values: Value
    lengths: Value | None

    def with_values(self, values: Value) -> Padded:
        """Other values of the same timesteps."""
        return Padded(self.graph, values, self.lengths)

    @property
    def n_timesteps(self) -> Value:
        """T, of shape (1,)."""
        return self.graph.add("Shape", self.values, start=1, end=2)

    @property
    def steps(self) -> Value:
        """0 to T - 1, of shape (T,)."""
        stop = self.graph.add("Squeeze", self.n_timesteps)
        return self.graph.add("Range", np.int64(0), stop, np.int64(1))

    def mask(self, order: str, *, shift: int = 0) -> Value:
        """Whether timestep + shift is real; of shape (B, T, 1) for "BT1" and so on."""
        graph = self.graph
        steps = graph.unsqueeze(self.steps, *(i for i, axis in enumerate(order) if axis != "T"))
        lengths = self.lengths
        assert lengths is not None
        if shift:
            lengths = graph.add("Sub", lengths, np.int64(shift))
        lengths = graph.unsqueeze(lengths, *(i for i, axis in enumerate(order) if axis != "B"))
        return graph.add("Less", steps, lengths)

    def masked(self, fill: np.generic) -> Padded:
        """The sequences (B, T, F), or ids (B, T) for an integer, with this value as padding."""
        if self.lengths is None:
            return self
        order = "BT" if isinstance(fill, np.integer) else "BT1"
        return self.with_values(self.graph.add("Where", self.mask(order), self.values, fill))

    def n_real(self, dtype: npt.DTypeLike, *axes: int) -> Value:
        """Lengths as numbers to divide by, with new axes."""
        assert self.lengths is not None
        return self.graph.unsqueeze(self.graph.cast(self.lengths, dtype), *axes)

    def padded_to_multiple(self, size: int) -> Padded:
        """The sequences (B, T, F) with zeros up to a multiple of ``size`` timesteps."""
        if size == 1:
            return self
        graph = self.graph
        missing = graph.add("Mod", graph.add("Neg", self.n_timesteps), integers(size))
        pads = graph.concat([integers(0, 0, 0, 0), missing, integers(0)], 0)
        return self.with_values(graph.add("Pad", self.values, pads))

    def patches(self, size: int, n_features: int) -> Padded:
        """Each ``size`` consecutive timesteps as one, (B, W, size * F)."""
        if size == 1:
            return self
        graph = self.graph
        assert self.lengths is not None
        values = self.padded_to_multiple(size).values
        longer = graph.add("Add", self.lengths, np.int64(size - 1))
        n_patches = graph.add("Div", longer, np.int64(size))
        return Padded(graph, graph.reshape(values, 0, -1, size * n_features), n_patches)


def _version() -> str:
    return str(import_module("sklstm").__version__)


def integers(*values: int) -> Array:
    """A constant of int64."""
    return np.array(values, dtype=np.int64)


def numbers(tensor: Tensor) -> Array:
    """A tensor as an array of float32."""
    return tensor.detach().cpu().float().numpy()
