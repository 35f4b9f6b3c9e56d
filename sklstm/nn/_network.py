"""The whole network: inputs to logits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from sklstm._runtime._concurrency import in_background
from sklstm.nn._convolution import ConvolutionBranch
from sklstm.nn._dropout import Dropout
from sklstm.nn._encoder import LSTMEncoder
from sklstm.nn._head import DenseHead
from sklstm.nn._pooling import build_pooling, padding_mask


class SequenceNetwork(nn.Module):
    """LSTM layers and a pooling over time, convolutions beside them, and a dense head.

    Parameters
    ----------
    n_features : int
        Features of a timestep; with an embedding, the width of its vectors.
    n_classes : int
        Number of logits.
    hidden_sizes : sequence of int, default=(64,)
        Width of each stacked LSTM layer.
    bidirectional : bool, default=False
        Whether every layer reads both ways.
    pooling : {"last", "mean", "max", "attention"}, default="last"
        How the states of all timesteps become one vector.
    patch_size : int, default=1
        Neighbouring timesteps that the LSTM layers read as one, side by side; the last ones of a
        sequence are filled up with zeros.
    conv_filters : sequence of int, default=()
        Width of each convolutional layer beside the LSTM layers; none if empty. The mean over time
        of the last one is appended to the pooled states.
    conv_kernel_sizes : sequence of int, default=()
        Timesteps that each of them reads at once; patches, if these are larger than 1.
    conv_dilations : sequence of int, default=()
        How far apart these timesteps are; 1 if empty.
    conv_stride : int, default=None
        Timesteps by which the first of them moves on, a divisor of ``patch_size``; of its results
        within a patch the largest goes on. None: a whole patch.
    squeeze_excite : bool, default=False
        Whether each of them but the last weighs its filters by the whole sequence.
    auxiliary_heads : bool, default=False
        Whether the pooled states and the convolutions' mean have a head each besides the common
        one, for `classify_branches`; only with convolutions.
    dense_sizes : sequence of int, default=()
        Widths of dense ReLU layers between the pooled vector and the output.
    dropout : float, default=0.0
        Fraction zeroed between LSTM layers, after pooling and after each dense ReLU layer.
    recurrent_dropout : float, default=0.0
        Fraction of the recurrent weights dropped for a training step.
    embedding : nn.Embedding, default=None
        Maps token ids (B, T) to vectors (B, T, n_features), id 0 being padding; None: the inputs
        are features already.
    embedding_dropout : float, default=0.0
        Fraction of the vectors' values zeroed while training.
    precision : {"float32", "bfloat16"}, default="float32"
        Arithmetic of the LSTM layers, the convolutions and an attention pooling; weights, pooled
        vectors and logits are float32 either way. On a processor without bfloat16 kernels for LSTMs
        all of it is float32.

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
        conv_kernel_sizes: Sequence[int] = (),
        conv_dilations: Sequence[int] = (),
        conv_stride: int | None = None,
        squeeze_excite: bool = False,
        auxiliary_heads: bool = False,
        dense_sizes: Sequence[int] = (),
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        embedding: nn.Embedding | None = None,
        embedding_dropout: float = 0.0,
        precision: str = "float32",
    ) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.patch_size = patch_size
        self.conv_stride = conv_stride or patch_size
        self.precision = precision
        self.embedding = embedding
        self.embedding_dropout = Dropout(embedding_dropout)
        self.encoder = LSTMEncoder(
            n_features * patch_size,
            hidden_sizes,
            bidirectional=bidirectional,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
        )
        self.pooling = build_pooling(pooling, self.encoder.output_size)
        if self.pooling.by_direction:
            self.encoder.pool_directions(self.pooling)
        self.convolutions: ConvolutionBranch | None = None
        if conv_filters:
            pool_size = patch_size // self.conv_stride
            first, *others = conv_kernel_sizes
            self.convolutions = ConvolutionBranch(
                n_features * self.conv_stride,
                conv_filters,
                [first * pool_size, *others],
                conv_dilations,
                pool_size=pool_size,
                squeeze_excite=squeeze_excite,
            )
        self.branch_sizes = [self.encoder.output_size]
        if self.convolutions is not None:
            self.branch_sizes.append(self.convolutions.output_size)
        self.output_size = sum(self.branch_sizes)
        self.head = DenseHead(self.output_size, dense_sizes, n_classes, dropout=dropout)
        with_heads = self.branch_sizes if auxiliary_heads and conv_filters else []
        self.auxiliary_heads = nn.ModuleList(
            DenseHead(size, (), n_classes, dropout=dropout) for size in with_heads
        )

    def forward(
        self,
        inputs: Tensor,
        lengths_B: Tensor | None = None,
        mixup_weights_B: Tensor | None = None,
    ) -> Tensor:
        """Logits of each class, shape (B, C).

        Parameters
        ----------
        inputs : Tensor of shape (B, T, F), or of token ids (B, T) with an embedding
            Right-padded; the padding may hold anything, NaN included.
        lengths_B : Tensor of shape (B,), int64, default=None
            Timesteps of each sequence, 1 to T; None says that all have T.
        mixup_weights_B : Tensor of shape (B,), float32, default=None
            As in `embed`.
        """
        return self.classify(self.embed(inputs, lengths_B, mixup_weights_B))

    def embed(
        self,
        inputs: Tensor,
        lengths_B: Tensor | None = None,
        mixup_weights_B: Tensor | None = None,
    ) -> Tensor:
        """The pooled vector of each sequence, shape (B, D).

        With ``mixup_weights_B`` of shape (B,), float32, from 0 to 1, inputs are mixed up [1]_: so
        much of each sequence, and for the rest the one before it in the batch, the last before the
        first. The mixture is as long as the sequence: the other is cut, or zero where it ends.

        References
        ----------
        .. [1] H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, "mixup: Beyond Empirical Risk
           Minimization", ICLR 2018.
        """
        if lengths_B is not None:
            # Zero the padding before anything reads it: NaN would reach the gradient as 0 * NaN.
            is_padding_BT = ~padding_mask(lengths_B, inputs.shape[1])
            is_padding = is_padding_BT if inputs.ndim == 2 else is_padding_BT.unsqueeze(2)
            inputs = inputs.masked_fill(is_padding, 0)
        inputs_BTF = inputs
        if self.embedding is not None:
            inputs_BTF = self.embedding_dropout(self.embedding(inputs))
        if mixup_weights_B is not None:
            inputs_BTF = mixup(inputs_BTF, mixup_weights_B)
            if lengths_B is not None:
                inputs_BTF = inputs_BTF.masked_fill(is_padding_BT.unsqueeze(2), 0)
        if self.precision == "float32" or not lstm_takes_bfloat16(inputs_BTF.device.type):
            return self._encode(inputs_BTF, lengths_B)
        with torch.autocast(inputs_BTF.device.type, torch.bfloat16):
            return self._encode(inputs_BTF, lengths_B).float()

    def _encode(self, inputs_BTF: Tensor, lengths_B: Tensor | None) -> Tensor:
        patches_BPF, n_patches_B = as_patches(inputs_BTF, lengths_B, self.patch_size)
        if self.convolutions is None:
            return self._read(patches_BPF, n_patches_B)
        steps = patches_BPF, n_patches_B
        if self.conv_stride != self.patch_size:
            steps = as_patches(inputs_BTF, lengths_B, self.conv_stride)
        # Begun first, since it takes longest.
        convolved_BD = in_background(self.convolutions, *steps)
        # Both directions read a node of their own: the gradient of three readers of one would be
        # summed in an order that depends on the team, of two it has no order.
        pooled_BD = self._read(patches_BPF.view_as(patches_BPF), n_patches_B)
        return torch.cat([pooled_BD, convolved_BD()], dim=1)

    def _read(self, inputs_BTF: Tensor, lengths_B: Tensor | None) -> Tensor:
        """The pooled states of the LSTM layers, shape (B, D)."""
        states: Tensor = self.encoder(inputs_BTF, lengths_B)
        if self.pooling.by_direction:
            return states
        pooled_BD: Tensor = self.pooling(states, lengths_B)
        return pooled_BD

    def classify(self, pooled_BD: Tensor) -> Tensor:
        """Logits from pooled vectors, shape (B, C)."""
        logits_BC: Tensor = self.head(pooled_BD)
        return logits_BC

    def classify_branches(self, pooled_BD: Tensor) -> list[Tensor]:
        """Logits from the LSTM layers alone and from the convolutions alone, (B, C) each.

        None at all without auxiliary heads. No prediction uses them: what they lose teaches each
        branch to tell the classes apart without the other (deep supervision [1]_).

        References
        ----------
        .. [1] C.-Y. Lee, S. Xie, P. Gallagher, Z. Zhang, Z. Tu, "Deeply-Supervised Nets", AISTATS
           2015.
        """
        branches = pooled_BD.split(self.branch_sizes, dim=1)
        return [head(x) for head, x in zip(self.auxiliary_heads, branches, strict=False)]

    @property
    def n_branches(self) -> int:
        """How many may be computed at the same time."""
        return 1 + self.encoder.bidirectional + (self.convolutions is not None)

    def weight_matrices(self) -> list[nn.Parameter]:
        """The parameters that penalties and decay apply to: neither biases nor the embedding."""
        parts = (
            self.encoder, self.pooling, self.convolutions, self.head, self.auxiliary_heads,
        )  # fmt: skip
        return [p for part in parts if part is not None for p in part.parameters() if p.ndim > 1]


