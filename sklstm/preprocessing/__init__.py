"""Conversion of raw data into sequences and back, and transformers of sequences."""

from __future__ import annotations

from sklstm._views._stored import StoredSequences
from sklstm.preprocessing._frames import FrameSequences, sequences_from_frame
from sklstm.preprocessing._imputer import SequenceImputer
from sklstm.preprocessing._layouts import from_channel_first, to_channel_first
from sklstm.preprocessing._rolling import RollingFeatures
from sklstm.preprocessing._scaler import SequenceScaler
from sklstm.preprocessing._stored import open_sequences, write_sequences
from sklstm.preprocessing._tokens import TokenEncoder
from sklstm.preprocessing._vectors import WordVectors, read_word_vectors
from sklstm.preprocessing._windows import Windows, make_windows

__all__ = [
    "FrameSequences",
    "RollingFeatures",
    "SequenceImputer",
    "SequenceScaler",
    "StoredSequences",
    "TokenEncoder",
    "Windows",
    "WordVectors",
    "from_channel_first",
    "make_windows",
    "open_sequences",
    "read_word_vectors",
    "sequences_from_frame",
    "to_channel_first",
    "write_sequences",
]
