"""Pretrained word vectors."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sklstm._sequences import UNKNOWN_ID, Array
from sklstm._validation._numbers import reads_as_number
from sklstm.preprocessing._tokens import assign_ids


@dataclass(frozen=True, slots=True, eq=False)
class WordVectors:
    """Pretrained word vectors, as returned by `read_word_vectors`.

    Attributes
    ----------
    tokens : tuple of str
        The words. With ``TokenEncoder(vocabulary=vectors.tokens)`` they are the fixed vocabulary of
        every fold of a cross-validation.
    vectors : ndarray of shape (n_tokens, embedding_dim), float32
        Vector of each word.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.preprocessing import WordVectors
    >>> vectors = WordVectors(("north", "south"), np.array([[1.0, 0.0], [0.0, 1.0]]))
    >>> vectors.weights()
    array([[0. , 0. ],
           [0.5, 0.5],
           [1. , 0. ],
           [0. , 1. ]], dtype=float32)
    >>> vectors.coverage(["north", "west"])
    0.5
    """

    tokens: tuple[str, ...]
    vectors: Array

    def __post_init__(self) -> None:
        shape = np.shape(self.vectors)
        if len(shape) != 2 or shape[0] != len(self.tokens) or not shape[0]:
            raise ValueError(
                f"WordVectors needs one vector for each of {len(self.tokens)} tokens, at least one."
                f" Got vectors of shape {shape}."
            )

    def __repr__(self) -> str:
        return f"WordVectors({len(self.tokens)} tokens, {self.vectors.shape[1]} dimensions)"

    def weights(self, vocabulary: Mapping[str, int] | None = None) -> Array:
        """Return an embedding matrix, in which row i is the vector of the token with id i.

        Parameters
        ----------
        vocabulary : mapping of str to int, default=None
            Mapping of tokens to ids of at least 2, such as ``TokenEncoder.vocabulary_``. None means
            the ids of ``TokenEncoder(vocabulary=vectors.tokens)``.

        Returns
        -------
        ndarray of shape (n_ids, embedding_dim), float32
            Row 0 (padding) is 0. Row 1 (the unknown token) and the rows of tokens without a vector
            are the mean of all vectors.
        """
        known = {token: row for row, token in enumerate(self.tokens)}
        vocabulary = assign_ids(self.tokens) if vocabulary is None else vocabulary
        n_ids = max(vocabulary.values(), default=UNKNOWN_ID) + 1
        weights = np.tile(self.vectors.mean(axis=0).astype(np.float32), (n_ids, 1))
        weights[0] = 0.0
        found = [(i, known[token]) for token, i in vocabulary.items() if token in known]
        if found:
            ids, rows = np.array(found).T
            weights[ids] = self.vectors[rows]
        return weights

    def coverage(self, tokens: Iterable[str]) -> float:
        """Compute the fraction of tokens that have a vector.

        Parameters
        ----------
        tokens : iterable of str
            Tokens, such as ``TokenEncoder.vocabulary_`` for the coverage of a vocabulary.
            Duplicates count.

        Returns
        -------
        float
            Fraction between 0 and 1. NaN if there are no tokens.
        """
        known = set(self.tokens)
        found = [token in known for token in tokens]
        return float(np.mean(found)) if found else float("nan")


def read_word_vectors(
    path: str | os.PathLike[str], *, tokens: Iterable[str] | None = None
) -> WordVectors:
    """Read word vectors from a text file in the format of GloVe or word2vec.

    Each line holds a word and its numbers, separated by spaces. A header line with the numbers of
    words and dimensions, as in word2vec, is recognised. Of duplicate words the first is used.

    Parameters
    ----------
    path : str or path-like
        Path of the text file, in UTF-8.
    tokens : iterable of str, default=None
        Words to keep, to save memory. None keeps all.

    Returns
    -------
    WordVectors
        The words in the order of the file.

    Raises
    ------
    ValueError
        If the file holds no vectors, or if a line is truncated or has another number of dimensions.
        The message has the line number.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from sklstm.preprocessing import read_word_vectors
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "vectors.txt"
    ...     _ = path.write_text("north 1.0 0.0\\nsouth 0.0 1.0\\n")
    ...     read_word_vectors(path).tokens
    ('north', 'south')
    """
    wanted = None if tokens is None else set(tokens)
    vectors: dict[str, Array] = {}
    dim = None
    n_declared, n_lines = None, 0
    for line_number, line in enumerate(_lines(path), start=1):
        fields = line.rstrip().split(" ")
        where = f"{path}, line {line_number}"
        if line_number == 1 and len(fields) == 2 and all(f.isdigit() for f in fields):
            n_declared, dim = int(fields[0]), int(fields[1])
            continue
        n_lines += 1
        dim = len(fields) - 1 if dim is None else dim
        # Every line is parsed, wanted or not, so that a truncated file is noticed.
        vector = _parse(fields, dim, where)
        # Some words contain spaces: the word is all that comes before the last dim fields.
        token = " ".join(fields[:-dim])
        if wanted is None or token in wanted:
            vectors.setdefault(token, vector)
    if n_declared is not None and n_declared != n_lines:
        raise ValueError(
            f"{path}: line 1 promises {n_declared} words, but {n_lines} follow.\n\nThe file may be"
            " cut off."
        )
    if not vectors:
        kept = "" if wanted is None else " for any of the tokens asked for"
        raise ValueError(f"{path} holds no word vectors{kept}.")
    return WordVectors(tuple(vectors), np.stack(list(vectors.values())))


def _lines(path: str | os.PathLike[str]) -> Iterator[str]:
    """Lines of a text file without trailing blank ones."""
    n_blank = 0
    # utf-8-sig drops the byte order mark that some editors write.
    with Path(path).open(encoding="utf-8-sig", newline="\n") as lines:
        try:
            for line in lines:
                if not line.strip():
                    n_blank += 1
                    continue
                yield from [""] * n_blank
                n_blank = 0
                yield line
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path} is not a text file in UTF-8: {error}.\n\nUnpack or convert it first."
            ) from error


def _parse(fields: list[str], dim: int, where: str) -> Array:
    """Parse the last ``dim`` fields as float32."""
    if dim < 1:
        raise ValueError(f"{where}: expected a word and its numbers, got {len(fields)} field(s).")
    try:
        vector = np.array(fields[-dim:], dtype=np.float32)
    except ValueError as error:
        raise ValueError(
            f"{where}: expected a word and {dim} numbers. {str(error).capitalize()}.\n\nThe file"
            " may be cut off."
        ) from error
    # A word may contain spaces, but a number before the last dim fields is one dimension too many.
    has_more = any(reads_as_number(field) for field in fields[1 : max(len(fields) - dim, 1)])
    if len(fields) <= dim or has_more or not np.isfinite(vector).all():
        raise ValueError(
            f"{where}: expected a word and {dim} finite numbers, got {len(fields)}"
            " fields.\n\nThe file may be cut off."
        )
    return vector
