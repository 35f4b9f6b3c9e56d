"""Torch modules for padded sequences, usable without the estimator."""

from __future__ import annotations

from sklstm.nn._categories import StaticEncoder
from sklstm.nn._convolution import ConvolutionBranch
from sklstm.nn._encoder import LSTMEncoder, LSTMLayer
from sklstm.nn._ensemble import ConvolutionEnsemble, TokenEnsemble
from sklstm.nn._fixed_convolutions import FixedConvolutions
from sklstm.nn._head import DenseHead
from sklstm.nn._network import SequenceNetwork
from sklstm.nn._pooling import AttentionPooling, LastPooling, MaxPooling, MeanPooling
from sklstm.nn._tfidf import TfidfLinear

__all__ = [
    "AttentionPooling",
    "ConvolutionBranch",
    "ConvolutionEnsemble",
    "DenseHead",
    "FixedConvolutions",
    "LSTMEncoder",
    "LSTMLayer",
    "LastPooling",
    "MaxPooling",
    "MeanPooling",
    "SequenceNetwork",
    "StaticEncoder",
    "TfidfLinear",
    "TokenEnsemble",
]
