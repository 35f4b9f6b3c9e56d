"""TokenEncoder: tokenization of texts and their encoding as token ids."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils.validation import check_is_fitted

from sklstm._compat._sklearn import DocumentationLinks, Interval, RealNotInt, StrOptions
from sklstm._compat._sklearn_callbacks import fit_task
from sklstm._config._parameters import validate_parameters
from sklstm._optional import require
from sklstm._sequences import PADDING_ID, UNKNOWN_ID, IntArray
from sklstm._validation._messages import none_found
from sklstm._validation._tokens import TokenIds
from sklstm._warnings import warn_user

FIRST_ID = 2
PADDING_TOKEN, UNKNOWN_TOKEN = "[PAD]", "[UNK]"
ANALYZERS = ("bpe", "char", "word")
DEFAULT_BPE_TOKENS = 8_000

Tokens = Sequence[str]


class TokenEncoder(  # type: ignore[call-arg]
    DocumentationLinks,
    CallbackSupportMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,
):
    r"""Tokenise texts and encode them as sequences of token ids.

    The estimators embed the ids (``embedding_dim``). Id 0 is padding, id 1 is the unknown token,
    and the tokens of the vocabulary have the ids from 2 on. A text without tokens becomes a single
    unknown token.

    Parameters
    ----------
    analyzer : {"word", "char", "bpe"} or callable, default="word"
        Tokenisation.

        - "word": matches of ``token_pattern``, as in scikit-learn's ``CountVectorizer``
        - "char": characters, with each run of whitespace as one space
        - "bpe": subwords by byte-pair encoding [1]_, learned from the texts; requires the package
          ``tokenizers``
        - a callable that takes a text and returns a list of tokens
    lowercase : bool, default=True
        Whether to convert texts to lowercase before tokenisation. Ignored with a callable.
    token_pattern : str, default=r"\w+|[^\w\s]"
        Regular expression of a token for "word". The default matches a run of letters and digits,
        or a single punctuation mark.
    min_df : int or float, default=1
        Minimum document frequency of a token in the vocabulary: a number of texts, or as a float a
        fraction of them. For "bpe", the minimum number of occurrences of a merged pair.
    vocabulary : sequence of str, or mapping of str to int, default=None
        Fixed vocabulary: tokens, which get the ids from 2 on in this order, or a mapping of tokens
        to ids. None means that it is learned from the texts. With a fixed vocabulary, also set the
        estimator's ``vocabulary_size=len(vocabulary) + 2`` or ``embedding_weights``; otherwise it
        only knows the ids of its training texts.
    max_vocabulary : int, default=None
        Maximum size of the vocabulary, which keeps the most frequent tokens. None means no limit,
        or 8000 for "bpe", whose vocabulary always has all characters of the texts.
    max_length : int, default=None
        Maximum number of tokens per text. Longer texts are truncated. None means no limit.
    cut : {"end", "start"}, default="end"
        Side at which longer texts are truncated.

    Attributes
    ----------
    vocabulary_ : dict
        Mapping of tokens to ids.
    tokenizer_ : tokenizers.Tokenizer
        The trained byte-pair encoding. Only defined for ``analyzer="bpe"``.

    See Also
    --------
    read_word_vectors : Pretrained word vectors, whose words can be a fixed vocabulary.

    Notes
    -----
    The vocabulary is learned in ``fit``, so that a cross-validated pipeline never includes words
    that only occur in the test fold. Tokens of equal frequency are in alphabetical order.

    References
    ----------
    .. [1] R. Sennrich, B. Haddow, A. Birch, "Neural Machine Translation of Rare Words with Subword
       Units", ACL 2016.

    Examples
    --------
    >>> from sklstm.preprocessing import TokenEncoder
    >>> encoder = TokenEncoder().fit(["Which way is north?", "Which is it?"])
    >>> [ids.tolist() for ids in encoder.transform(["Which is south?", ""])]
    [[4, 3, 1, 2], [1]]
    >>> encoder.inverse_transform([[4, 3, 1, 2]])
    [['which', 'is', '[UNK]', '?']]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "analyzer": [StrOptions(set(ANALYZERS)), callable],
        "lowercase": ["boolean"],
        "token_pattern": [str],
        "min_df": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="both"),
        ],
        "max_vocabulary": [Interval(Integral, 1, None, closed="left"), None],
        "max_length": [Interval(Integral, 1, None, closed="left"), None],
        "cut": [StrOptions({"end", "start"})],
        "vocabulary": ["array-like", Mapping, None],
    }

    def __init__(
        self,
        *,
        analyzer: Literal["word", "char", "bpe"] | Callable[[str], Tokens] = "word",
        lowercase: bool = True,
        token_pattern: str = r"\w+|[^\w\s]",  # noqa: S107
        min_df: float = 1,
        vocabulary: Sequence[str] | Mapping[str, int] | None = None,
        max_vocabulary: int | None = None,
        max_length: int | None = None,
        cut: Literal["end", "start"] = "end",
    ) -> None:
        self.analyzer = analyzer
        self.lowercase = lowercase
        self.token_pattern = token_pattern
        self.min_df = min_df
        self.vocabulary = vocabulary
        self.max_vocabulary = max_vocabulary
        self.max_length = max_length
        self.cut = cut

    vocabulary_: dict[str, int]
    tokenizer_: Any

    def fit(self, X: Iterable[str | Tokens], y: Any = None) -> TokenEncoder:
        """Learn the vocabulary.

        Parameters
        ----------
        X : iterable of str, or of lists of str
            Texts, or lists of tokens.
        y : None
            Ignored.

        Returns
        -------
        TokenEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If an item of X is not a text, or if no token is frequent enough.
        """
        with fit_task(self, X, y):
            self._fit_documents(X)
        return self

    def _fit_documents(self, X: Iterable[str | Tokens]) -> None:
        """Implementation of `fit`."""
        validate_parameters(self)
        documents = check_documents(X)
        if hasattr(self, "tokenizer_"):
            del self.tokenizer_
        if self.analyzer == "bpe":
            self._fit_bpe(documents)
            return
        if self.vocabulary is not None:
            self.vocabulary_ = check_vocabulary(self.vocabulary)
            self._warn_of_capitals()
            return
        # Counted after truncation: a token that is always cut off would have an id that the network
        # never sees.
        kept = (self._truncate(list(text)) for text in self._analyze(documents))
        counts = Counter(token for text in kept for token in set(text))
        min_count = self._min_count(len(documents))
        frequent = [token for token, count in counts.items() if count >= min_count]
        if not frequent:
            raise self._no_token(len(documents))
        frequent.sort(key=lambda token: (-counts[token], token))
        self.vocabulary_ = assign_ids(frequent[: self.max_vocabulary])

    def transform(self, X: Iterable[str | Tokens]) -> list[IntArray]:
        """Encode texts as token ids.

        Parameters
        ----------
        X : iterable of str, or of lists of str
            Texts, or lists of tokens.

        Returns
        -------
        list of ndarray of shape (n_tokens_i,), int64
            Token ids of each text, at least one.
        """
        check_is_fitted(self)
        documents = check_documents(X)
        known = self.vocabulary_
        if self.analyzer == "bpe":
            largest = max(known.values())
            encoded = (
                [i if i <= largest else UNKNOWN_ID for i in ids]
                for ids in encode(self.tokenizer_, documents)
            )
        else:
            encoded = (
                [known.get(token, UNKNOWN_ID) for token in text]
                for text in self._analyze(documents)
            )
        return TokenIds(
            np.array(self._truncate(ids) or [UNKNOWN_ID], dtype=np.int64) for ids in encoded
        )

    def inverse_transform(self, X: Iterable[Iterable[int]]) -> list[list[str]]:
        """Decode token ids to tokens.

        Parameters
        ----------
        X : iterable of iterables of int
            Sequences of token ids. Padding is dropped.

        Returns
        -------
        list of lists of str
            Tokens of each text. "[UNK]" is the unknown token and any id not in the vocabulary.
        """
        check_is_fitted(self)
        tokens = {i: token for token, i in self.vocabulary_.items()}
        return [[tokens.get(int(i), UNKNOWN_TOKEN) for i in ids if i != PADDING_ID] for ids in X]

    def _analyze(self, documents: list[str | Tokens]) -> Iterable[Tokens]:
        """Tokens of each document; lists of tokens pass through."""
        analyze = CountVectorizer(
            analyzer=self.analyzer, lowercase=self.lowercase, token_pattern=self.token_pattern
        ).build_analyzer()
        return (analyze(text) if isinstance(text, str) else text for text in documents)

    def _warn_of_capitals(self) -> None:
        """Warn if texts are converted to lowercase but the fixed vocabulary is not."""
        if not self.lowercase or self.analyzer not in ANALYZERS:
            return
        capital = next((token for token in self.vocabulary_ if token != token.lower()), None)
        if capital is not None:
            warn_user(
                f"vocabulary has tokens with capitals, such as {capital!r}, which no text has after"
                " lowercase=True. Set lowercase=False, or put the vocabulary into lower case.",
            )

    def _min_count(self, n_documents: int) -> float:
        """``min_df`` as a number of texts."""
        return self.min_df * (n_documents if isinstance(self.min_df, float) else 1)

    def _no_token(self, n_documents: int) -> ValueError:
        return ValueError(
            f"No token occurs in {self.min_df} or more of the {n_documents} texts.\n\nLower min_df,"
            " or look whether the texts are empty."
        )

    def _truncate(self, tokens: list[Any]) -> list[Any]:
        if self.max_length is None or len(tokens) <= self.max_length:
            return tokens
        return tokens[: self.max_length] if self.cut == "end" else tokens[-self.max_length :]

    def _fit_bpe(self, documents: list[str | Tokens]) -> None:
        if self.vocabulary is not None:
            raise ValueError(
                "analyzer='bpe' learns its own vocabulary.\n\nSet vocabulary=None, or another"
                " analyzer."
            )
        tokenizers = require("tokenizers", extra="subwords")
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=UNKNOWN_TOKEN))
        if self.lowercase:
            tokenizer.normalizer = tokenizers.normalizers.Lowercase()
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=(self.max_vocabulary or DEFAULT_BPE_TOKENS) + FIRST_ID,
            min_frequency=math.ceil(self._min_count(len(documents))),
            special_tokens=[PADDING_TOKEN, UNKNOWN_TOKEN],
            show_progress=False,
        )
        tokenizer.train_from_iterator(map(as_text, documents), trainer)
        # A text that contains "[PAD]" is encoded as any other, not as the special token.
        tokenizer.encode_special_tokens = True
        # The embedding has rows up to the largest id of the training texts: larger ids occur only
        # in what is truncated.
        kept = (self._truncate(ids) for ids in encode(tokenizer, documents))
        largest = max((i for ids in kept for i in ids), default=UNKNOWN_ID)
        ids = sorted((i, token) for token, i in tokenizer.get_vocab().items())
        self.vocabulary_ = {token: i for i, token in ids if FIRST_ID <= i <= largest}
        if not self.vocabulary_:
            raise self._no_token(len(documents))
        self.tokenizer_ = tokenizer

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "tokenizer_" in state:
            # As JSON text: skops has no type for a tokenizer.
            state["tokenizer_"] = self.tokenizer_.to_str()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if isinstance(state.get("tokenizer_"), str):
            tokenizers = require("tokenizers", extra="subwords")
            tokenizer = tokenizers.Tokenizer.from_str(state["tokenizer_"])
            # The JSON text does not hold this flag.
            tokenizer.encode_special_tokens = True
            state = state | {"tokenizer_": tokenizer}
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def check_documents(X: Any) -> list[str | Tokens]:
    """Validate X and return it as a list of texts and lists of tokens."""
    is_flat = getattr(X, "ndim", 1) == 1 and not isinstance(X, (str, bytes, Mapping))
    if not isinstance(X, Iterable) or not is_flat or hasattr(X, "columns"):
        raise ValueError(
            f"X must be a list, a 1-D array or a column of texts. Got {_describe(X)} instead.\n\n"
            "Pass [X] if it is one text, X['name'] for one column, X.ravel() if there is only one."
        )
    documents = list(X)
    if not documents:
        raise ValueError(none_found("sample", (0,)))
    for index, document in enumerate(documents):
        is_tokens = isinstance(document, (list, tuple, np.ndarray))
        if not isinstance(document, str) and not (
            is_tokens and all(isinstance(token, str) for token in document)
        ):
            raise ValueError(
                f"X[{index}] must be a text, or a list of tokens. Got {document!r:.60} instead.\n\n"
                "Replace missing texts by '', which becomes one unknown token."
            )
    return documents