def mixup(values_BTF: Tensor, weights_B: Tensor) -> Tensor:
    """Weight times each sequence, plus the rest of 1 times the one before it."""
    # Time-major in memory, as the LSTM kernels keep it.
    values_TBF = values_BTF.transpose(0, 1)
    mixed_TBF = torch.lerp(values_TBF.roll(1, dims=1), values_TBF, weights_B.unsqueeze(1))
    return mixed_TBF.transpose(0, 1)


def as_patches(
    values_BTF: Tensor, lengths_B: Tensor | None, size: int
) -> tuple[Tensor, Tensor | None]:
    """Each ``size`` neighbouring timesteps as one, and how many of these there are.

    Of size 2, timesteps [a, b, c] of a feature -> [[a, b], [c, 0]].
    """
    if size == 1:
        return values_BTF, lengths_B
    batch_size, n_timesteps, n_features = values_BTF.shape
    # Time-major in memory, as the LSTM kernels keep it.
    values_TBF = nn.functional.pad(values_BTF.transpose(0, 1), (0, 0, 0, 0, 0, -n_timesteps % size))
    by_patch = values_TBF.view(-1, size, batch_size, n_features).transpose(1, 2)
    patches_BPF = by_patch.reshape(-1, batch_size, size * n_features).transpose(0, 1)
    return patches_BPF, None if lengths_B is None else (lengths_B + size - 1) // size


@cache
def lstm_takes_bfloat16(device_type: str) -> bool:
    """Whether there is a kernel: on a CPU oneDNN has none without AVX-512 and raises an error."""
    if device_type != "cpu":
        return True
    # Not drawn: the generator is the caller's.
    lstm = nn.LSTM(1, 1, device="meta", dtype=torch.float32).to_empty(device="cpu")
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            lstm(torch.zeros(1, 1, 1, dtype=torch.float32, device="cpu"))
    except RuntimeError:
        return False
    return True
