"""Integrated gradients of fitted models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sklstm._batching._buckets import prediction_batches
from sklstm._batching._loader import PaddedInputs
from sklstm._sequences import Array
from sklstm.inspection._baselines import Pair
from sklstm.inspection._expanded import (
    expand_codes,
    expand_static,
    expanded_network,
    sum_of_outputs,
    sum_of_window_outputs,
)
from sklstm.inspection._explained import Explained
from sklstm.inspection._path import Integral, integrate
from sklstm.inspection._secants import attribute_summaries
from sklstm.inspection._terms import attribute_terms
from sklstm.nn import ConvolutionEnsemble, FixedConvolutions, SequenceNetwork, TokenEnsemble
from sklstm.nn._ensemble import Ensemble, network_of
from sklstm.nn._pooling import is_padding
from sklstm.nn._tfidf import without_padding

# Numbers that the network reads of a batch, of which a gradient is kept for each point of the path,
# and sequences; and timesteps that gradients are computed of at a time.
MAX_NUMBERS, MAX_SEQUENCES = 2**17, 32
MAX_ROWS = {"cpu": 8192, "cuda": 2**18}


class Parts(NamedTuple):
    """Attributions of a batch: of cells (B, T, D), of static numbers (B, P), and errors (B,)."""

    cells: Tensor
    static: Tensor | None
    errors: Array


@dataclass(frozen=True, eq=False)
class Integration:
    """A model, and how accurately it is integrated.

    Attributes
    ----------
    module : SequenceNetwork or Ensemble
    network : SequenceNetwork
        A copy of its network that reads vectors, see `expanded_network`.
    tol : float
    max_nodes : int
    """

    module: SequenceNetwork | Ensemble
    network: SequenceNetwork
    tol: float
    max_nodes: int

    @property
    def original(self) -> SequenceNetwork:
        """The network itself, which reads ids and codes."""
        return network_of(self.module)

    def integrate(self, weights_BC: Tensor, given: PaddedInputs, baseline: PaddedInputs) -> Parts:
        """Attributions of a batch of one kind of model."""
        if given.values.ndim == 2:
            return self._of_tokens(weights_BC, given, baseline)
        if isinstance(self.module, ConvolutionEnsemble):
            return self._of_convolutions(self.module, weights_BC, given, baseline)
        return self._of_network(weights_BC, given, baseline)

    def _run(self, function: Callable[..., Tensor], ends: Sequence[tuple[Tensor, Tensor]],
             n_timesteps: int) -> Integral:  # fmt: skip
        device = ends[0][0].device.type
        return integrate(
            function,
            [start for start, _ in ends],
            [end for _, end in ends],
            tol=self.tol,
            max_nodes=self.max_nodes,
            n_rows=max(1, MAX_ROWS[device] // n_timesteps),
        )

    def _static(self, given: PaddedInputs, baseline: PaddedInputs) -> list[tuple[Tensor, Tensor]]:
        """Start and end of the static columns, expanded, if the network reads such."""
        if given.static is None or baseline.static is None:
            return []
        ends = [expand_static(self.original, part) for part in (baseline.static, given.static)]
        return list(zip(*ends, strict=True))

    def _of_network(self, weights_BC: Tensor, given: PaddedInputs, baseline: PaddedInputs) -> Parts:
        """Of a network of measurements alone."""
        start, end = (expand_codes(self.original, part.values) for part in (baseline, given))
        ends = [(start, end), *self._static(given, baseline)]
        function = sum_of_outputs(self.network, given.lengths, weights_BC)
        return _parts(self._run(function, ends, end.shape[1]), ends)

    def _of_convolutions(
        self,
        ensemble: ConvolutionEnsemble,
        weights_BC: Tensor,
        given: PaddedInputs,
        baseline: PaddedInputs,
    ) -> Parts:
        """Of a network beside, or behind, fixed convolutions."""
        convolutions, lengths_B = ensemble.convolutions, given.lengths
        of_network_BC, of_linear_BC = (share * weights_BC for share in ensemble.shares)
        inputs = [_masked(part) for part in (baseline, given)]
        start, end = map(convolutions.expand, inputs)
        with torch.no_grad():
            values = [convolutions.with_differences(part, lengths_B) for part in (start, end)]
        static = self._static(given, baseline)
        weights_BP = of_linear_BC @ ensemble.linear.weight
        of_summaries = attribute_summaries(convolutions, values, lengths_B, weights_BP)
        of_cells = _shared(convolutions, of_summaries, (start, end))
        if convolutions.window_size is None:
            parts = self._of_network(of_network_BC, given, baseline)
        else:
            first, last = (part.permute(2, 0, 1, 3) for part in values)
            ends = [(first, last), (start, end), *static]
            function = sum_of_window_outputs(self.network, convolutions, lengths_B, of_network_BC)
            integral = self._run(function, ends, end.shape[1])
            of_values, *others = integral.gradients
            parts = _parts(Integral(others, integral.errors), ends[1:])
            of_windows = of_values.permute(1, 2, 0, 3) * (values[1] - values[0])
            of_cells += _shared(convolutions, of_windows, (start, end))
        of_static_BP = weights_BP[:, convolutions.n_features :]
        return _with_linear(parts._replace(cells=parts.cells + of_cells), of_static_BP, static)

    def _of_tokens(self, weights_BC: Tensor, given: PaddedInputs, baseline: PaddedInputs) -> Parts:
        """Of a network of token ids; cells (B, T, 1)."""
        static, module = self._static(given, baseline), self.module
        ids = [without_padding(part.values, part.lengths) for part in (baseline, given)]
        if not isinstance(module, TokenEnsemble):
            return self._of_vectors(weights_BC, ids, given.lengths, static)
        read = [module.read(ids_BT) for ids_BT in ids]
        parts = self._of_vectors(module.shares[0] * weights_BC, read, given.lengths, static)
        of_linear_BC = module.shares[1] * weights_BC
        with torch.no_grad():
            of_terms_BT = attribute_terms(module.linear, ids[1], ids[0], of_linear_BC)
        parts = parts._replace(cells=parts.cells + of_terms_BT.unsqueeze(2))
        if module.linear_static is None:
            return parts
        return _with_linear(parts, of_linear_BC @ module.linear_static.weight, static)

    def _of_vectors(
        self,
        weights_BC: Tensor,
        ids: Sequence[Tensor],
        lengths_B: Tensor | None,
        static: Sequence[tuple[Tensor, Tensor]],
    ) -> Parts:
        """Of a network that looks up the vectors of ids, those of the baseline first."""
        embedding = self.original.embedding
        assert embedding is not None
        with torch.no_grad():
            start, end = map(embedding, ids)
        ends = [(start, end), *static]
        function = sum_of_outputs(self.network, lengths_B, weights_BC)
        parts = _parts(self._run(function, ends, end.shape[1]), ends)
        return parts._replace(cells=parts.cells.sum(dim=2, keepdim=True))


def _parts(integral: Integral, ends: Sequence[tuple[Tensor, Tensor]]) -> Parts:
    """Mean gradients times differences."""
    found = [
        gradient * (end.double() - start.double())
        for gradient, (start, end) in zip(integral.gradients, ends, strict=True)
    ]
    return Parts(found[0], found[1] if len(found) > 1 else None, integral.errors)


def _with_linear(
    parts: Parts, weights_BP: Tensor, static: Sequence[tuple[Tensor, Tensor]]
) -> Parts:
    """The same with a linear model of static columns, if there are any."""
    if not static:
        return parts
    ((start, end),) = static
    assert parts.static is not None
    return parts._replace(static=parts.static + weights_BP * (end.double() - start.double()))


def _masked(inputs: PaddedInputs) -> Tensor:
    """Values, 0 in the padding."""
    if inputs.lengths is None:
        return inputs.values
    return inputs.values.masked_fill(is_padding(inputs.lengths, inputs.values), 0)


def _shared(
    convolutions: FixedConvolutions, of_values_F2BT: Tensor, ends: tuple[Tensor, Tensor]
) -> Tensor:
    """Attributions of cells (B, T, F), by those of values and of first differences.

    A difference is shared by its two timesteps in proportion to how much each differs from the
    baseline: the one by which it grows and the other by which it shrinks may be large beside it.
    """
    reach = convolutions.reach
    inner = of_values_F2BT[..., reach : of_values_F2BT.shape[3] - reach].double()
    own_BTF, of_differences_BTF = inner.permute(1, 2, 3, 0)
    change_BTF = (ends[1].double() - ends[0].double()).abs()
    following_BTF = torch.nn.functional.pad(change_BTF[:, 1:], (0, 0, 0, 1))
    share_BTF = following_BTF / (following_BTF + change_BTF).clamp(min=1e-12)
    of_following = (of_differences_BTF * share_BTF)[:, :-1]
    of_first = of_differences_BTF * (1 - share_BTF)
    shared: Tensor = own_BTF + of_first
    return shared + torch.nn.functional.pad(of_following, (0, 0, 1, 0))


def integrated_gradients(
    explained: Explained, pair: Pair, weights: Array, *, tol: float, max_nodes: int
) -> tuple[list[Array], Array | None, Array]:
    """Attributions (T_i, F) of each sequence, of static columns (n, S), and errors (n,)."""
    module, device = explained.module, explained.device
    integration = Integration(module, expanded_network(explained.network), tol, max_nodes)
    owners, static_owners = _expanded_owners(explained)
    n = len(pair.lengths)
    cells: list[Array] = [np.empty(0)] * n
    static = None if static_owners is None else np.zeros((n, static_owners.max() + 1))
    errors = np.zeros(n)
    n_timesteps = max(1, MAX_NUMBERS // max(1, explained.fitted.network.n_inputs))
    for indices in prediction_batches(pair.lengths, n_timesteps, MAX_SEQUENCES):
        given, baseline = pair.batch(indices)
        weights_BC = torch.from_numpy(weights[indices]).float().to(device)
        parts = integration.integrate(weights_BC, given, baseline)
        found = gather(parts.cells.cpu().numpy(), owners)
        for place, index in enumerate(indices):
            cells[index] = found[place, : pair.lengths[index]].copy()
        if static is not None and parts.static is not None and static_owners is not None:
            static[indices] = gather(parts.static.cpu().numpy(), static_owners)
        errors[indices] = parts.errors
    return cells, static, errors


def gather(numbers: Array, owners: Array) -> Array:
    """Sum of the last axis by owner."""
    total = np.zeros((*numbers.shape[:-1], owners.max() + 1))
    for place, owner in enumerate(owners):
        total[..., owner] += numbers[..., place]
    return total


def _expanded_owners(explained: Explained) -> tuple[Array, Array | None]:
    """Feature, and static column, that each expanded number belongs to."""
    owners, static_owners = np.zeros(1, dtype=np.int64), None
    network = explained.fitted.network
    if not explained.takes_tokens:
        owners = explained.owners()
        n_numbers = len(owners) - len(network.n_categories)
        owners = np.repeat(owners, [*[1] * n_numbers, *network.n_categories])
    encoder = explained.network.static
    if encoder is not None:
        n, sizes = encoder.n_numbers, encoder.one_hot.n_categories
        of_codes = np.repeat(np.arange(n, n + len(sizes)), sizes)
        static_owners = np.concatenate([np.tile(np.arange(n), 2), of_codes])
    return owners, static_owners
