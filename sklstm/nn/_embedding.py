"""Token ids -> vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def build_embedding(
    vocabulary_size: int, embedding_dim: int, weights: Tensor | None = None, *, freeze: bool = False
) -> nn.Embedding:
    """An embedding whose id 0 is padding: its vector is 0 and stays so.

    Parameters
    ----------
    vocabulary_size : int
        Number of ids, padding included.
    embedding_dim : int
        Width of a vector.
    weights : Tensor of shape (vocabulary_size, embedding_dim), default=None
        Vectors to begin with; None draws them, normal with standard deviation 0.1.
    freeze : bool, default=False
        Whether the vectors stay as they are while training.
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