def _describe(X: Any) -> str:
    if isinstance(X, (str, bytes, int, float)):
        return repr(X)[:60]
    return f"a {type(X).__name__}" + (f" of shape {X.shape}" if hasattr(X, "shape") else "")


def check_token_pattern(encoder: TokenEncoder) -> None:
    """Raise re.error or ValueError unless the pattern of a word is one."""
    encoder._analyze([])


def check_vocabulary(vocabulary: Sequence[str] | Mapping[str, int]) -> dict[str, int]:
    """Validate a fixed vocabulary and return it as a dict of unique ids of at least 2."""
    if isinstance(vocabulary, (set, frozenset)):
        raise ValueError(
            "vocabulary is a set, whose order is not reproducible.\n\nGive a sorted list:"
            " sorted(vocabulary)."
        )
    is_mapping = isinstance(vocabulary, Mapping) or hasattr(vocabulary, "items")
    tokens = list(vocabulary.keys() if is_mapping else vocabulary)  # type: ignore[union-attr]
    if isinstance(vocabulary, str) or not all(isinstance(token, str) for token in tokens):
        raise ValueError(
            f"vocabulary must be a sequence of tokens, or tokens with their ids. Got"
            f" {vocabulary!r:.60} instead."
        )
    if not is_mapping:
        return assign_ids(tokens)
    ids = dict(vocabulary.items())  # type: ignore[union-attr]
    integral = all(isinstance(i, Integral) for i in ids.values())
    if not ids or not integral or len(set(ids.values())) < len(ids) or min(ids.values()) < FIRST_ID:
        raise ValueError(
            f"vocabulary must map tokens to different ids of at least {FIRST_ID}: 0 is padding and"
            " 1 the unknown token.\n\nGive the tokens alone, and they are numbered."
        )
    return {token: int(i) for token, i in ids.items()}


