"""Summaries of models: layers, sizes and costs, as text and as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from sklstm._tables import aligned, html_table

COLUMNS = ("Layer (type)", "Output shape", "Parameters", "Fixed", "Multiplications")
# Of the columns, those at the beginning that are texts.
N_TEXTS = 2


@dataclass(frozen=True)
class LayerSummary:
    """A layer of a model.

    Attributes
    ----------
    name : str
        Name in ``net_.module_``, for ``get_submodule``. For pooling, the name in ``named_modules``.
    kind : str
        Kind of layer.
    output_shape : tuple of str and int
        Shape of the output, with the symbols of `ModelSummary`.
    n_trained : int
        Number of parameters trained by gradients.
    n_fixed : int
        Number of other parameters, including statistics of batch normalisation.
    n_bytes : int
        Memory of all parameters, in bytes.
    n_multiplications : int
        Number of multiplications of matrix products and convolutions, per ``per``.
    per : {"patch", "sequence", "timestep"}
        Unit of ``n_multiplications``.
    """

    name: str
    kind: str
    output_shape: tuple[str | int, ...]
    n_trained: int
    n_fixed: int
    n_bytes: int
    n_multiplications: int
    per: str


@dataclass(frozen=True)
class ModelSummary:
    """Layers of a model with sizes and costs, as returned by `summary`.

    Attributes
    ----------
    model : str
        Name of the class, after the names of earlier steps of a pipeline.
    layers : tuple of LayerSummary
        The layers, in the order of computation.
    patch_size : int
        Number of timesteps per step of the LSTM layers: of a patch, or of a window of fixed
        convolutions.
    n_timesteps : int
        Length of a typical training sequence.
    seconds_per_epoch : float or None
        Median duration of an epoch in seconds, estimated before a fit. None if no epoch was
        completed.
    n_epochs : int or None
        Number of epochs of the fit. None before a fit.
    """

    model: str
    layers: tuple[LayerSummary, ...]
    patch_size: int
    n_timesteps: int
    seconds_per_epoch: float | None
    n_epochs: int | None

    @property
    def n_trained(self) -> int:
        """Number of parameters trained by gradients."""
        return sum(layer.n_trained for layer in self.layers)

    @property
    def n_fixed(self) -> int:
        """Number of all other parameters."""
        return sum(layer.n_fixed for layer in self.layers)

    @property
    def n_parameters(self) -> int:
        """Number of all parameters."""
        return self.n_trained + self.n_fixed

    @property
    def n_bytes(self) -> int:
        """Memory of all parameters, in bytes."""
        return sum(layer.n_bytes for layer in self.layers)

    def n_multiplications(self, n_timesteps: int | None = None) -> int:
        """Compute the number of multiplications of a prediction for one sequence.

        Only those of matrix products and convolutions are counted, which are almost all. A training
        step takes about three times as many.

        Parameters
        ----------
        n_timesteps : int, default=None
            Length of the sequence. None means ``n_timesteps`` of the summary.
        """
        n_timesteps = self.n_timesteps if n_timesteps is None else n_timesteps
        times = {"timestep": n_timesteps, "patch": -(-n_timesteps // self.patch_size)}
        return sum(layer.n_multiplications * times.get(layer.per, 1) for layer in self.layers)

    def __str__(self) -> str:
        """The summary as a table of plain text, with totals below."""
        lines = aligned([COLUMNS, *map(_cells, self.layers)], N_TEXTS)
        rule = "=" * len(lines[0])
        head = [self.model, rule, lines[0], rule]
        return "\n".join([*head, *lines[1:], rule, *self._totals()])

    def _repr_html_(self) -> str:
        """The summary as a table of HTML, as notebooks show it."""
        table = html_table([COLUMNS, *map(_cells, self.layers)], N_TEXTS, caption=self.model)
        return f"{table}<p>{'<br>'.join(map(escape, self._totals()))}</p>"

    def _totals(self) -> list[str]:
        lines = [
            f"Parameters: {self.n_parameters:,} ({_in_units(self.n_bytes)}),"
            f" trained: {self.n_trained:,}, fixed: {self.n_fixed:,}",
            f"Multiplications: {self.n_multiplications():,} for a sequence of"
            f" {self.n_timesteps} timesteps",
            self._time(),
            "B: sequences of a batch, T: timesteps",
        ]
        if self.patch_size > 1:
            lines[-1] += f", P: patches of {self.patch_size} timesteps"
        return lines

    def _time(self) -> str:
        if self.seconds_per_epoch is None:
            return "Time: unknown, no epoch was whole"
        if self.n_epochs is None:
            return f"Time: about {self.seconds_per_epoch:.2g} s an epoch, estimated"
        return f"Time: {self.seconds_per_epoch:.3g} s an epoch, in the fit of {self.n_epochs}"


def _cells(layer: LayerSummary) -> tuple[str, ...]:
    cost = f"{layer.n_multiplications:,} / {layer.per}" if layer.n_multiplications else "0"
    return (
        f"{layer.name} ({layer.kind})",
        f"({', '.join(map(str, layer.output_shape))})",
        f"{layer.n_trained:,}",
        f"{layer.n_fixed:,}",
        cost,
    )


def _in_units(n_bytes: int) -> str:
    for unit, size in (("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes} bytes"
