"""Categories among inputs: codes as one-hot or learnt vectors, and static columns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Size of the vector of one of n categories: a rule of thumb of fastai's tabular models, bounded.
FACTOR, EXPONENT, LARGEST_SIZE = 1.6, 0.56, 32
# Norm of a vector of static columns whose elements have variance 1. A few columns would be learnt
# later than the noise of a hundred pooled states, which are smaller (benchmarks/LOG.md).
NORM = 50.0
# Largest standardised number: one outlier must not make outputs infinite.
LARGEST = 1e4


class OneHot(nn.Module):
    """Inputs whose last columns are codes of categories, with one column for each category.

    Code 0 is no category, such as an unknown one: all its columns are 0.

    Parameters
    ----------
    n_numbers : int
        Number of columns before the codes, which stay as they are.
    n_categories : sequence of int
        Number of categories m of each column of codes; the codes are 0 to m.
    """

    def __init__(self, n_numbers: int, n_categories: Sequence[int]) -> None:
        super().__init__()
        self.n_numbers = n_numbers
        self.n_categories = tuple(n_categories)
        self.output_size = n_numbers + sum(n_categories)

    def forward(self, inputs: Tensor) -> Tensor:
        """Numbers and one-hot vectors, shape (..., output_size), float32."""
        return torch.cat([self._numbers(inputs), *self._one_hot(inputs)], dim=-1)

    def _numbers(self, inputs: Tensor) -> Tensor:
        return inputs[..., : self.n_numbers].float()

    def _one_hot(self, inputs: Tensor) -> list[Tensor]:
        codes = inputs[..., self.n_numbers :].unbind(-1)
        return [_one_hot(*pair) for pair in zip(codes, self.n_categories, strict=True)]


class CategoryEmbedding(OneHot):
    """The same with a learnt vector for each category instead of a one-hot one.

    The vector of no category is 0 and is not trained.
    """

    def __init__(self, n_numbers: int, n_categories: Sequence[int]) -> None:
        super().__init__(n_numbers, n_categories)
        sizes = [embedding_size(n) for n in n_categories]
        self.vectors = nn.ParameterList(
            nn.Parameter(nn.init.normal_(torch.empty(n, size), std=0.1))
            for n, size in zip(n_categories, sizes, strict=True)
        )
        self.output_size = n_numbers + sum(sizes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Numbers and vectors, shape (..., output_size), float32."""
        pairs = zip(self._one_hot(inputs), self.vectors, strict=True)
        # A product and no lookup: its gradient is the same bits each time on a GPU, too.
        embedded = [one_hot @ vectors for one_hot, vectors in pairs]
        return torch.cat([self._numbers(inputs), *embedded], dim=-1)


class StaticEncoder(nn.Module):
    """Encoder of static columns: numbers, missing indicators and categories.

    Numbers are standardised by moments that the estimator fits to its training sequences, and
    clipped to 10,000. Missing numbers become 0. Columns with missing numbers in the training
    sequences have a missing indicator.

    Parameters
    ----------
    n_numbers : int
        Number of columns of numbers, NaN if missing. They come first.
    n_categories : sequence of int, default=()
        Number of categories of each column of codes: 0 for no category, then 1, 2 and so on.
    """

    mean: Tensor
    scale: Tensor
    may_be_missing: Tensor

    def __init__(self, n_numbers: int, n_categories: Sequence[int] = ()) -> None:
        super().__init__()
        # The sum of two numbers of float32: of a time in seconds one has a resolution of 128.
        self.register_buffer("mean", torch.zeros(2, n_numbers))
        self.register_buffer("scale", torch.ones(n_numbers))
        self.register_buffer("may_be_missing", torch.zeros(n_numbers))
        self.n_numbers = n_numbers
        self.one_hot = OneHot(2 * n_numbers, n_categories)
        self.embedding = CategoryEmbedding(2 * n_numbers, n_categories)
        self.output_size = width_of_static(n_numbers, n_categories)
        self.factor = NORM / max(1, self.output_size) ** 0.5

    def fit(self, numbers_BN: Tensor, weights_B: Tensor) -> None:
        """Set the moments to those of numbers (B, N), float64, NaN where missing."""
        known_BN = ~numbers_BN.isnan()
        numbers_BN = numbers_BN.nan_to_num()
        weights_BN = weights_B.double().unsqueeze(1) * known_BN
        totals_N = weights_BN.sum(dim=0).clamp(min=torch.finfo(torch.float64).tiny)
        mean_N = (weights_BN * numbers_BN).sum(dim=0) / totals_N
        variance_N = (weights_BN * (numbers_BN - mean_N).square()).sum(dim=0) / totals_N
        scale_N = variance_N.sqrt().float()
        # Of a constant column rounding errors are left.
        is_constant_N = scale_N <= 1e-12 * mean_N.abs()
        self.mean[0] = mean_N
        self.mean[1] = mean_N - self.mean[0].double()
        self.scale.copy_(torch.where(is_constant_N, 1.0, scale_N))
        self.may_be_missing.copy_(~known_BN.all(dim=0))

    def forward(self, static_BS: Tensor) -> Tensor:
        """Encode static columns (B, S) as vectors of shape (B, output_size), float32."""
        encoded_BD: Tensor = self.factor * self.embedding(self._encode(static_BS))
        return encoded_BD

    def expand(self, static_BS: Tensor) -> Tensor:
        """The same with one-hot vectors of categories, for a linear model, (B, P)."""
        expanded_BP: Tensor = self.one_hot(self._encode(static_BS))
        return expanded_BP

    def _encode(self, static_BS: Tensor) -> Tensor:
        """Standardised numbers, indicators of missing ones, and codes; float64."""
        numbers_BN, codes_BQ = static_BS[:, : self.n_numbers], static_BS[:, self.n_numbers :]
        scaled_BN = (numbers_BN - self.mean[0].double() - self.mean[1].double()) / self.scale
        scaled_BN = scaled_BN.clamp(-LARGEST, LARGEST)
        missing_BN = numbers_BN.isnan() * self.may_be_missing
        return torch.cat([scaled_BN.nan_to_num(nan=0.0), missing_BN, codes_BQ], dim=1)


def width_of_static(n_numbers: int, n_categories: Sequence[int]) -> int:
    """Size of the vector of static columns."""
    return 2 * n_numbers + sum(map(embedding_size, n_categories))


def embedding_size(n_categories: int) -> int:
    """2 categories -> 3, 10 -> 6, 50 -> 15, 255 -> 32."""
    return min(LARGEST_SIZE, -int(-FACTOR * n_categories**EXPONENT // 1))


def _one_hot(codes: Tensor, n_categories: int) -> Tensor:
    categories = torch.arange(1, n_categories + 1, device=codes.device, dtype=codes.dtype)
    return (codes.unsqueeze(-1) == categories).float()
