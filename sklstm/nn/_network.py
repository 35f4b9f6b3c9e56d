"""Complete network: inputs to logits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from sklstm._runtime._concurrency import in_background
from sklstm.nn._categories import CategoryEmbedding, StaticEncoder
from sklstm.nn._convolution import ConvolutionBranch
from sklstm.nn._dropout import Dropout
from sklstm.nn._encoder import LSTMEncoder
from sklstm.nn._head import DenseHead
from sklstm.nn._pooling import build_pooling, padding_mask


class SequenceNetwork(nn.Module):
    """LSTM layers, pooling over time, a parallel convolutional branch and a dense head.

    Parameters
    ----------
    n_features : int
        Number of features of a timestep, or size of the embedding.
    n_classes : int
        Number of logits.
    hidden_sizes : sequence of int, default=(64,)
        Number of units of each stacked LSTM layer.
    bidirectional : bool, default=False
        Whether the LSTM layers are bidirectional.
    pooling : {"attention", "last", "max", "mean"}, default="last"
        Pooling of the hidden states over time.
    patch_size : int, default=1
        Number of consecutive timesteps concatenated into one step. The last patch of a sequence is
        padded with zeros.
    conv_filters : sequence of int, default=()
        Number of filters of each layer of a `ConvolutionBranch`, whose output is concatenated to
        the pooled states. () means no branch.
    dense_sizes : sequence of int, default=()
        Number of units of each dense ReLU layer between pooling and output.
    dropout : float, default=0.0
        Dropout rate, applied to embedded tokens, between LSTM layers, after pooling and after each
        dense layer.
    embedding : nn.Embedding, default=None
        Embedding of token ids (B, T), with id 0 as padding. None means that the inputs are
        features.
    n_categories : sequence of int, default=()
        Number of categories of each further column of the inputs, after the features, which holds
        codes: 0 for no category, then 1, 2 and so on. Each code has a learned vector.
    static : StaticEncoder, default=None
        Encoder of static columns, whose output is concatenated to the pooled states.
    precision : {"float32", "bfloat16", "tf32"}, default="float32"
        Precision of LSTM layers, convolutions and attention pooling. Weights, pooled vectors and
        logits are float32.

        - "float32": full precision
        - "bfloat16": float32 on a processor without bfloat16 kernels for LSTMs
        - "tf32": float32 in this module. Enable TensorFloat-32 in torch's settings of cuDNN

    Examples
    --------
    >>> import torch
    >>> from sklstm.nn import SequenceNetwork
    >>> network = SequenceNetwork(n_features=3, n_classes=5, hidden_sizes=(16, 8), pooling="max")
    >>> inputs = torch.zeros(2, 7, 3)
    >>> network(inputs, lengths_B=torch.tensor([7, 4])).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        *,
        hidden_sizes: Sequence[int] = (64,),
        bidirectional: bool = False,
        pooling: str = "last",
        patch_size: int = 1,
        conv_filters: Sequence[int] = (),
        dense_sizes: Sequence[int] = (),
        dropout: float = 0.0,
        embedding: nn.Embedding | None = None,
        n_categories: Sequence[int] = (),
        static: StaticEncoder | None = None,
        precision: str = "float32",
    ) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.categories: CategoryEmbedding | None = None
        if n_categories:
            self.categories = CategoryEmbedding(n_features, n_categories)
            n_features = self.categories.output_size
        self.patch_size = patch_size
        self.precision = precision
        self.embedding = embedding
        self.embedding_dropout = Dropout(dropout)
        self.encoder = LSTMEncoder(
            n_features * patch_size, hidden_sizes, bidirectional=bidirectional, dropout=dropout
        )
        self.pooling = build_pooling(pooling, self.encoder.output_size)
        if self.pooling.by_direction:
            self.encoder.pool_directions(self.pooling)
        self.output_size = self.encoder.output_size
        self.convolutions: ConvolutionBranch | None = None
        if conv_filters:
            self.convolutions = ConvolutionBranch(n_features * patch_size, conv_filters)
            self.output_size += self.convolutions.output_size
        self.static = static
        if static is not None:
            self.output_size += static.output_size
        self.head = DenseHead(self.output_size, dense_sizes, n_classes, dropout=dropout)

    def forward(
        self,
        inputs: Tensor,
        lengths_B: Tensor | None = None,
        static_BS: Tensor | None = None,
        mixup_weights_B: Tensor | None = None,
    ) -> Tensor:
        """Compute logits, shape (B, C).

        Parameters
        ----------
        inputs : Tensor of shape (B, T, F), or of token ids (B, T) with an embedding
            Right-padded sequences. Padding may hold any values, including NaN.
        lengths_B : Tensor of shape (B,), int64, default=None
            Number of timesteps of each sequence, from 1 to T. None means T for all.
        static_BS : Tensor of shape (B, S), float64, default=None
            Static columns, if there is a `StaticEncoder`.
        mixup_weights_B : Tensor of shape (B,), float32, default=None
            Coefficients w in [0, 1] of mixup: sequence i becomes w[i] * x[i] + (1 - w[i]) * x[i -
            1], cyclically within the batch, with the length of sequence i. None means no mixup.
        """
        return self.classify(self.embed(inputs, lengths_B, static_BS, mixup_weights_B))

    def embed(
        self,
        inputs: Tensor,
        lengths_B: Tensor | None = None,
        static_BS: Tensor | None = None,
        mixup_weights_B: Tensor | None = None,
    ) -> Tensor:
        """Pooled vectors, shape (B, D), the encoded static columns last.

        ``mixup_weights_B`` w of shape (B,), float32, from 0 to 1, apply mixup [1]_: sequence i
        becomes w[i] * x[i] + (1 - w[i]) * x[i - 1], cyclically within the batch. The mixture has
        the length of sequence i; the other one is truncated or padded with zeros.

        References
        ----------
        .. [1] H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, "mixup: Beyond Empirical Risk
           Minimization", ICLR 2018.
        """
        if lengths_B is not None:
            # Zero the padding first: NaN in it would reach the gradient as 0 * NaN.
            is_padding_BT = ~padding_mask(lengths_B, inputs.shape[1])
            is_padding = is_padding_BT if inputs.ndim == 2 else is_padding_BT.unsqueeze(2)
            inputs = inputs.masked_fill(is_padding, 0)
        inputs_BTF = inputs
        if self.embedding is not None:
            inputs_BTF = self.embedding_dropout(self.embedding(inputs))
        if self.categories is not None:
            inputs_BTF = self.categories(inputs)
        if mixup_weights_B is not None:
            inputs_BTF = mixup(inputs_BTF, mixup_weights_B)
            if lengths_B is not None:
                inputs_BTF = inputs_BTF.masked_fill(is_padding_BT.unsqueeze(2), 0)
        if self.precision != "bfloat16" or not lstm_takes_bfloat16(inputs_BTF.device.type):
            pooled_BD = self._encode(inputs_BTF, lengths_B)
        else:
            with torch.autocast(inputs_BTF.device.type, torch.bfloat16):
                pooled_BD = self._encode(inputs_BTF, lengths_B).float()
        if self.static is None:
            return pooled_BD
        encoded_BD = self.static(static_BS)
        if mixup_weights_B is not None:
            weights_B1 = mixup_weights_B.unsqueeze(1)
            encoded_BD = torch.lerp(encoded_BD.roll(1, dims=0), encoded_BD, weights_B1)
        return torch.cat([pooled_BD, encoded_BD], dim=1)

    def _encode(self, inputs_BTF: Tensor, lengths_B: Tensor | None) -> Tensor:
        patches_BPF, n_patches_B = as_patches(inputs_BTF, lengths_B, self.patch_size)
        if self.convolutions is None:
            return self._read(patches_BPF, n_patches_B)
        # Started first, since it takes longest.
        convolved_BD = in_background(self.convolutions, patches_BPF, n_patches_B)
        # A separate node for both LSTM directions: gradients of three consumers of one node would
        # be summed in an order that depends on timing; two commute.
        pooled_BD = self._read(patches_BPF.view_as(patches_BPF), n_patches_B)
        return torch.cat([pooled_BD, convolved_BD()], dim=1)

    def _read(self, inputs_BTF: Tensor, lengths_B: Tensor | None) -> Tensor:
        """Pooled states of the LSTM layers, shape (B, D)."""
        states: Tensor = self.encoder(inputs_BTF, lengths_B)
        if self.pooling.by_direction:
            return states
        pooled_BD: Tensor = self.pooling(states, lengths_B)
        return pooled_BD

    def classify(self, pooled_BD: Tensor) -> Tensor:
        """Logits of pooled vectors, shape (B, C)."""
        logits_BC: Tensor = self.head(pooled_BD)
        return logits_BC

    @torch.no_grad()
    def shift(self, by_C: Tensor) -> None:
        """Add a constant to each logit."""
        self.head.get_parameter(f"{len(self.head) - 1}.bias").add_(by_C)

    @property
    def n_branches(self) -> int:
        """Number of branches that can be computed in parallel."""
        return 1 + self.encoder.bidirectional + (self.convolutions is not None)

    def weight_matrices(self) -> list[nn.Parameter]:
        """Parameters that L1 and L2 penalties apply to: no biases, no embedding."""
        parts = (self.encoder, self.pooling, self.convolutions, self.head)
        return [p for part in parts if part is not None for p in part.parameters() if p.ndim > 1]


def mixup(values_BTF: Tensor, weights_B: Tensor) -> Tensor:
    """Mix each sequence, by its weight, with the one before it in the batch, cyclically."""
    # Time-major in memory, as in the LSTM kernels.
    values_TBF = values_BTF.transpose(0, 1)
    mixed_TBF = torch.lerp(values_TBF.roll(1, dims=1), values_TBF, weights_B.unsqueeze(1))
    return mixed_TBF.transpose(0, 1)


def as_patches(
    values_BTF: Tensor, lengths_B: Tensor | None, size: int
) -> tuple[Tensor, Tensor | None]:
    """Concatenate each ``size`` consecutive timesteps to a patch; patches and their numbers.

    Size 2: timesteps [a, b, c] of a feature -> [[a, b], [c, 0]].
    """
    if size == 1:
        return values_BTF, lengths_B
    batch_size, n_timesteps, n_features = values_BTF.shape
    # Time-major in memory, as in the LSTM kernels.
    values_TBF = nn.functional.pad(values_BTF.transpose(0, 1), (0, 0, 0, 0, 0, -n_timesteps % size))
    by_patch = values_TBF.view(-1, size, batch_size, n_features).transpose(1, 2)
    patches_BPF = by_patch.reshape(-1, batch_size, size * n_features).transpose(0, 1)
    return patches_BPF, None if lengths_B is None else (lengths_B + size - 1) // size


@cache
def lstm_takes_bfloat16(device_type: str) -> bool:
    """Whether LSTMs can run in bfloat16; on a CPU oneDNN requires AVX-512."""
    if device_type != "cpu":
        return True
    # Built on "meta", which does not draw from the caller's generator.
    lstm = nn.LSTM(1, 1, device="meta", dtype=torch.float32).to_empty(device="cpu")
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            lstm(torch.zeros(1, 1, 1, dtype=torch.float32, device="cpu"))
    except RuntimeError:
        return False
    return True
