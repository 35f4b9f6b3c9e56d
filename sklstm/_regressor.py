"""LSTMSequenceRegressor: the estimator of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from sklstm._base import BaseSequenceEstimator
from sklstm._config._names import translates_names
from sklstm._config._parameters import check_parameters
from sklstm._data._labelled import Given
from sklstm._sequences import Array
from sklstm._tasks._regression import Regression


def _learns_quantiles(regressor: LSTMSequenceRegressor) -> bool:
    if regressor.loss != "quantile":
        raise AttributeError('predict_quantiles needs loss="quantile".')
    return True


class LSTMSequenceRegressor(RegressorMixin, BaseSequenceEstimator):
    r"""LSTM regressor of sequences: one or more numbers for each, or quantiles of them.

    It works wherever a scikit-learn regressor does, and takes sequences of equal or unequal length
    in all the forms that `LSTMSequenceClassifier` takes. Targets are standardised inside, and
    predictions are in the units of y.

    Parameters
    ----------
    hidden_sizes : int or tuple of int, default=64
        Number of units of each stacked LSTM layer, first to last; an int means one layer. With
        ``bidirectional=True`` each direction has this many.
    loss : {"absolute_error", "huber", "quantile", "squared_error"}, default="squared_error"
        Loss of the standardised targets. "huber" is squared up to one standard deviation of y and
        absolute beyond; "quantile" is the pinball loss of all ``quantiles``.
    quantiles : sequence of float, default=(0.05, 0.5, 0.95)
        Probabilities of the quantiles that ``loss="quantile"`` learns, each in (0, 1).
    bidirectional : bool, default=True
        Whether the LSTM layers are bidirectional.
    pooling : {"attention", "last", "max", "mean"}, default="mean"
        Pooling of the hidden states over time: their mean, weighted by learnt attention or not, the
        state at the end of each direction, or the maximum.
    patch_size : int or "auto", default="auto"
        Number of consecutive timesteps concatenated into one step. "auto" is 1 for token ids; for
        measurements it leaves at most 128 patches in nine of ten sequences (256 if there are 101 to
        500 sequences, 32 windows of fixed convolutions).
    conv_filters : int, tuple of int or "auto", default="auto"
        Number of filters of each convolutional layer in a branch beside the LSTM layers, first to
        last (LSTM-FCN). () means no convolutions. "auto" is ().
    n_kernels : int or "auto", default="auto"
        Number of features of fixed convolutions (MiniRocket and Hydra), which a linear model reads.
        Without ``conv_filters`` the network's steps are windows of ``patch_size`` timesteps of the
        same convolutions and of the inputs. 0 means none. "auto" is 5040, fewer for more than 2000
        sequences, and 0 for more than 10000, for token ids, and where ``conv_filters`` is set.
    dense_sizes : int or tuple of int, default=()
        Number of units of each dense ReLU layer between pooling and output.
    dropout : float, default=0.0
        Dropout rate of embedded tokens, between LSTM layers, after pooling and after each dense
        layer, in [0, 1).
    embedding_dim : int, default=None
        Embedding size of token ids. None: X holds measurements, unless ``embedding_weights`` are
        given.
    vocabulary_size : int, default=None
        Number of token ids, padding (0) and unknown (1) included. None: one more than the largest
        id in X, or the number of rows of ``embedding_weights``.
    embedding_weights : array-like of shape (vocabulary_size, embedding_dim), default=None
        Pretrained embedding. None: it is initialised at random.
    freeze_embedding : bool, default=False
        Whether the embedding is not trained.
    tfidf : bool, default=True
        Whether the network of token ids has a linear model of TF-IDF beside it: a ridge regression
        of tokens and of pairs of consecutive tokens. From 500 sequences on, the network reads ids
        of a single training sequence as unknown (1), unless there are ``embedding_weights``.
    standardize : bool or {"auto", "both", "sequence"}, default="auto"
        Standardisation of measurements to mean 0 and variance 1; constant features become 0.

        - True: over all timesteps of the training sequences, for each feature
        - "sequence": over each sequence by itself, which drops its level and scale
        - "both": the two side by side, which doubles the number of inputs
        - "auto": "both"
    mask_value : float, default=None
        Padding value: timesteps at the end of a sequence whose features all equal it (NaN equals
        NaN) are cut off. Token ids are always padded with 0.
    mixup_alpha : float, default=0.0
        alpha of Beta(alpha, alpha), from which mixup coefficients are drawn in the first half of
        the epochs: each sequence and its target are mixed with another's. 0 disables mixup.
    l1 : float, default=0.0
        L1 penalty: factor of the sum of absolute weights, without biases and normalisation.
    l2 : float, default=0.0
        L2 penalty: factor of the sum of squared weights, of the same ones.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"} or callable, default="adam"
        Name ("sgd" has Nesterov momentum 0.9), ``torch.optim`` class, or callable that takes
        parameters and ``lr``, such as ``functools.partial(torch.optim.AdamW, weight_decay=0.05)``.
    learning_rate : float, default=0.005
        Learning rate; the maximum under a schedule.
    lr_schedule : {"cosine", "exponential", "one_cycle", "plateau"} or None, default="one_cycle"
        Learning-rate schedule: cosine annealing to 0; decay to a hundredth; warm-up over 30 % of
        the steps, then annealing to almost 0; halved after 5 epochs without improvement. None:
        constant. A ``skorch.callbacks.LRScheduler`` in ``callbacks`` replaces it.
    max_grad_norm : float, default=1.0
        Gradients are clipped to this Euclidean norm. None: no clipping.
    batch_size : int or "auto", default="auto"
        Maximum number of sequences per mini-batch; the batches of an epoch differ in size by at
        most one. "auto" is a sixty-fourth of the sequences, as a power of two from 32 to 128.
    max_epochs : int or "auto", default="auto"
        Maximum number of epochs. "auto" makes 800 training steps, in 5 to 100 epochs.
    max_time : float, default=None
        Maximum duration of ``fit``, in seconds from its call. Training ends after a step, at least
        one, in time for what follows it; annealing and mixup then end sooner. As long as all epochs
        fit into the time, the model is the same as without a limit. None: no limit.
    early_stopping : bool or "last", default=False
        Whether to stop when the validation score no longer improves and to restore the weights of
        the best epoch. Without ``X_val``, a random part of the training sequences is held out, or
        the "last" ones in the order given. ``groups`` given to ``fit`` are never split.
    validation_fraction : float, default=0.1
        Fraction of the training sequences that ``early_stopping`` holds out, in (0, 1).
    validation_interval : int, default=None
        Number of training steps between validations within an epoch, each with a row in
        ``history_``; there is another at its end. None: once an epoch.
    n_iter_no_change : int, default=10
        Number of validations without improvement before ``early_stopping`` stops (patience).
    tol : float, default=1e-4
        Minimum improvement of the score for ``early_stopping``, absolute.
    scoring : str, callable, list of str or dict of str to str or callable, default="loss"
        Validation score: "loss" (its negative is the score), the name of a scikit-learn scorer, or
        a scorer from ``sklearn.metrics.make_scorer``. Of several, all are recorded, and the first
        decides about stopping.
    return_train_score : bool, default=False
        Whether the training sequences are scored after each epoch, too, as they are predicted.
    device : str or torch.device, default="cpu"
        "cpu", "cuda", "cuda:1" and so on, or "auto": a GPU if there is one.
    precision : {"auto", "bfloat16", "float32", "tf32"}, default="float32"
        Arithmetic of LSTM layers and convolutions; weights and outputs are float32. "auto" is
        "bfloat16" on a CPU that supports it if an LSTM layer has 64 units or more. "tf32" lets
        cuDNN multiply in TensorFloat-32 on a GPU, and is float32 on a CPU.
    warm_start : bool, default=False
        Whether ``fit`` continues from the weights, the standardisation and the optimizer state of
        the previous call, for ``max_epochs`` more.
    checkpoint : str or path-like, default=None
        Path of a checkpoint, written after every epoch: the same call of ``fit`` resumes from it,
        and so does one of a larger ``max_epochs`` if ``lr_schedule`` is None or "plateau" and
        ``mixup_alpha`` 0. An existing folder gets one file for each fit.
    checkpoint_interval : int, default=None
        Number of training steps after which the ``checkpoint`` is written within an epoch, too.
        None: after epochs only.
    callbacks : list of skorch callbacks, default=None
        Callbacks of skorch. In place of ``EpochScoring`` and ``BatchScoring``, which are refused,
        there is ``scoring``.
    random_state : int, RandomState instance or None, default=None
        Seed of initialisation, batches, mixup, dropout and held-out parts. Pass an int for
        reproducible results. The global states of NumPy and torch are neither used nor changed.
    verbose : int, default=0
        1 shows a progress bar over the epochs, except in parallel workers; 0 is silent. Within a
        search of scikit-learn the bar says which of its fits this is.

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray of shape (n_outputs,), float64
        Mean and standard deviation of each column of y, by which targets are standardised.
    quantiles_ : ndarray of shape (n_quantiles,), float64
        Probabilities of the quantiles, ascending; empty for other losses.
    n_features_in_ : int
        Number of columns of a 2-D X or of a data frame with static columns; otherwise number of
        features of a timestep.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of a data frame, or of the features in a list of data frames. Defined
        only if X was one of these and all names are strings.
    net_ : skorch.NeuralNet
        Trained skorch net. ``net_.module_`` is the `sklstm.nn.SequenceNetwork`, or with
        ``n_kernels`` the `sklstm.nn.ConvolutionEnsemble` that contains it, with ``tfidf`` the
        `sklstm.nn.TokenEnsemble`.
    history_ : dict of ndarray of shape (n_rows,)
        Figures of each epoch: ``epoch`` (from 1), ``dur`` (seconds), ``train_loss`` (of the
        standardised targets, without penalties), ``learning_rate``; with ``early_stopping`` or
        ``X_val`` also ``valid_loss`` and ``valid_score``. What several metrics and
        ``return_train_score`` add, and the rows of ``validation_interval``, are described at
        `LSTMSequenceClassifier`.
    n_iter_ : int
        Number of epochs, a partial one included, earlier calls included with ``warm_start`` or
        ``partial_fit``.
    best_epoch_ : int or float
        Epoch whose weights are used: with ``early_stopping`` the best one, otherwise the last. A
        float with ``validation_interval``.
    best_score_ : float
        Validation score of that epoch; without validation data, the negative training loss.
    stop_reason_ : {"callback", "max_epochs", "max_time", "no_improvement"}
        Why training ended: a callback asked for it, all epochs were run, ``max_time`` was over (the
        last epoch of ``history_`` may then be a partial one), or there was no better score in
        ``n_iter_no_change`` validations.
    resolved_params_ : dict
        Values of the parameters that may be "auto".

    See Also
    --------
    LSTMSequenceClassifier : The same for labels, with more on network and training.

    Notes
    -----
    The network is that of `LSTMSequenceClassifier` without a softmax. Beside it there is a ridge
    regression of fixed convolutions (``n_kernels``) or of TF-IDF (``tfidf``); predictions are a
    weighted mean of both. Under ``loss="quantile"`` the quantiles of the ridge regression are those
    of its left-out residuals.

    Without early stopping a tenth of the sequences is held out: whole ``groups``, or else runs of
    neighbours in X. From 500 sequences on (100 of token ids) the weights of the mean are fitted to
    it, and are equal otherwise. From 100 on so are shifts of the quantiles, of which a network is
    too sure [1]_; for them ``X_val`` serves, too. Quantiles never cross: they are sorted, which
    brings them nearer to the true ones [2]_.

    Which settings are causal, as a `sklstm.streaming.Stream` requires, is in the Notes of
    `LSTMSequenceClassifier`.

    References
    ----------
    .. [1] Y\. Romano, E. Patterson, E. Candes, "Conformalized Quantile Regression", NeurIPS 2019.
    .. [2] V. Chernozhukov, I. Fernandez-Val, A. Galichon, "Quantile and Probability Curves Without
       Crossing", Econometrica 78, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMSequenceRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(rng.integers(5, 15), 1)) for _ in range(80)]
    >>> y = np.array([x.sum() for x in X])
    >>> regressor = LSTMSequenceRegressor(8, max_epochs=40, random_state=0)
    >>> bool(regressor.fit(X, y).score(X, y) > 0.9)
    True

    Quantiles:

    >>> regressor.set_params(loss="quantile", quantiles=(0.1, 0.9)).fit(X, y)
    LSTMSequenceRegressor(...)
    >>> regressor.predict_quantiles(X[:3]).shape
    (3, 2)
    """

    _task_type = Regression

    @translates_names
    def __init__(
        self,
        hidden_sizes: int | Sequence[int] = 64,
        *,
        loss: Literal["absolute_error", "huber", "quantile", "squared_error"] = "squared_error",
        quantiles: Sequence[float] = (0.05, 0.5, 0.95),
        bidirectional: bool = True,
        pooling: Literal["attention", "last", "max", "mean"] = "mean",
        patch_size: int | Literal["auto"] = "auto",
        conv_filters: int | Sequence[int] | Literal["auto"] = "auto",
        n_kernels: int | Literal["auto"] = "auto",
        dense_sizes: int | Sequence[int] = (),
        dropout: float = 0.0,
        embedding_dim: int | None = None,
        vocabulary_size: int | None = None,
        embedding_weights: npt.ArrayLike | None = None,
        freeze_embedding: bool = False,
        tfidf: bool = True,
        standardize: bool | Literal["auto", "both", "sequence"] = "auto",
        mask_value: float | None = None,
        mixup_alpha: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        optimizer: str | Callable[..., torch.optim.Optimizer] = "adam",
        learning_rate: float = 0.005,
        lr_schedule: Literal["cosine", "exponential", "one_cycle", "plateau"] | None = "one_cycle",
        max_grad_norm: float | None = 1.0,
        batch_size: int | Literal["auto"] = "auto",
        max_epochs: int | Literal["auto"] = "auto",
        max_time: float | None = None,
        early_stopping: bool | Literal["last"] = False,
        validation_fraction: float = 0.1,
        validation_interval: int | None = None,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        scoring: str
        | Callable[..., float]
        | Sequence[str]
        | Mapping[str, str | Callable[..., float]] = "loss",
        return_train_score: bool = False,
        device: str | torch.device = "cpu",
        precision: Literal["auto", "bfloat16", "float32", "tf32"] = "float32",
        warm_start: bool = False,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_interval: int | None = None,
        callbacks: Sequence[Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_sizes = hidden_sizes
        self.loss = loss
        self.quantiles = quantiles
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.patch_size = patch_size
        self.conv_filters = conv_filters
        self.n_kernels = n_kernels
        self.dense_sizes = dense_sizes
        self.dropout = dropout
        self.embedding_dim = embedding_dim
        self.vocabulary_size = vocabulary_size
        self.embedding_weights = embedding_weights
        self.freeze_embedding = freeze_embedding
        self.tfidf = tfidf
        self.standardize = standardize
        self.mask_value = mask_value
        self.mixup_alpha = mixup_alpha
        self.l1 = l1
        self.l2 = l2
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.lr_schedule = lr_schedule
        self.max_grad_norm = max_grad_norm
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.max_time = max_time
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_interval = validation_interval
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.scoring = scoring
        self.return_train_score = return_train_score
        self.device = device
        self.precision = precision
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.checkpoint_interval = checkpoint_interval
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    @translates_names
    def fit(
        self,
        X: Any,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: npt.ArrayLike | None = None,
        sample_weight_val: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> LSTMSequenceRegressor:
        """Train on sequences and their numbers.

        Whatever is raised, Ctrl-C included, the estimator is left as it was before the call.
        Errors and warnings are those of `LSTMSequenceClassifier.fit`.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms that `LSTMSequenceClassifier` takes.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
            Finite numbers.
        sample_weight : array-like of shape (n_sequences,), default=None
            Non-negative weight of each sequence; None means 1. A weight of 0 is the same as leaving
            the sequence out.
        X_val : array-like, default=None
            Sequences to validate on instead of a part held out of X. Without ``early_stopping``
            they are scored after each epoch and have no other effect.
        y_val : array-like, default=None
            Their numbers, in the shape of y.
        sample_weight_val : array-like of shape (n_sequences_val,), default=None
            Non-negative weight of each of them; None means 1.
        groups : array-like of shape (n_sequences,), default=None
            What each sequence belongs to, such as an engine or a patient: sequences of one group
            are either all trained on or all held out. Without a held-out part they have no effect.

        Returns
        -------
        LSTMSequenceRegressor
            The estimator itself.
        """
        given_val = Given(X_val, y_val, sample_weight_val)
        return self._fit(Given(X, y, sample_weight, groups), given_val)

    @translates_names
    def partial_fit(
        self, X: Any, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> LSTMSequenceRegressor:
        """Train for one epoch on some more sequences, at a constant learning rate.

        Features and targets are standardised by the first call's. What has no effect is listed at
        `LSTMSequenceClassifier.partial_fit`.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms that `LSTMSequenceClassifier` takes.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
            Finite numbers.
        sample_weight : array-like of shape (n_sequences,), default=None
            Non-negative weight of each sequence; None means 1.

        Returns
        -------
        LSTMSequenceRegressor
            The estimator itself.
        """
        check_parameters(self)
        task = self._task if hasattr(self, "net_") else Regression
        return self._fit_partially(Given(X, y, sample_weight), task)

    def predict(self, X: Any) -> Array:
        """Numbers for each sequence; under ``loss="quantile"`` the quantile nearest to the median.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms that `LSTMSequenceClassifier` takes.

        Returns
        -------
        ndarray of shape (n_sequences,) or (n_sequences, n_outputs), float64
            In the units and the shape of y.
        """
        numbers: Array = self._predictor(X).predict()
        return numbers

    @available_if(_learns_quantiles)  # type: ignore[untyped-decorator]
    def predict_quantiles(self, X: Any) -> Array:
        """Quantiles of the numbers of each sequence, for ``loss="quantile"``.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms that `LSTMSequenceClassifier` takes.

        Returns
        -------
        ndarray of shape (n_sequences, n_quantiles), or (n_sequences, n_outputs, n_quantiles) for
        y of two dimensions, float64
            In the order of ``quantiles_``, so ascending, in the units of y.
        """
        quantiles: Array = self._predictor(X).predict_quantiles()
        return quantiles

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags
