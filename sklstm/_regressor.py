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
from sklstm._warnings import warn_user


def _learns_quantiles(regressor: LSTMSequenceRegressor) -> bool:
    if regressor.loss != "quantile":
        raise AttributeError('predict_quantiles needs loss="quantile".')
    return True


class LSTMSequenceRegressor(RegressorMixin, BaseSequenceEstimator):
    r"""LSTM regressor of sequences.

    It predicts one or more numbers for each sequence, or quantiles of them. It works wherever a
    scikit-learn regressor does, and takes sequences of equal or unequal length in all the forms of
    X that `LSTMSequenceClassifier` takes. Targets are standardised internally; predictions are in
    the units of y. By default an LSTM network is averaged with a ridge regression: on fixed
    convolutions for measurements (``n_kernels``), on TF-IDF for token ids (``tfidf``).

    Parameters
    ----------
    hidden_sizes : int or tuple of int, default=64
        Number of units of each stacked LSTM layer, from first to last. An int is a single layer.
        With ``bidirectional=True`` each direction has this many units.
    bidirectional : bool, default=True
        Whether the LSTM layers are bidirectional.
    pooling : {"attention", "last", "max", "mean"}, default="mean"
        Pooling of the hidden states over time.

        - "attention": mean weighted by learned attention
        - "last": last hidden state of each direction
        - "max": global max pooling
        - "mean": global average pooling
    patch_size : int or "auto", default="auto"
        Number of consecutive timesteps concatenated into one step, which shortens long sequences.
        The last patch is padded with zeros.
    conv_filters : int, tuple of int or "auto", default="auto"
        Number of filters of each convolutional layer in a branch parallel to the LSTM layers, as in
        LSTM-FCN. () means no branch. If this is set, also to (), ``n_kernels="auto"`` is 0.
    n_kernels : int or "auto", default="auto"
        Number of features of fixed, untrained convolutions (MiniRocket and Hydra). A ridge
        regression on them is averaged with the network. 0 means none.
    dense_sizes : int or tuple of int, default=()
        Number of units of each dense ReLU layer between pooling and output.
    dropout : float, default=0.0
        Dropout rate in [0, 1), applied to embedded tokens, between LSTM layers, after pooling and
        after each dense layer.
    embedding_dim : int, default=None
        Size of the token embedding; X then holds token ids. None means that X holds measurements,
        unless ``embedding_weights`` is set.
    vocabulary_size : int, default=None
        Number of token ids, including padding (0) and unknown (1). None means one more than the
        largest id in X, or the number of rows of ``embedding_weights``.
    embedding_weights : array-like of shape (vocabulary_size, embedding_dim), default=None
        Pretrained embedding, such as word vectors. None means random initialisation.
    freeze_embedding : bool, default=False
        Whether the embedding is kept fixed during training.
    tfidf : bool, default=True
        Whether a network of token ids is averaged with a ridge regression on TF-IDF of tokens and
        token pairs.
    standardize : bool or {"auto", "both", "sequence"}, default="auto"
        Standardisation of measurements to mean 0 and variance 1; constant features become 0.

        - True: each feature over all timesteps of the training sequences
        - "sequence": each sequence by itself, which removes its level and scale
        - "both": True and "sequence" side by side, which doubles the number of inputs
        - "auto": "both"
    mask_value : float, default=None
        Padding value; NaN is allowed. Timesteps at the end of a sequence are removed if all of
        their features equal it. Token ids are always padded with 0.
    loss : {"absolute_error", "huber", "quantile", "squared_error"}, default="squared_error"
        Loss, computed on standardised targets.

        - "absolute_error": mean absolute error, which predicts the median
        - "huber": squared error up to one standard deviation of y, absolute beyond
        - "quantile": mean pinball loss over all ``quantiles``
        - "squared_error": mean squared error, which predicts the mean
    quantiles : sequence of float, default=(0.05, 0.5, 0.95)
        Levels of the quantiles predicted with ``loss="quantile"``, each in (0, 1).
    mixup_alpha : float, default=0.0
        alpha of the Beta(alpha, alpha) distribution of the coefficients of mixup, which is applied
        in the first half of the epochs. 0 disables mixup.
    l1 : float, default=0.0
        L1 penalty: factor of the sum of absolute weights. Biases, normalisation layers and the
        embedding are not penalised.
    l2 : float, default=0.0
        L2 penalty: factor of the sum of squared weights. Biases, normalisation layers and the
        embedding are not penalised.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"} or callable, default="adam"
        Name, ``torch.optim`` class, or callable that takes parameters and ``lr``, such as
        ``functools.partial(torch.optim.AdamW, weight_decay=0.05)``. "sgd" has Nesterov momentum of
        0.9.
    learning_rate : float, default=0.005
        Learning rate. With a schedule, the maximum learning rate.
    lr_schedule : {"cosine", "exponential", "one_cycle", "plateau"} or None, default="one_cycle"
        Learning rate schedule.

        - "cosine": cosine annealing to 0
        - "exponential": exponential decay to 1 % in the last epoch
        - "one_cycle": warm-up over the first 30 % of the steps, then annealing to almost 0
        - "plateau": halved if the training loss, or with ``early_stopping`` the validation score,
          has not improved for 5 epochs
        - None: constant, or set by a ``skorch.callbacks.LRScheduler`` in ``callbacks``
    max_grad_norm : float, default=1.0
        Maximum Euclidean norm of the gradients, to which they are clipped. None disables clipping.
    batch_size : int or "auto", default="auto"
        Maximum number of sequences per mini-batch. The batches of an epoch differ in size by at
        most one.
    max_epochs : int or "auto", default="auto"
        Maximum number of epochs.
    max_time : float, default=None
        Maximum duration of ``fit`` in seconds. Schedule and mixup are shortened to end in time.
        None means no limit.
    early_stopping : bool or "last", default=False
        Whether to stop when the validation score stops improving, and to restore the weights of the
        best epoch. Without ``X_val`` in ``fit``, a part of the training sequences is held out.

        - True: a random part
        - "last": the last sequences in the given order, for data sorted by time
    validation_fraction : float, default=0.1
        Fraction of the training sequences held out for ``early_stopping``, in (0, 1).
    validation_interval : int, default=None
        Number of training steps between validations within an epoch, in addition to the one at its
        end. None means once per epoch.
    n_iter_no_change : int, default=10
        Patience: number of validations without improvement before ``early_stopping`` stops. The
        warm-up of "one_cycle" and epochs with mixup do not count.
    tol : float, default=1e-4
        Minimum improvement of the validation score that counts, absolute.
    scoring : str, callable, list of str or dict of str to str or callable, default="loss"
        Validation score: "loss", whose negative is the score, or a scikit-learn scorer or its name.
        If there are several, in a list of names or a dict, all are recorded and early stopping uses
        the first.
    return_train_score : bool, default=False
        Whether to score the training sequences as well after each epoch, without mixup and dropout.
    device : str or torch.device, default="cpu"
        Device such as "cpu", "cuda" or "cuda:1". "auto" uses a GPU if there is one.
    precision : {"auto", "bfloat16", "float32", "tf32"}, default="float32"
        Precision of LSTM layers and convolutions; weights and outputs are float32.

        - "auto": "bfloat16" on a CPU with hardware support for it, if an LSTM layer has 64 units or
          more, otherwise "float32"
        - "bfloat16": up to twice as fast with hardware support
        - "float32": full precision
        - "tf32": TensorFloat-32 on a GPU, unless torch's settings forbid it; "float32" on a CPU
    warm_start : bool, default=False
        Whether ``fit`` continues from the weights, standardisation and optimizer state of the
        previous call, for ``max_epochs`` more epochs.
    checkpoint : str or path-like, default=None
        Path of a file, saved after every epoch, from which the same call of ``fit`` resumes. If it
        is an existing folder, each fit has its own file in it, as needed for a search.
    checkpoint_interval : int, default=None
        Number of training steps between checkpoints within an epoch. None means after epochs only.
    callbacks : list of skorch callbacks, default=None
        skorch callbacks. ``EpochScoring`` and ``BatchScoring`` are rejected: use ``scoring``. For
        callbacks of scikit-learn use ``set_callbacks``.
    random_state : int, RandomState instance or None, default=None
        Seed of initialisation, batches, mixup, dropout and held-out sequences. Pass an int for
        reproducible results.
    verbose : int, default=0
        1 shows a progress bar over the epochs, except in parallel workers. 0 is silent.

    Attributes
    ----------
    target_mean_ : ndarray of shape (n_outputs,), float64
        Mean of each column of y, used to standardise the targets.
    target_scale_ : ndarray of shape (n_outputs,), float64
        Standard deviation of each column of y, used to standardise the targets.
    quantiles_ : ndarray of shape (n_quantiles,), float64
        Levels of the predicted quantiles, ascending. Empty for other losses.
    n_features_in_ : int
        Number of features of a timestep. If X was a 2-D array, or a data frame with static columns,
        the number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names of the data frame, or feature names of a list of data frames. Only defined if
        X was one of these and all names are strings.
    net_ : skorch.NeuralNet
        Trained skorch net. Its ``forward``, ``predict`` and ``predict_proba`` take X in any of the
        forms that `fit` takes. ``net_.module_`` is a `sklstm.nn.SequenceNetwork`, contained in a
        `sklstm.nn.ConvolutionEnsemble` with ``n_kernels`` and in a `sklstm.nn.TokenEnsemble` with
        ``tfidf``.
    history_ : dict of ndarray of shape (n_rows,)
        Training history, one row per epoch: ``epoch`` (from 1), ``dur`` (seconds), ``train_loss``
        (of standardised targets, without penalties) and ``learning_rate``; with
        ``early_stopping`` or ``X_val`` also ``valid_loss`` and ``valid_score``.
        ``pandas.DataFrame(history_)`` is a table.

        - mixup adds ``mixup_alpha``, which is 0 in epochs without mixup
        - several metrics in ``scoring`` add ``valid_<name>`` for each; ``valid_score`` is the first
        - ``return_train_score`` adds ``train_eval_loss``, ``train_score`` and ``train_<name>``
        - ``validation_interval`` makes a row for each validation. Then ``epoch`` is the number of
          epochs so far, such as 0.25, losses and ``dur`` cover the steps since the previous row,
          and training scores are NaN within an epoch
    n_iter_ : int
        Number of epochs, counting a partial one, and those of earlier calls with ``warm_start`` or
        ``partial_fit``.
    best_epoch_ : int or float
        Epoch whose weights are used: the one with the best validation score with
        ``early_stopping``, otherwise the last. A float with ``validation_interval``, as ``epoch``
        in ``history_``.
    best_score_ : float
        Validation score of that epoch. Without validation data, the negative training loss.
    stop_reason_ : {"callback", "max_epochs", "max_time", "no_improvement"}
        Why training ended.

        - "callback": a callback stopped it, such as skorch's ``EarlyStopping``
        - "max_epochs": all epochs were run
        - "max_time": the time was up; the last epoch in ``history_`` may be partial
        - "no_improvement": no better score in ``n_iter_no_change`` validations
    resolved_params_ : dict
        Values used for the parameters that may be "auto".

    See Also
    --------
    LSTMSequenceClassifier : The same network for class labels.
    sklstm.nn.SequenceNetwork : The network as a torch module.
    sklstm.inspection.summary : Layers, output shapes and number of parameters.

    Notes
    -----
    **Values of "auto".** ``resolved_params_`` has those that ``fit`` has chosen. They are those of
    `LSTMSequenceClassifier`, except for ``standardize="both"``, ``conv_filters=()`` and
    ``max_epochs``: 800 training steps in 5 to 100 epochs.

    **Model.** The network is that of `LSTMSequenceClassifier` without a softmax. Predictions are a
    weighted mean of the network and the ridge regression. With ``loss="quantile"`` the quantiles of
    the ridge regression are those of its held-out residuals.

    **Held-out sequences.** Without early stopping a tenth of the sequences is held out: whole
    ``groups``, or else runs of neighbouring sequences in X. From 500 sequences on (100 of token
    ids) the weights of the mean are fitted on them; otherwise both models count equally. From 100
    sequences on the quantiles are calibrated on them [1]_, or on ``X_val``, since a network is
    overconfident. Quantiles never cross: they are sorted, which improves them [2]_.

    Causal models, cost, further training and reproducibility are described in the Notes of
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
        loss: Literal["absolute_error", "huber", "quantile", "squared_error"] = "squared_error",
        quantiles: Sequence[float] = (0.05, 0.5, 0.95),
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
        self.loss = loss
        self.quantiles = quantiles
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
        """Fit the network to sequences and numeric targets.

        If the call raises an exception, including Ctrl-C, the estimator is left unchanged.
        Exceptions and warnings are those of `LSTMSequenceClassifier.fit`.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms that `LSTMSequenceClassifier` takes.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
            Targets: finite numbers.
        sample_weight : array-like of shape (n_sequences,), default=None
            Non-negative weights of the sequences. None means 1. A weight of 0 is the same as
            leaving the sequence out.
        X_val : array-like, default=None
            Validation sequences, used in place of a held-out part of X. Without
            ``early_stopping`` they are scored after each epoch and have no other effect, except
            that ``loss="quantile"`` is calibrated on them.
        y_val : array-like, default=None
            Targets of the validation sequences, in the form of y.
        sample_weight_val : array-like of shape (n_sequences_val,), default=None
            Non-negative weights of the validation sequences. None means 1.
        groups : array-like of shape (n_sequences,), default=None
            Group of each sequence, such as an engine or a patient. The sequences of a group are
            either all trained on or all held out. No effect if nothing is held out.

        Returns
        -------
        LSTMSequenceRegressor
            The fitted estimator.
        """
        given_val = Given(X_val, y_val, sample_weight_val)
        return self._fit(Given(X, y, sample_weight, groups), given_val)

    @translates_names
    def partial_fit(
        self, X: Any, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> LSTMSequenceRegressor:
        """Train for one epoch on further sequences, at a constant learning rate.

        Features and targets are standardised by those of the first call. See
        `LSTMSequenceClassifier.partial_fit` for the parameters that have no effect.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms that `LSTMSequenceClassifier` takes.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
            Targets: finite numbers.
        sample_weight : array-like of shape (n_sequences,), default=None
            Non-negative weights of the sequences. None means 1.

        Returns
        -------
        LSTMSequenceRegressor
            The fitted estimator.
        """
        check_parameters(self)
        task = self._task if hasattr(self, "net_") else Regression
        return self._fit_partially(Given(X, y, sample_weight), task)

    def predict(self, X: Any) -> Array:
        """Predict the target of each sequence.

        With ``loss="quantile"``, predict the quantile whose level is nearest to 0.5. If two are
        equally near, predict one of them, which a warning names.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms that `LSTMSequenceClassifier` takes.

        Returns
        -------
        ndarray of shape (n_sequences,) or (n_sequences, n_outputs), float64
            Predictions, in the units and the shape of y.
        """
        numbers: Array = self._predictor(X).predict()
        self._warn_without_median()
        return numbers

    def _warn_without_median(self) -> None:
        """Warn if of all quantiles two are equally near to the median."""
        distances = np.abs(self.quantiles_ - 0.5)
        # Not equality: 0.7 - 0.5 is not 0.5 - 0.3.
        if np.isclose(distances, distances.min(initial=1.0)).sum() > 1:
            level = self.quantiles_[distances.argmin()]
            warn_user(
                f"predict returns the {level:g} quantile, although another one is as near to the"
                " median.\n\nAdd 0.5 to quantiles, or call predict_quantiles."
            )

    @available_if(_learns_quantiles)  # type: ignore[untyped-decorator]
    def predict_quantiles(self, X: Any) -> Array:
        """Predict quantiles of the target of each sequence.

        Only available with ``loss="quantile"``.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms that `LSTMSequenceClassifier` takes.

        Returns
        -------
        ndarray of shape (n_sequences, n_quantiles) or (n_sequences, n_outputs, n_quantiles)
            Quantiles in the order of ``quantiles_``, ascending, in the units of y, float64. The
            second shape is that of a y of two dimensions.
        """
        quantiles: Array = self._predictor(X).predict_quantiles()
        return quantiles

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags
