"""Linear model of TF-IDF of tokens and of pairs of tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklstm._sequences import PADDING_ID
from sklstm.nn._pooling import padding_mask

# Number of buckets of pairs, for each token of the vocabulary: fewer and more were no better
# (benchmarks/LOG.md).
BUCKETS_PER_TOKEN = 4
# A prime: it spreads pairs over any number of buckets but its multiples.
FACTOR = 1_000_003
# Smallest norm that something is divided by.
SMALLEST_NORM = 1e-6


class TfidfLinear(nn.Module):
    r"""Linear model of TF-IDF of tokens and of pairs of consecutive tokens.

    A term is a token, or a pair of consecutive tokens; pairs share a number of buckets, by a hash
    of theirs [1]_. With the weight :math:`w_k` and the inverse document frequency :math:`d_k` of
    term :math:`k`, and :math:`k_1, \ldots, k_n` as the terms of a sequence, the outputs are

    .. math::

        \frac{\sum_i d_{k_i} w_{k_i}}{\sqrt{\sum_i d_{k_i}^2}} + b

    which differs from scikit-learn's ``TfidfVectorizer`` in the norm only: that of a term that
    occurs several times grows with the root of its count.

    Nothing is trained by gradients: an estimator fits the model, of classes as a logistic
    regression. Before, the outputs are 0.

    Parameters
    ----------
    vocabulary_size : int
        Number of token ids, padding (0) included.
    n_outputs : int
        Number of outputs.

    References
    ----------
    .. [1] A. Joulin, E. Grave, P. Bojanowski, T. Mikolov, "Bag of Tricks for Efficient Text
       Classification", EACL 2017.
    """

    def __init__(self, vocabulary_size: int, n_outputs: int) -> None:
        super().__init__()
        self.vocabulary_size = vocabulary_size
        self.n_buckets = BUCKETS_PER_TOKEN * vocabulary_size
        self.n_terms = vocabulary_size + self.n_buckets
        # Of each term the weight of each output times its inverse document frequency, and the
        # square of the latter. Of padding these are 0.
        self.table = nn.Parameter(torch.zeros(self.n_terms, n_outputs + 1), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(n_outputs), requires_grad=False)

    def set(self, idf_K: Tensor, weight_CK: Tensor, bias_C: Tensor) -> None:
        """Set inverse document frequencies and weights of all terms, and the biases."""
        with torch.no_grad():
            self.table[:, :-1] = (weight_CK * idf_K).T
            self.table[:, -1] = idf_K.square()
            self.table[PADDING_ID] = 0
            self.bias.copy_(bias_C)

    def forward(self, ids_BT: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Outputs, shape (B, C); padding may hold any ids.

        ``lengths_B`` are the numbers of tokens of the sequences; None means T for all. Results are
        bit-identical for any batch composition.
        """
        # A bag is summed in order, and padding adds 0.
        sums_BC = nn.functional.embedding_bag(self.terms(ids_BT, lengths_B), self.table, mode="sum")
        norms_B1 = sums_BC[:, -1:].clamp(min=SMALLEST_NORM**2).sqrt()
        return sums_BC[:, :-1] / norms_B1 + self.bias

    def terms(self, ids_BT: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Numbers of the tokens and then of the pairs, shape (B, 2 T); 0 where there is none.

        Number k < V is token k, and V + j is bucket j.
        """
        ids_BT = without_padding(ids_BT, lengths_B)
        following_BT = nn.functional.pad(ids_BT[:, 1:], (0, 1), value=PADDING_ID)
        pairs_BT = self.vocabulary_size + (ids_BT * FACTOR + following_BT) % self.n_buckets
        is_pair_BT = (ids_BT != PADDING_ID) & (following_BT != PADDING_ID)
        pairs_BT = pairs_BT.masked_fill(~is_pair_BT, PADDING_ID)
        return torch.cat([ids_BT, pairs_BT], dim=1)


def without_padding(ids_BT: Tensor, lengths_B: Tensor | None) -> Tensor:
    """Token ids with 0 as padding, whatever it held."""
    if lengths_B is None:
        return ids_BT
    return ids_BT.masked_fill(~padding_mask(lengths_B, ids_BT.shape[1]), PADDING_ID)
