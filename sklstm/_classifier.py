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

    It classifies sequences of equal or unequal length: time series, sensor recordings, event logs
    and, as token ids, text. It works in ``Pipeline``, ``GridSearchCV`` and ``cross_val_score``.
    Batching, padding and masking are automatic, and a prediction does not depend on the other
    sequences in X. By default an LSTM network is averaged with a linear model: of fixed
    convolutions for measurements (``n_kernels``), of TF-IDF for token ids (``tfidf``).

    X may be

    - a float array of shape ``(n_sequences, n_timesteps, n_features)``;
    - a 2-D array or data frame: one univariate sequence per row;
    - a list, tuple or object array of arrays of shape ``(n_timesteps_i, n_features)``, or of 1-D
      arrays if univariate; any other object with a length and integer indexing is read as a list;
    - a list of data frames, dicts of columns or structured arrays: the columns are named features.
      Text and categorical columns of data frames are categories;
    - a data frame with exactly one column of sequences, in any of these forms but dicts. The other
      columns are static: one number or category for each sequence, NaN if missing. A column has at
      most 255 categories; missing and unknown ones contribute nothing;
    - a NumPy masked array, or a list of them: timesteps masked at the end are padding;
    - a torch tensor of any of these shapes, or a list of tensors;
    - a nested list of pyarrow, awkward or polars, or structs of these;
    - sequences on disk, such as `sklstm.preprocessing.open_sequences` returns;
    - with an embedding, token ids: an integer array of shape ``(n_sequences, n_timesteps)``, padded
      at the end with 0, or a list of 1-D integer sequences.

    Each sequence has one label, or several if y is an indicator matrix.

    Parameters
    ----------
    hidden_sizes : int or tuple of int, default=64
        Number of units of each stacked LSTM layer, from first to last. An int is a single layer.
        With ``bidirectional=True`` each direction has this many units.
    bidirectional : bool, default=True
        Whether the LSTM layers are bidirectional.
    pooling : {"attention", "last", "max", "mean"}, default="max"
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
        LSTM-FCN [3]_. () means no branch. If this is set, also to (), ``n_kernels="auto"`` is 0.
    n_kernels : int or "auto", default="auto"
        Number of features of fixed, untrained convolutions (MiniRocket [6]_ and Hydra [7]_). A
        linear model of them is averaged with the network. 0 means none.
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
        Whether a logistic regression on TF-IDF of tokens and token pairs [8]_ is added to a network
        of token ids. The logits are a weighted sum of both.
    standardize : bool or {"auto", "both", "sequence"}, default="auto"
        Standardisation of measurements to mean 0 and variance 1; constant features become 0.

        - True: each feature over all timesteps of the training sequences
        - "sequence": each sequence by itself, which removes its level and scale
        - "both": True and "sequence" side by side, which doubles the number of inputs
        - "auto": True or "both", depending on the data
    mask_value : float, default=None
        Padding value; NaN is allowed. Timesteps at the end of a sequence are removed if all of
        their features equal it. Token ids are always padded with 0.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Class weights as ``{label: weight}``; missing labels have weight 1. "balanced" weights
        classes inversely to their frequency. Multiplied by ``sample_weight``. The validation loss
        is weighted as well.

        With several labels per sequence, ``{column: weight}`` weights the presence of a label. A
        list has a dict ``{0: weight, 1: weight}`` for each label.
    mixup_alpha : float, default=0.2
        alpha of the Beta(alpha, alpha) distribution of the coefficients of mixup [5]_, which is
        applied in the first half of the epochs. 0 disables mixup.
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
        - "one_cycle": warm-up over the first 30 % of the steps, then annealing to almost 0 [2]_
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

        - True: a random part, stratified by class
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
        Precision of LSTM layers and convolutions; weights and logits are float32.

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
        Seed of initialisation, batches, mixup, dropout and validation split. Pass an int for
        reproducible results.
    verbose : int, default=0
        1 shows a progress bar over the epochs, except in parallel workers. 0 is silent.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted. With several labels per sequence, the column numbers of y.
    multilabel_ : bool
        Whether y was an indicator matrix, with several labels per sequence.
    n_features_in_ : int
        Number of features of a timestep. If X was a 2-D array, or a data frame with static columns,
        the number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names of the data frame, or feature names of a list of data frames. Only defined if
        X was one of these and all names are strings.
    net_ : skorch.NeuralNet
        Trained skorch net. Its ``forward``, ``predict`` and ``predict_proba`` take X in any of the
        forms above. ``net_.module_`` is a `sklstm.nn.SequenceNetwork`, contained in a
        `sklstm.nn.ConvolutionEnsemble` with ``n_kernels`` and in a `sklstm.nn.TokenEnsemble` with
        ``tfidf``.
    history_ : dict of ndarray of shape (n_rows,)
        Training history, one row per epoch: ``epoch`` (from 1), ``dur`` (seconds), ``train_loss``
        (weighted mean cross-entropy without penalties; of mixtures under mixup) and
        ``learning_rate``; with ``early_stopping`` or ``X_val`` also ``valid_loss`` and
        ``valid_score``. ``pandas.DataFrame(history_)`` is a table.

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
    LSTMSequenceRegressor : The same network for numeric targets.
    sklstm.nn.SequenceNetwork : The network as a torch module.
    sklstm.inspection.summary : Layers, output shapes and number of parameters.

    Notes
    -----
    **Values of "auto".** ``resolved_params_`` has those that ``fit`` has chosen.

    - ``standardize``: "both" for a single feature, unless each sequence is already standardised.
      "both" also if for some feature the median of the sequences' standard deviations is below a
      twentieth of the overall one, since a few sequences then dominate the scale. Otherwise True.
    - ``n_kernels``: 5040, fewer for more than 2000 sequences, and 0 for more than 10000, for
      token ids, or if ``conv_filters`` is set.
    - ``conv_filters``: () for token ids, and for a single feature with ``n_kernels``; otherwise
      (64, 128, 64).
    - ``patch_size``: 1 for token ids. For measurements the smallest size that leaves at most 128
      patches in nine of ten sequences; 256 for 101 to 500 sequences, and 32 if the network reads
      windows of fixed convolutions.
    - ``batch_size``: a sixty-fourth of the sequences, as a power of two from 32 to 128.
    - ``max_epochs``: 3000 training steps, or 800 for token ids, in 10 to 100 epochs.

    **Loss.** The loss of a batch is the weighted mean cross-entropy of its logits,
    :math:`\sum_i w_i \ell_i / \sum_i w_i`, where :math:`w_i` is class weight times sample weight.
    Probabilities are the softmax of the logits. With several labels per sequence it is the weighted
    mean binary cross-entropy over sequences and labels, and probabilities are the sigmoid. Weights
    are normalised within each batch, so that their effect fades with small batches and vanishes
    with ``batch_size=1``.

    **Convolutions.** The kernel sizes of ``conv_filters`` are 8, 5, 3 and then 3 for each further
    layer, in timesteps or patches. All layers but the last have squeeze-and-excitation [4]_, and
    global average pooling of the last one is concatenated to the pooled LSTM states. Batch
    normalisation uses the real timesteps of a batch in training and running statistics in
    prediction, both unweighted.

    The fixed convolutions of ``n_kernels`` read the inputs and their differences at several
    dilations. Their linear model is fitted in closed form. Without ``conv_filters`` the network
    reads windows of ``patch_size`` timesteps of the same convolutions and of the inputs. With one
    label per sequence, from 500 sequences on and without early stopping, the network's logits are
    scaled down to the confidence of the linear model before they are averaged.

    **TF-IDF.** From 100 sequences on, and without ``early_stopping``, the weights of the sum are
    fitted on a tenth of the sequences, which the network is not trained on. From 500 on, the
    network reads ids that occur in a single training sequence as unknown (1), unless there are
    ``embedding_weights``.

    **Held-out sequences.** ``early_stopping=True`` holds out at least one sequence of each class
    that has two or more, and never all of a class. With several labels per sequence, the rarest one
    counts as the class. ``groups`` given to ``fit`` are never split.

    **Cost.** Time is linear in the total number of timesteps: sequences of similar length share a
    batch, so that there is little padding. Training holds a second copy of X, in float32, on
    ``device``.

    **Causal models.** A model is *causal* if what is computed for the first timesteps of a sequence
    stays valid when others follow, as `sklstm.streaming.Stream` requires: ``bidirectional=False``,
    ``conv_filters=()`` and ``n_kernels=0``, for token ids ``tfidf=False``, any ``pooling`` but
    "attention", ``standardize`` True or False, and no bfloat16.

    **Further training.** A pickle or a copy holds the weights but not the optimizer state:
    ``warm_start`` and ``partial_fit`` then begin with a new optimizer. Fits in threads of one
    process take turns.

    **Reproducibility.** With an int ``random_state``, fits are bitwise reproducible on one machine
    with one version of torch, for any number of threads. None draws a seed from the operating
    system. The global random states of NumPy and torch are neither used nor changed.

    Settings without effect, such as ``validation_fraction`` without ``early_stopping``, cause a
    ``UserWarning``. Values equal to the default and "auto" do not.

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
        """Fit the network to labelled sequences.

        If the call raises an exception, including Ctrl-C, the estimator is left unchanged.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms listed above.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            Class labels: strings, integers or booleans. For several labels per sequence, a dense
            or sparse indicator matrix, with 1 or True where a sequence has a label. In the first
            fit at least one row needs no label or more than one: one-hot labels are an error.
        sample_weight : array-like of shape (n_sequences,), default=None
            Non-negative weights of the sequences. None means 1. A weight of 0 is the same as
            leaving the sequence out.
        X_val : array-like, default=None
            Validation sequences, used in place of a held-out part of X. Without
            ``early_stopping`` they are scored after each epoch and have no other effect.
        y_val : array-like, default=None
            Labels of the validation sequences, in the form of y. Class labels must occur in y.
        sample_weight_val : array-like of shape (n_sequences_val,), default=None
            Non-negative weights of the validation sequences. None means 1.
        groups : array-like of shape (n_sequences,), default=None
            Group of each sequence, such as a person or a recording. The sequences of a group are
            either all trained on or all held out. No effect if nothing is held out.

        Returns
        -------
        LSTMSequenceClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or y is invalid; the message names the offending element by its index. If the
            ``checkpoint`` belongs to a different fit, or to one of more epochs; the message names
            the differences.
        ModelFileError
            If the ``checkpoint`` is damaged or not a checkpoint.
        OSError
            If the ``checkpoint`` cannot be written. BlockingIOError if another fit is using it.
        TrainingDivergedError
            If the loss becomes NaN or infinite.
        MemoryError
            If a training step or the sequences do not fit into memory; the message gives sizes.

        Warns
        -----
        UserWarning
            If a setting has no effect. If X looks misread: lists of integers without an embedding,
            few timesteps of many features, padding that is read, or a data frame with a column such
            as 'id' or 'time'. If another thread of the process is fitting.
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
        """Train for one epoch on further sequences, at a constant learning rate.

        Features are standardised by the sequences of the first call. ``verbose``, ``lr_schedule``,
        ``early_stopping`` and its parameters, ``max_epochs``, ``max_time``, ``mixup_alpha``,
        ``validation_interval``, ``checkpoint`` and ``checkpoint_interval`` have no effect. With
        ``n_kernels`` the linear model of an earlier `fit` is kept unchanged; without an earlier
        `fit` there is none.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms listed above.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            Class labels, as in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All class labels that occur in any call; ``range(n_labels)`` for an indicator matrix.
            Required in the first call, optional afterwards.
        sample_weight : array-like of shape (n_sequences,), default=None
            Non-negative weights of the sequences. None means 1.

        Returns
        -------
        LSTMSequenceClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            As in `fit`, whose other exceptions are raised as well. Also for labels outside
            ``classes``, and for ``class_weight="balanced"``, which needs all labels at once.
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
        """Predict the class label of each sequence.

        With several labels per sequence, predict all labels of a probability above 0.5.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms listed above.

        Returns
        -------
        ndarray of shape (n_sequences,) or (n_sequences, n_labels)
            Class labels, of the dtype of ``classes_``, or an integer indicator matrix if there are
            several labels per sequence.
        """
        labels: Array = self._predictor(X).predict()
        return labels

    def predict_proba(self, X: Any) -> Array:
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms listed above.

        Returns
        -------
        ndarray of shape (n_sequences, n_classes), float64
            Probabilities in the order of ``classes_``. Rows sum to 1, unless there are several
            labels per sequence.
        """
        probabilities: Array = self._predictor(X).predict_proba()
        return probabilities

    def predict_log_proba(self, X: Any) -> Array:
        """Predict the natural logarithm of class probabilities.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms listed above.

        Returns
        -------
        ndarray of shape (n_sequences, n_classes), float64
            Log-probabilities in the order of ``classes_``. Finite even where `predict_proba`
            underflows to 0.
        """
        logarithms: Array = self._predictor(X).predict_log_proba()
        return logarithms

    def decision_function(self, X: Any) -> Array:
        """Compute the logits of each class.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms listed above.

        Returns
        -------
        ndarray of shape (n_sequences, n_classes), or (n_sequences,) for two classes, float64
            Logits in the order of ``classes_``. For two classes, the difference of the logits,
            which is positive where ``classes_[1]`` is predicted. With several labels per sequence,
            even two, the logit of each label.
        """
        decisions: Array = self._predictor(X).decision_function()
        return decisions
