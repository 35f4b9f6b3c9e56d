"""LSTMSequenceClassifier: the estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import ClassifierMixin

from sklstm._base import BaseSequenceEstimator
from sklstm._config._names import translates_names
from sklstm._config._parameters import check_parameters
from sklstm._data._labelled import Given
from sklstm._sequences import Array
from sklstm._tasks._class_weights import check_partial_fit_weight
from sklstm._tasks._classification import Classification
from sklstm._tasks._labels import check_partial_fit_classes


class LSTMSequenceClassifier(ClassifierMixin, BaseSequenceEstimator):
    r"""LSTM classifier of sequences.

    It works wherever a scikit-learn classifier does: in ``Pipeline``, ``GridSearchCV`` and
    ``cross_val_score``. Sequences may have equal or unequal lengths. Batching, padding and masking
    are done inside; a prediction does not depend on the other sequences in X.

    X may be

    - a float array of shape ``(n_sequences, n_timesteps, n_features)``;
    - a 2-D array or data frame: one univariate sequence per row;
    - a list, tuple or object array of arrays of shape ``(n_timesteps_i, n_features)``, or 1-D if
      univariate, of unequal length; whatever else has a length and an index is read as a list;
    - a list of data frames, dicts of columns or structured arrays, whose features have names; those
      of data frames may be categories: texts, or of a categorical dtype;
    - a data frame with exactly one column of sequences, in any of these forms but dicts; its other
      columns are static, one value for each sequence: numbers, NaN where missing, or categories, at
      most 255 in a column. A category that is missing or unknown counts for nothing;
    - a masked array of NumPy, or a list of such: timesteps masked at the end are padding;
    - a torch tensor of any of these shapes;
    - a nested list of pyarrow, awkward or polars, or structs of such;
    - with an embedding, token ids: an integer array of shape ``(n_sequences, n_timesteps)``, padded
      at the end with 0, or a list of 1-D integer sequences of unequal length.

    Each sequence has one label, or several where y is an indicator matrix.

    Parameters
    ----------
    hidden_sizes : int or tuple of int, default=64
        Number of units of each stacked LSTM layer, first to last; an int means one layer. With
        ``bidirectional=True`` each direction has this many.
    bidirectional : bool, default=True
        Whether the LSTM layers are bidirectional.
    pooling : {"attention", "last", "max", "mean"}, default="max"
        Pooling of the hidden states over time.

        - "attention": mean weighted by learnt attention
        - "last": state at the last timestep (at the first one for the backward direction)
        - "max": global max pooling
        - "mean": global average pooling
    patch_size : int or "auto", default="auto"
        Number of consecutive timesteps concatenated into one step, which shortens long sequences.
        The last patch is padded with zeros. "auto" is 1 for token ids; for measurements it is the
        smallest size that leaves at most 128 patches in nine of ten sequences (256 if there are 101
        to 500 sequences, 32 windows of fixed convolutions).
    conv_filters : int, tuple of int or "auto", default="auto"
        Number of filters of each convolutional layer in a branch beside the LSTM layers, first to
        last (LSTM-FCN [3]_). Kernel sizes are 8, 5, 3 and then 3 for each further layer, in
        timesteps or patches; all layers but the last have squeeze-and-excitation [4]_. Global
        average pooling of the last one is concatenated to the pooled LSTM states. () means no
        convolutions. "auto" is () for token ids, and for one feature with ``n_kernels``; otherwise
        (64, 128, 64).
    n_kernels : int or "auto", default="auto"
        Number of features of fixed convolutions (MiniRocket [6]_ and Hydra [7]_): convolutions of
        inputs and of their differences, at several dilations, that are not trained. A linear model
        of these features, in closed form, is averaged with the network; for one label a sequence,
        from 500 sequences on and without early stopping, after the network's logits are scaled down
        to the linear model's confidence (ADR 48). Without ``conv_filters`` the network's steps are
        windows of ``patch_size`` timesteps of the same convolutions and of the inputs. Rounded to
        what the numbers of kernels and dilations allow. 0 means none. "auto" is 5040, fewer for
        more than 2000 sequences, and 0 for more than 10000, for token ids, and where
        ``conv_filters`` is set.
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
        Whether the network of token ids has a linear model of TF-IDF beside it: a logistic
        regression of tokens and of pairs of consecutive tokens [8]_. Logits are a weighted sum of
        both. From 100 sequences on, and without ``early_stopping``, the weights are fitted to a
        tenth of the sequences, which the network is not trained on. From 500 on, the network reads
        ids of a single training sequence as unknown (1), unless there are ``embedding_weights``.
    standardize : bool or {"auto", "both", "sequence"}, default="auto"
        Standardisation of measurements to mean 0 and variance 1; constant features become 0.

        - True: over all timesteps of the training sequences, for each feature
        - "sequence": over each sequence by itself, which drops its level and scale
        - "both": the two side by side, which doubles the number of inputs
        - "auto": "both" for a single feature, unless each sequence is standardised already, and if
          a few sequences dominate the scale (in any feature the median of the sequences' standard
          deviations is below a twentieth of the overall one); otherwise True
    mask_value : float, default=None
        Padding value: timesteps at the end of a sequence whose features all equal it (NaN equals
        NaN) are cut off. Token ids are always padded with 0.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Class weights, as ``{label: weight}``; labels that are missing there have weight 1.
        "balanced" is inversely proportional to class frequencies in the training sequences.
        Multiplied by ``sample_weight``. Of several labels per sequence, each has weights of its
        own: ``{column: weight}`` holds where the label is present, a list has one dict
        ``{0: weight, 1: weight}`` for each label, and "balanced" counts each label by itself.
    mixup_alpha : float, default=0.2
        alpha of Beta(alpha, alpha), from which mixup coefficients are drawn in the first half of
        the epochs [5]_: each sequence and its target are mixed with another's, against overfitting.
        0 disables mixup.
    l1 : float, default=0.0
        L1 penalty: factor of the sum of absolute weights; biases and normalisation are not
        penalised.
    l2 : float, default=0.0
        L2 penalty: factor of the sum of squared weights, of the same ones.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"} or callable, default="adam"
        Name, ``torch.optim`` class, or callable that takes parameters and ``lr`` and returns an
        optimizer, such as ``functools.partial(torch.optim.AdamW, weight_decay=0.05)``. "sgd" has
        Nesterov momentum 0.9; all else is torch's default.
    learning_rate : float, default=0.005
        Learning rate; the maximum under a schedule.
    lr_schedule : {"cosine", "exponential", "one_cycle", "plateau"} or None, default="one_cycle"
        Learning-rate schedule.

        - "cosine": cosine annealing to 0
        - "exponential": exponential decay to a hundredth in the last epoch
        - "one_cycle": warm-up over the first 30 % of the steps, then annealing to almost 0 [2]_
        - "plateau": halved when the training loss, or with ``early_stopping`` the validation score,
          has not improved for 5 epochs; epochs with mixup do not count
        - None: constant, or as set by a ``skorch.callbacks.LRScheduler`` in ``callbacks``, which
          replaces any ``lr_schedule``
    max_grad_norm : float, default=1.0
        Gradients are clipped to this Euclidean norm. None: no clipping.
    batch_size : int or "auto", default="auto"
        Maximum number of sequences per mini-batch; the batches of an epoch differ in size by at
        most one. "auto" is a sixty-fourth of the sequences, as a power of two from 32 to 128.
    max_epochs : int or "auto", default="auto"
        Maximum number of epochs. "auto" makes 3000 training steps, 800 for token ids, in 10 to 100
        epochs.
    max_time : float, default=None
        Maximum duration of ``fit``, in seconds from its call. Training ends after a step, at least
        one, in time for what follows it; the annealing of ``lr_schedule`` ("one_cycle", "cosine",
        "exponential") and mixup then end sooner. As long as all epochs fit into the time, the model
        is the same, bit for bit, as without a limit. None: no limit.
    early_stopping : bool or "last", default=False
        Whether to stop when the validation score no longer improves and to restore the weights of
        the best epoch (of equal scores, that of the smallest loss). Without ``X_val``, a part of
        the training sequences is held out for validation. ``groups`` given to ``fit`` are never
        split.

        - True: a stratified random part; at least one sequence of each class that has two, and
          never all of a class. Of several labels per sequence, the rarest one is the class
        - "last": the last sequences in the order given, for data sorted by time
    validation_fraction : float, default=0.1
        Fraction of the training sequences that ``early_stopping`` holds out, in (0, 1).
    validation_interval : int, default=None
        Number of training steps between validations within an epoch, counted from its beginning;
        there is another at its end. Each has a row in ``history_``, can be the best, and counts for
        ``n_iter_no_change`` and "plateau"; callbacks see it as the end of an epoch. None: once an
        epoch.
    n_iter_no_change : int, default=10
        Number of validations without improvement before ``early_stopping`` stops (patience). Those
        in the warm-up of "one_cycle" and in epochs with mixup do not count.
    tol : float, default=1e-4
        Minimum improvement of the score for ``early_stopping``, absolute.
    scoring : str, callable, list of str or dict of str to str or callable, default="loss"
        Validation score: "loss" (its negative is the score), the name of a scikit-learn scorer, or
        a scorer from ``sklearn.metrics.make_scorer``. Of a list of names, or a dict of scorers by
        names of your own, all are recorded, and the first decides about stopping.
    return_train_score : bool, default=False
        Whether the training sequences are scored by ``scoring`` after each epoch, too, as they are
        predicted: unmixed and without dropout. That is another pass through the network, and
        changes nothing else. Without validation data ``scoring`` serves for it alone.
    device : str or torch.device, default="cpu"
        "cpu", "cuda", "cuda:1" and so on, or "auto": a GPU if there is one.
    precision : {"auto", "bfloat16", "float32", "tf32"}, default="float32"
        Arithmetic of LSTM layers and convolutions; weights and logits are float32. "bfloat16" is up
        to twice as fast on hardware that supports it; "auto" uses it on such a CPU if an LSTM layer
        has 64 units or more. "tf32" lets cuDNN multiply in TensorFloat-32 on a GPU, unless torch is
        told otherwise, and is float32 on a CPU.
    warm_start : bool, default=False
        Whether ``fit`` continues from the weights, the standardisation and the optimizer state of
        the previous call, for ``max_epochs`` more.
    checkpoint : str or path-like, default=None
        Path of a checkpoint. Training state is saved after every epoch; calling ``fit`` again with
        the same data and parameters resumes from it, or returns its result if the fit was complete
        and ``random_state`` is an int. A larger ``max_epochs`` goes on from there if
        ``lr_schedule`` is None or "plateau" and ``mixup_alpha`` 0. An existing folder gets one file
        for each fit, as a search needs.
    checkpoint_interval : int, default=None
        Number of training steps after which the ``checkpoint`` is written within an epoch, too,
        counted from its beginning. It may change from call to call. None: after epochs only.
    callbacks : list of skorch callbacks, default=None
        Callbacks of skorch. The history that they see has ``train_loss``, ``learning_rate``,
        ``dur`` and the scores, as ``history_`` has. In place of ``EpochScoring`` and
        ``BatchScoring``, which are refused, there is ``scoring``. Those of scikit-learn are set by
        ``set_callbacks``.
    random_state : int, RandomState instance or None, default=None
        Seed of initialisation, batches, mixup, dropout and validation split. Pass an int for
        reproducible results. None takes fresh entropy from the operating system. The global states
        of NumPy and torch are neither used nor changed.
    verbose : int, default=0
        1 shows a progress bar over the epochs, except in parallel workers; 0 is silent. Within a
        search of scikit-learn the bar says which of its fits this is. For nested bars, those of
        workers included, see `sklearn.callback.ProgressBar`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted; for several labels per sequence the numbers of the columns of y.
    multilabel_ : bool
        Whether y was an indicator matrix: several labels per sequence.
    n_features_in_ : int
        Number of columns of a 2-D X or of a data frame with static columns; otherwise number of
        features of a timestep.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of a data frame, or of the features in a list of data frames. Defined
        only if X was one of these and all names are strings.
    net_ : skorch.NeuralNet
        Trained skorch net, whose ``forward``, ``predict`` and ``predict_proba`` take X in any of
        the forms listed above. ``net_.module_`` is the `sklstm.nn.SequenceNetwork`, or with
        ``n_kernels`` the `sklstm.nn.ConvolutionEnsemble` that contains it, with ``tfidf`` the
        `sklstm.nn.TokenEnsemble`.
    history_ : dict of ndarray of shape (n_rows,)
        Figures of each epoch: ``epoch`` (from 1), ``dur`` (seconds), ``train_loss`` (weighted mean
        cross-entropy without penalties; of mixtures under mixup), ``learning_rate``; with
        ``early_stopping`` or ``X_val`` also ``valid_loss`` and ``valid_score``.
        ``pandas.DataFrame(history_)`` makes a table.

        Mixup adds ``mixup_alpha``, which is 0 where nothing is mixed; several metrics in
        ``scoring`` add ``valid_<name>`` for each; ``return_train_score`` adds ``train_score``,
        ``train_<name>``, and ``train_eval_loss``, the loss of the training sequences as they are
        predicted. ``valid_score`` and ``train_score`` are those of the first metric.

        With ``validation_interval`` there is a row for each validation: ``epoch`` is then the
        number of epochs up to it, such as 0.25, the losses and ``dur`` are those of the steps since
        the row before, and scores of training sequences are NaN within an epoch.
    n_iter_ : int
        Number of epochs, a partial one included, earlier calls included with ``warm_start`` or
        ``partial_fit``.
    best_epoch_ : int or float
        Epoch whose weights are used: with ``early_stopping`` that of the best validation score,
        otherwise the last. As ``epoch`` in ``history_``: a float with ``validation_interval``.
    best_score_ : float
        Validation score of that epoch; without validation data, the negative training loss.
    stop_reason_ : {"callback", "max_epochs", "max_time", "no_improvement"}
        Why training ended.

        - "callback": requested by a callback, such as skorch's ``EarlyStopping``
        - "max_epochs": all epochs were run
        - "max_time": the time was over; the last epoch of ``history_`` may be a partial one
        - "no_improvement": no better score in ``n_iter_no_change`` validations
    resolved_params_ : dict
        Values of the parameters that may be "auto".

    See Also
    --------
    sklstm.nn.SequenceNetwork : The network as a torch module.
    LSTMSequenceRegressor : Numbers in place of labels.

    Notes
    -----
    The loss of a batch is the weighted mean cross-entropy of its logits,
    :math:`\sum_i w_i \ell_i / \sum_i w_i`, where :math:`w_i` is class weight times sample
    weight; probabilities are the softmax of the logits. For several labels per sequence it is the
    weighted mean binary cross-entropy over sequences and labels, and probabilities are the sigmoid.

    Time is linear in the total number of timesteps: sequences of similar length share a batch, so
    there is little padding. Training holds a second copy of X, in float32, on ``device``.

    Weights are normalised within each batch, so their effect fades with small batches and vanishes
    with ``batch_size=1``. Batch normalisation of the convolutions uses the real timesteps of a
    batch in training and running statistics in prediction, both unweighted.

    A configuration is *causal* if what is computed for the first timesteps of a sequence stays
    valid when others follow, as `sklstm.streaming.Stream` requires: ``bidirectional=False``,
    ``conv_filters=()`` and ``n_kernels=0``, for token ids ``tfidf=False``, any ``pooling`` but
    "attention", ``standardize`` True or False, and no bfloat16.

    A pickle or a copy holds the weights but not the optimizer state: ``warm_start`` and
    ``partial_fit`` begin with a new optimizer there. Fits in threads of one process take turns.

    Settings without effect, such as ``validation_fraction`` without ``early_stopping``, cause a
    ``UserWarning``; values equal to the default and "auto" do not.

    With an int ``random_state``, fits are bitwise reproducible on one machine with one version of
    torch, for any number of threads.

    References
    ----------
    .. [1] S\. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997.
    .. [2] L. Smith, N. Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
       Learning Rates", 2018.
    .. [3] F. Karim, S. Majumdar, H. Darabi, S. Chen, "LSTM Fully Convolutional Networks for Time
       Series Classification", IEEE Access 6, 2018.
    .. [4] F. Karim, S. Majumdar, H. Darabi, S. Harford, "Multivariate LSTM-FCNs for Time Series
       Classification", Neural Networks 116, 2019.
    .. [5] H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, "mixup: Beyond Empirical Risk
       Minimization", ICLR 2018.
    .. [6] A. Dempster, D. F. Schmidt, G. I. Webb, "MiniRocket: A Very Fast (Almost) Deterministic
       Transform for Time Series Classification", KDD 2021.
    .. [7] A. Dempster, D. F. Schmidt, G. I. Webb, "Hydra: Competing Convolutional Kernels for Fast
       and Accurate Time Series Classification", Data Mining and Knowledge Discovery 37, 2023.
    .. [8] S. Wang, C. Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic
       Classification", ACL 2012.

    Examples
    --------
    Sequences of unequal length:

    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> X, y = make_trends(n_sequences=60, random_state=0)
    >>> X[0].shape, X[1].shape, y[:2].tolist()
    ((17, 1), (14, 1), ['falling', 'falling'])
    >>> classifier = LSTMSequenceClassifier(hidden_sizes=8, max_epochs=40, random_state=0)
    >>> bool(classifier.fit(X, y).score(X, y) > 0.9)
    True

    One row per univariate sequence:

    >>> import numpy as np
    >>> X = np.sin(np.arange(12) * np.array([[1], [2]] * 50))
    >>> y = [1, 2] * 50
    >>> classifier.fit(X, y).predict(X[:4])
    array([1, 2, 1, 2])

    Several labels per sequence, here whether it is high and whether it oscillates:

    >>> y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 25)
    >>> X = 3 * y[:, [0]] + y[:, [1]] * np.cos(np.pi * np.arange(12))
    >>> classifier.fit(X, y).predict(X[:3])
    array([[0, 0],
           [0, 1],
           [1, 0]])
    """

    _task_type = Classification

    @translates_names
    def __init__(
        self,
        hidden_sizes: int | Sequence[int] = 64,
        *,
        bidirectional: bool = True,
        pooling: Literal["attention", "last", "max", "mean"] = "max",
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
        class_weight: Mapping[Any, float]
        | Sequence[Mapping[int, float]]
        | Literal["balanced"]
        | None = None,
        mixup_alpha: float = 0.2,
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
        self.class_weight = class_weight
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
    ) -> LSTMSequenceClassifier:
        """Train on labelled sequences.

        Whatever is raised, Ctrl-C included, the estimator is left as it was before the call.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms listed above.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            Class labels: strings, integers or booleans. For several labels per sequence an
            indicator matrix, dense or sparse: 1 or True where a sequence has a label. In a first
            fit at least one of its rows has none or more than one; one-hot rows are an error.
        sample_weight : array-like of shape (n_sequences,), default=None
            Non-negative weight of each sequence; None means 1. A weight of 0 is the same as leaving
            the sequence out.
        X_val : array-like, default=None
            Sequences to validate on instead of a part held out of X. Without ``early_stopping``
            they are scored after each epoch and have no other effect.
        y_val : array-like, default=None
            Their labels, in the shape of y; a single label of each occurs in y.
        sample_weight_val : array-like of shape (n_sequences_val,), default=None
            Non-negative weight of each of them; None means 1.
        groups : array-like of shape (n_sequences,), default=None
            What each sequence belongs to, such as a person or a recording: sequences of one group
            are either all trained on or all held out. Without a held-out part they have no effect.

        Returns
        -------
        LSTMSequenceClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            If X or y is not what is accepted; the message names the culprit by its index. If the
            ``checkpoint`` belongs to a different fit, or to one of more epochs; the message names
            what differs.
        ModelFileError
            If the ``checkpoint`` is damaged or is something else.
        OSError
            If the ``checkpoint`` cannot be written; BlockingIOError if another fit is writing it.
        TrainingDivergedError
            If the loss becomes NaN or infinite.
        MemoryError
            If a step or the sequences do not fit into memory; the message gives the sizes.

        Warns
        -----
        UserWarning
            If a setting has no effect; if X looks misread: lists of integers without an embedding,
            few timesteps of many features, a data frame with a column such as 'id' or 'time'; if
            another thread of the process is fitting.
        """
        given_val = Given(X_val, y_val, sample_weight_val)
        return self._fit(Given(X, y, sample_weight, groups), given_val)

    @translates_names
    def partial_fit(
        self,
        X: Any,
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> LSTMSequenceClassifier:
        """Train for one epoch on some more sequences, at a constant learning rate.

        Features are standardised by the first call's sequences. Without effect, and without a
        warning, are ``verbose``, ``lr_schedule``, ``early_stopping`` and what belongs to it,
        ``max_epochs``, ``max_time``, ``mixup_alpha``, ``validation_interval``, ``checkpoint`` and
        ``checkpoint_interval``. With ``n_kernels`` the linear model stays as `fit` has left it, and
        without an earlier `fit` there is none.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms listed above.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            Class labels, as in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come, of an indicator matrix ``range(n_labels)``; required in
            the first call, optional afterwards.
        sample_weight : array-like of shape (n_sequences,), default=None
            Non-negative weight of each sequence; None means 1.

        Returns
        -------
        LSTMSequenceClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            As `fit`, with its other errors; also for labels outside ``classes`` and for
            ``class_weight="balanced"``, which cannot be counted before all labels are seen.
        """
        check_parameters(self)
        check_partial_fit_weight(self.class_weight)
        is_further = hasattr(self, "net_")
        known = check_partial_fit_classes(classes, self.classes_ if is_further else None)
        name = type(self).__name__
        task = self._task if is_further else Classification.of_classes(known, y, estimator=name)
        return self._fit_partially(Given(X, y, sample_weight), task)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def predict(self, X: Any) -> Array:
        """Most probable label of each sequence, or all labels that are more probable than not.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms listed above.

        Returns
        -------
        ndarray of shape (n_sequences,) or (n_sequences, n_labels)
            Labels, of the dtype of ``classes_``; for several labels an indicator matrix of int.
        """
        labels: Array = self._predictor(X).predict()
        return labels

    def predict_proba(self, X: Any) -> Array:
        """Probability of each class for each sequence.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms listed above.

        Returns
        -------
        ndarray of shape (n_sequences, n_classes), float64
            In the order of ``classes_``; each row sums to 1, unless a sequence has several labels.
        """
        probabilities: Array = self._predictor(X).predict_proba()
        return probabilities

    def predict_log_proba(self, X: Any) -> Array:
        """Natural logarithm of the probability of each class for each sequence.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms listed above.

        Returns
        -------
        ndarray of shape (n_sequences, n_classes), float64
            In the order of ``classes_``; finite even where `predict_proba` underflows to 0.
        """
        logarithms: Array = self._predictor(X).predict_log_proba()
        return logarithms

    def decision_function(self, X: Any) -> Array:
        """Logits of each class for each sequence.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms listed above.

        Returns
        -------
        ndarray of shape (n_sequences, n_classes), or (n_sequences,) for two classes, float64
            For two classes the logit of the second less that of the first: positive where
            ``classes_[1]`` is predicted. For several labels, also two, the logit of each.
        """
        decisions: Array = self._predictor(X).decision_function()
        return decisions
