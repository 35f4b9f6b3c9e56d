"""The package's transformers as plain values, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklstm._config._parameters import validate_parameters
from sklstm._optional import require
from sklstm._persistence._checks import (
    Check,
    _are_names,
    _check_items,
    _is_bool,
    _is_output_configuration,
    _is_size,
)
from sklstm.preprocessing._imputer import SequenceImputer
from sklstm.preprocessing._rolling import RollingFeatures
from sklstm.preprocessing._scaler import SCALERS, SequenceScaler
from sklstm.preprocessing._tokens import (
    PADDING_TOKEN,
    UNKNOWN_TOKEN,
    TokenEncoder,
    check_vocabulary,
)

TRANSFORMERS: dict[str, type[Any]] = {
    cls.__name__: cls for cls in (RollingFeatures, SequenceImputer, SequenceScaler, TokenEncoder)
}
# What `fit` of scikit-learn's scalers measures, and how small each may be.
MEASURED: dict[str, dict[str, float]] = {
    "minmax": {
        "min_": -np.inf,
        "scale_": 0,
        "data_min_": -np.inf,
        "data_max_": -np.inf,
        "data_range_": 0,
    },
    "robust": {"center_": -np.inf, "scale_": np.nextafter(0, 1)},
    "standard": {"mean_": -np.inf, "var_": 0, "scale_": np.nextafter(0, 1)},
}
COUNTED = {"minmax", "standard"}


def describe_transformer(step: Any) -> tuple[dict[str, Any], list[str]]:
    """Class, parameters and state of a fitted one; the attributes left out, which no fit sets."""
    check_is_fitted(step)
    _check_parameters(step)
    parameters = step.get_params(deep=False)
    known = CHECKS[type(step).__name__]
    attributes = {name: value for name, value in vars(step).items() if name not in parameters}
    state = {name: value for name, value in attributes.items() if name in known}
    if isinstance(step, TokenEncoder):
        parameters["vocabulary"] = _plain_vocabulary(step.vocabulary)
        state["vocabulary_"] = _describe_vocabulary(step.vocabulary_)
        if "tokenizer_" in state:
            state["tokenizer_"] = _describe_tokenizer(step.tokenizer_)
    if isinstance(step, SequenceScaler) and step.scaler_ is not None:
        state["scaler_"] = _describe_scaler(step.scaler_, step._fitted_as[0])
    described = {"class": type(step).__name__, "parameters": parameters, "state": state}
    build_transformer(described)
    return described, [name for name in attributes if name not in known]


def build_transformer(described: Mapping[str, Any]) -> Any:
    """The transformer that was described; ValueError, TypeError or LookupError if there is none."""
    _check_items(described, DESCRIPTION, optional=frozenset())
    name, state = described["class"], dict(described["state"])
    step = TRANSFORMERS[name](**described["parameters"])
    _check_parameters(step)
    _check_items(state, CHECKS[name], optional=OPTIONAL)
    if isinstance(step, TokenEncoder):
        _restore_texts(step, state)
    else:
        _check_form(state)
    if isinstance(step, SequenceImputer) and len(state["statistics_"]) != _width(state):
        raise ValueError("statistics_ does not agree with the rest.")
    if isinstance(step, SequenceScaler):
        state["scaler_"] = _restore_scaler(state["scaler_"], state["_fitted_as"], _width(state))
    vars(step).update(state)
    return step


def _check_parameters(step: Any) -> None:
    if not isinstance(step, TokenEncoder):
        step._check_parameters()
        return
    validate_parameters(step)
    if callable(step.analyzer):
        raise TypeError("'analyzer' is a function, which is code.")
    try:
        if step.analyzer != "bpe":
            step._analyze([])
    except re.error as error:
        raise ValueError(f"token_pattern={step.token_pattern!r:.60}: {error}") from error


def _check_form(state: Mapping[str, Any]) -> None:
    n_columns, names = state["_n_columns_in"], state.get("feature_names_in_")
    agrees = state["n_features_in_"] == (n_columns or _width(state))
    if not agrees or (names is not None and len(names) != state["n_features_in_"]):
        raise ValueError("n_features_in_ does not agree with the rest.")


def _width(state: Mapping[str, Any]) -> int:
    return int(state["_n_timestep_features"])


# Scalers of scikit-learn --------------------------------------------------------------------------


def _describe_scaler(scaler: Any, method: str) -> dict[str, Any]:
    names = [*MEASURED[method], *["n_samples_seen_"] * (method in COUNTED)]
    return {name: getattr(scaler, name) for name in names}


def _restore_scaler(measured: Any, fitted_as: tuple[str, str], n_features: int) -> Any:
    method, per = fitted_as
    if (measured is None) != (per == "sequence"):
        raise ValueError("scaler_ does not agree with the rest.")
    if measured is None:
        return None
    checks: dict[str, Check] = {
        name: partial(_is_measured, least=least, shape=(n_features,))
        for name, least in MEASURED[method].items()
    }
    if method in COUNTED:
        checks["n_samples_seen_"] = lambda value: _is_count(value, n_features)
    _check_items(measured, checks, optional=frozenset())
    scaler = SCALERS[method]()
    vars(scaler).update(measured, n_features_in_=n_features)
    return scaler


def _is_measured(value: Any, least: float, shape: tuple[int, ...]) -> bool:
    """NaN is of a feature without any value."""
    if not isinstance(value, np.ndarray) or value.dtype not in (np.float32, np.float64):
        return False
    return value.shape == shape and not (value < least).any()


def _is_count(value: Any, n_features: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number, np.ndarray)):
        return False
    counts = np.asarray(value)
    shaped = counts.shape in ((), (n_features,)) and counts.dtype.kind in "fiu"
    return shaped and bool(np.isfinite(counts).all() and (counts >= 0).all())


# Vocabularies -------------------------------------------------------------------------------------


def _plain_vocabulary(vocabulary: Any) -> Any:
    """The parameter, without the class of a container that only its package knows."""
    if vocabulary is None or isinstance(vocabulary, (list, tuple, np.ndarray)):
        return vocabulary
    return dict(vocabulary.items()) if hasattr(vocabulary, "items") else list(vocabulary)


def _describe_vocabulary(vocabulary: Mapping[str, int]) -> dict[str, Any]:
    ids = np.array(list(vocabulary.values()), dtype=np.int64)
    return {"tokens": list(vocabulary), "ids": ids}


def _restore_texts(step: TokenEncoder, state: dict[str, Any]) -> None:
    """Put in place of the described vocabulary and tokenizer what they describe."""
    _check_items(state["vocabulary_"], VOCABULARY, optional=frozenset())
    tokens, ids = state["vocabulary_"]["tokens"], state["vocabulary_"]["ids"].tolist()
    state["vocabulary_"] = check_vocabulary(dict(zip(tokens, ids, strict=True)))
    if (step.analyzer == "bpe") != ("tokenizer_" in state):
        raise ValueError("tokenizer_ does not agree with analyzer.")
    if "tokenizer_" in state:
        state["tokenizer_"] = _restore_tokenizer(state["tokenizer_"])


def _describe_tokenizer(tokenizer: Any) -> dict[str, Any]:
    """What `fit` has learnt: tokens by id, and pairs of ids that become one. No settings."""
    model = json.loads(tokenizer.to_str())["model"]
    ids = model["vocab"]
    merges = [[ids[first], ids[second]] for first, second in model["merges"]]
    return {
        "lowercase": tokenizer.normalizer is not None,
        "tokens": sorted(ids, key=ids.__getitem__),
        "merges": np.array(merges, dtype=np.int32).reshape(-1, 2),
    }


def _restore_tokenizer(described: Any) -> Any:
    _check_items(described, TOKENIZER, optional=frozenset())
    tokenizers = require("tokenizers", extra="subwords")
    tokens = described["tokens"]
    if tokens[:2] != [PADDING_TOKEN, UNKNOWN_TOKEN] or len(set(tokens)) < len(tokens):
        raise ValueError("The tokens are not those of a byte-pair encoding.")
    ids = {token: i for i, token in enumerate(tokens)}
    merges = described["merges"]
    if merges.size and not 0 <= merges.min() <= merges.max() < len(tokens):
        raise ValueError("There is no token of such an id.")
    pairs = [(tokens[first], tokens[second]) for first, second in merges]
    # The package itself panics at such a pair, which is no Exception to Python.
    if any(first + second not in ids for first, second in pairs):
        raise ValueError("There is no token that two others are merged into.")
    model = tokenizers.models.BPE(vocab=ids, merges=pairs, unk_token=UNKNOWN_TOKEN)
    tokenizer = tokenizers.Tokenizer(model)
    if described["lowercase"]:
        tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([PADDING_TOKEN, UNKNOWN_TOKEN])
    tokenizer.encode_special_tokens = True
    return tokenizer


# What must hold -----------------------------------------------------------------------------------


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _are_integers(value: Any, ndim: int) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "i" and value.ndim == ndim


def _is_fitted_as(value: Any) -> bool:
    pair = isinstance(value, tuple) and len(value) == 2
    return pair and value[0] in SCALERS and value[1] in ("dataset", "sequence")


def _are_statistics(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float64 and value.ndim == 1


DESCRIPTION: dict[str, Check] = {
    "class": lambda value: value in TRANSFORMERS,
    "parameters": lambda value: isinstance(value, dict),
    "state": lambda value: isinstance(value, dict),
}
VOCABULARY: dict[str, Check] = {
    "tokens": _are_texts,
    "ids": lambda value: _are_integers(value, 1),
}
TOKENIZER: dict[str, Check] = {
    "lowercase": _is_bool,
    "tokens": _are_texts,
    "merges": lambda value: _are_integers(value, 2) and value.shape[1] == 2,
}
FORM: dict[str, Check] = {
    "n_features_in_": _is_size,
    "feature_names_in_": lambda value: isinstance(value, np.ndarray) and _are_names(value),
    "_n_columns_in": lambda value: value is None or _is_size(value),
    "_n_timestep_features": _is_size,
    "_sklearn_output_config": _is_output_configuration,
}
# What `fit` of each sets; the values of those that are restored are checked on the way.
CHECKS: dict[str, dict[str, Check]] = {
    "RollingFeatures": FORM,
    "SequenceImputer": FORM | {"statistics_": _are_statistics},
    "SequenceScaler": FORM | {"scaler_": lambda value: True, "_fitted_as": _is_fitted_as},
    "TokenEncoder": {
        "vocabulary_": lambda value: True,
        "tokenizer_": lambda value: True,
        "_sklearn_output_config": _is_output_configuration,
    },
}
OPTIONAL = frozenset({"feature_names_in_", "tokenizer_", "_sklearn_output_config"})


def widths_of(step: Any) -> tuple[int, int] | None:
    """Features of a timestep that a fitted transformer takes and gives; None if it takes texts."""
    if isinstance(step, TokenEncoder):
        return None
    n_features = step._n_timestep_features
    return n_features, n_features * len(step._suffixes())