def assign_ids(tokens: Sequence[str]) -> dict[str, int]:
    """Assign ids from 2 on to unique tokens, in their order."""
    ids = {token: i for i, token in enumerate(tokens, start=FIRST_ID)}
    if len(ids) < len(tokens) or not ids:
        twice = [token for token, count in Counter(tokens).items() if count > 1]
        found = f"Twice: {twice[:3]}." if twice else "Got none."
        raise ValueError(f"vocabulary must hold different tokens, at least one. {found}")
    return ids


def encode(tokenizer: Any, documents: list[str | Tokens]) -> Iterable[list[int]]:
    """Encode documents by a trained byte-pair encoding."""
    encodings = tokenizer.encode_batch([as_text(document) for document in documents])
    return (encoding.ids for encoding in encodings)


def as_text(document: str | Tokens) -> str:
    """The text itself, or tokens joined by spaces."""
    return document if isinstance(document, str) else " ".join(document)


def tokens_of(encoder: TokenEncoder, X: Iterable[str | Tokens]) -> list[list[str]]:
    """Tokens of texts as a fitted encoder cuts them, those not in its vocabulary included."""
    documents = check_documents(X)
    if encoder.analyzer == "bpe":
        return encoder.inverse_transform(encoder.transform(documents))
    cut = (encoder._truncate(list(text)) for text in encoder._analyze(documents))
    return [tokens or [UNKNOWN_TOKEN] for tokens in cut]
