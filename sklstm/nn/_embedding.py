"""Embedding of token ids."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def build_embedding(
    vocabulary_size: int, embedding_dim: int, weights: Tensor | None = None, *, freeze: bool = False
) -> nn.Embedding:
    """Build an embedding with padding id 0, whose vector is 0 and is not trained.

    Parameters
    ----------
    vocabulary_size : int
        Number of token ids, including padding.
    embedding_dim : int
        Embedding dimension.
    weights : Tensor of shape (vocabulary_size, embedding_dim), default=None
        Pretrained vectors; None draws them from N(0, 0.1**2).
    freeze : bool, default=False
        Whether the vectors are not trained.
    """
    embedding = nn.Embedding(vocabulary_size, embedding_dim, padding_idx=0)
    with torch.no_grad():
        if weights is None:
            nn.init.normal_(embedding.weight, std=0.1)
        else:
            embedding.weight.copy_(weights)
        embedding.weight[0].zero_()
    embedding.weight.requires_grad_(not freeze)
    return embedding
