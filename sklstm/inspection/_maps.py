"""What parts of a network say about timesteps: activation maps and attention weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklstm._batching._buckets import prediction_batches
from sklstm._batching._loader import PaddedInputs
from sklstm._inference._prediction import check_outputs, compute_outputs
from sklstm._sequences import Array, IntArray, Sequences
from sklstm.inspection._baselines import MAX_SEQUENCES, MAX_TIMESTEPS
from sklstm.inspection._expanded import expand_codes, expand_static, expanded_network
from sklstm.inspection._explained import Explained, as_given, read_model
from sklstm.inspection._layers import patch_size_of
from sklstm.inspection._targets import read_targets
from sklstm.nn import AttentionPooling, ConvolutionEnsemble, TokenEnsemble
from sklstm.nn._ensemble import Ensemble
from sklstm.nn._pooling import is_padding
from sklstm.nn._tfidf import without_padding

# Of a batch of inputs of the network with these numbers of sequences -> (B, steps).
Measure = Callable[[tuple[Any, ...], IntArray], Tensor]


def activation_maps(estimator: Any, X: Any, *, target: Any = None) -> list[Array]:
    r"""Compute class activation maps of the trained convolutions.

    The map of a sequence shows which timesteps the convolutional branch takes its evidence for the
    target from. It sums to the branch's part of the logit.

    Parameters
    ----------
    estimator : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
        Fitted model with ``conv_filters``. Pipelines as for `attributions`.
    X : array-like
        Sequences in any of the forms that the model takes.
    target : object, default=None
        Output to explain, as for `attributions`.

    Returns
    -------
    list of ndarray of shape (n_timesteps_i,), float64
        Map of each sequence, with its length in X and 0 at padding. With ``patch_size`` the value
        of a patch is divided equally among its timesteps.

    Raises
    ------
    ValueError
        If the model has no trained convolutions, and as in `attributions`.

    See Also
    --------
    attributions : Attribute predictions to values through all parts of a model.

    Notes
    -----
    The branch ends in global average pooling: with :math:`a_{td}` as the output of filter d of the
    last layer at timestep t and :math:`w_d` as its weight in the logit, the map is
    :math:`\sum_d w_d a_{td} / T`, the class activation map [1]_ divided by the number of timesteps.
    With ``dense_sizes`` the weights are the gradients of the logit at this sequence, which makes it
    the gradient-weighted map [2]_, without its ReLU: evidence against the target is negative.

    An output at a timestep depends on its neighbours: on 6 or 7 on each side with the default
    layers.

    References
    ----------
    .. [1] B. Zhou, A. Khosla, A. Lapedriza, A. Oliva, A. Torralba, "Learning Deep Features for
       Discriminative Localization", CVPR 2016.
    .. [2] R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
       Localization", ICCV 2017.

    Examples
    --------
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.inspection import activation_maps
    >>> X, y = make_trends(n_sequences=60, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, conv_filters=8, max_epochs=2, random_state=0)
    >>> X[0].shape, activation_maps(classifier.fit(X, y), X[:2])[0].shape
    ((17, 1), (17,))
    """
    explained = read_model(estimator, "activation_maps")
    network = expanded_network(explained.network)
    branch = network.convolutions
    if branch is None:
        raise ValueError(
            f"activation_maps needs an {explained.name} with trained convolutions. This one was"
            " fitted without conv_filters.\n\nFit it with these, such as"
            f" {explained.name}(conv_filters=(64, 128, 64))."
        )
    sequences = explained.read(explained.transform(X))
    outputs: list[Tensor] = []
    branch.layers[-1].register_forward_hook(lambda layer, given, output: outputs.append(output))
    first = network.encoder.output_size
    share = explained.module.shares[0] if isinstance(explained.module, Ensemble) else 1.0

    def work() -> list[Array]:
        source = explained.source(sequences)
        found = check_outputs(compute_outputs(explained.module, source), sequences)
        weights = read_targets(explained.fitted.task, target, found).weights

        def measure(inputs: tuple[Any, ...], indices: IntArray) -> Tensor:
            outputs.clear()
            with torch.no_grad():
                pooled_BD = network.embed(*inputs)
            pooled_BD.requires_grad_()
            weights_BC = torch.from_numpy(weights[indices]).float().to(pooled_BD.device)
            logit = (network.classify(pooled_BD) * weights_BC).sum()
            (slopes_BD,) = torch.autograd.grad(logit, pooled_BD)
            slopes_BD = share * slopes_BD[:, first : first + branch.output_size]
            values_BTD = outputs[-1].double()
            return torch.einsum("btd,bd->bt", values_BTD, slopes_BD.double()) / _n_steps(
                inputs[0], inputs[1], network.patch_size
            )

        return as_given(explained, _by_timestep(explained, sequences, measure), X)

    return explained.compute(work, sequences)


def attention_weights(estimator: Any, X: Any) -> list[Array]:
    """Return the weights of attention pooling.

    Parameters
    ----------
    estimator : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
        Fitted model with ``pooling="attention"``. Pipelines as for `attributions`.
    X : array-like
        Sequences in any of the forms that the model takes.

    Returns
    -------
    list of ndarray of shape (n_timesteps_i,), float64
        Weights of each sequence, with its length in X and 0 at padding, that sum to 1. The weight
        of a patch, or of a window of fixed convolutions, is divided equally among its timesteps.

    Raises
    ------
    ValueError
        If the model has another pooling, and as in `attributions`.

    See Also
    --------
    attributions : Attribute predictions to values, which attention weights do not.

    Notes
    -----
    A weight is the share of a timestep's hidden state in the pooled vector. The hidden state
    depends on other timesteps as well, and the weight does not say which class it supports: for
    that see `attributions`. Convolutions and linear models are not included.

    Examples
    --------
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.inspection import attention_weights
    >>> X, y = make_trends(n_sequences=60, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, pooling="attention", max_epochs=2, random_state=0)
    >>> weights = attention_weights(classifier.fit(X, y), X[:2])
    >>> X[0].shape, weights[0].shape, round(float(weights[0].sum()), 6)
    ((17, 1), (17,), 1.0)
    """
    explained = read_model(estimator, "attention_weights")
    network = expanded_network(explained.network)
    pooling = network.pooling
    if not isinstance(pooling, AttentionPooling):
        raise ValueError(
            f"attention_weights needs an {explained.name} with pooling='attention'. This one was"
            f" fitted with another pooling.\n\nFit it with {explained.name}(pooling='attention')."
        )
    sequences = explained.read(explained.transform(X))
    states: list[Tensor] = []
    pooling.register_forward_pre_hook(lambda module, given: states.append(given[0]))

    def measure(inputs: tuple[Any, ...], indices: IntArray) -> Tensor:
        states.clear()
        with torch.no_grad():
            network.embed(*inputs)
            return _attend(pooling, states[-1], inputs[1], network.patch_size)

    def work() -> list[Array]:
        return as_given(explained, _by_timestep(explained, sequences, measure), X)

    return explained.compute(work, sequences)


def _attend(
    pooling: AttentionPooling, states_BTD: Tensor, lengths_B: Tensor | None, patch_size: int
) -> Tensor:
    """Weights (B, T), float64, 0 in the padding."""
    scores_BT1 = pooling.context(torch.tanh(pooling.projection(states_BTD))).double()
    if lengths_B is not None:
        n_steps_B = -(-lengths_B // patch_size)
        scores_BT1 = scores_BT1.masked_fill(is_padding(n_steps_B, states_BTD), -torch.inf)
    return torch.softmax(scores_BT1, dim=1).squeeze(2)


def _n_steps(values_BTF: Tensor, lengths_B: Tensor | None, patch_size: int) -> int | Tensor:
    """Number of patches of each sequence."""
    if lengths_B is None:
        return -(-values_BTF.shape[1] // patch_size)
    return -(-lengths_B.unsqueeze(1) // patch_size)


def _by_timestep(explained: Explained, sequences: Sequences, measure: Measure) -> list[Array]:
    """A measure of the steps of a network, shared by the timesteps of each step."""
    source, size = explained.source(sequences), patch_size_of(explained.module)
    result: list[Array] = [np.empty(0)] * len(sequences)
    for indices in prediction_batches(sequences.lengths, MAX_TIMESTEPS, MAX_SEQUENCES):
        inputs = _inputs_of_network(explained, source.batch(indices))
        measured = measure(inputs, indices).cpu().numpy()
        for steps, index in zip(measured, indices, strict=True):
            places = np.arange(sequences.lengths[index]) // size
            result[index] = steps[places] / np.bincount(places)[places]
    return result


def _inputs_of_network(explained: Explained, inputs: PaddedInputs) -> tuple[Any, ...]:
    """Vectors, lengths and static columns as an `expanded_network` takes them."""
    module, network = explained.module, explained.network
    static = [] if inputs.static is None else expand_static(network, inputs.static)
    with torch.no_grad():
        if network.embedding is not None:
            ids_BT = without_padding(inputs.values, inputs.lengths)
            ids_BT = module.read(ids_BT) if isinstance(module, TokenEnsemble) else ids_BT
            return network.embedding(ids_BT), inputs.lengths, *static
        if isinstance(module, ConvolutionEnsemble) and module.convolutions.window_size is not None:
            features = module.convolutions(inputs.values, inputs.lengths)
            return features.windows, features.n_windows, *static
        return expand_codes(network, inputs.values), inputs.lengths, *static
