"""Conversion of the package's transformers to plain values, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from sklstm._compat._sklearn_callbacks import OF_CALLBACKS
from sklstm._config._parameters import validate_parameters
from sklstm._optional import require
from sklstm._persistence._checks import (
    Check,
    are_names,
    are_texts,
    check_items,
    is_bool,
    is_output_configuration,
    is_size,
    is_size_or_none,
)
from sklstm.preprocessing._imputer import SequenceImputer
from sklstm.preprocessing._rolling import RollingFeatures
from sklstm.preprocessing._scaler import SCALERS, SequenceScaler
from sklstm.preprocessing._tokens import (
    PADDING_TOKEN,
    UNKNOWN_TOKEN,
    TokenEncoder,
    check_token_pattern,
    check_vocabulary,
)

TRANSFORMERS: dict[str, type[Any]] = {
    cls.__name__: cls for cls in (RollingFeatures, SequenceImputer, SequenceScaler, TokenEncoder)
}
ANY, POSITIVE = -np.inf, np.nextafter(0, 1)
# What `fit` of scikit-learn's scalers measures of each feature, and the lower bound of each.
MEASURED: dict[str, dict[str, float]] = {
    "minmax": {"min_": ANY, "scale_": 0, "data_min_": ANY, "data_max_": ANY, "data_range_": 0},
    "robust": {"center_": ANY, "scale_": POSITIVE},
    "standard": {"mean_": ANY, "var_": 0, "scale_": POSITIVE},
}


def describe_transformer(step: Any) -> tuple[dict[str, Any], list[str]]:
    """Class, parameters and state of a fitted transformer; names of attributes that no fit sets."""
    name, parameters = type(step).__name__, step.get_params(deep=False)
    left_out = parameters.keys() | OF_CALLBACKS
    attributes = {key: value for key, value in vars(step).items() if key not in left_out}
    state = {key: value for key, value in attributes.items() if key in CHECKS[name]}
    if isinstance(step, TokenEncoder):
        parameters["vocabulary"] = _plain_vocabulary(step.vocabulary)
        ids = np.array([*step.vocabulary_.values()], dtype=np.int64)
        state["vocabulary_"] = {"tokens": [*step.vocabulary_], "ids": ids}
        if "tokenizer_" in state:
            state["tokenizer_"] = _describe_tokenizer(step.tokenizer_)
    if isinstance(step, SequenceScaler) and step.scaler_ is not None:
        measured = _checks_of_scaler(state["_fitted_as"][0], _width(state))
        state["scaler_"] = {key: getattr(step.scaler_, key) for key in measured}
    described = {"class": name, "parameters": parameters, "state": state}
    build_transformer(described)
    return described, [key for key in attributes if key not in state]


def build_transformer(described: Mapping[str, Any]) -> Any:
    """The transformer that was described; one of MALFORMED if there is none."""
    check_items(described, DESCRIPTION)
    name, state = described["class"], dict(described["state"])
    step = TRANSFORMERS[name](**described["parameters"])
    check_items(state, CHECKS[name], optional=OPTIONAL)
    if isinstance(step, TokenEncoder):
        validate_parameters(step)
        _restore_texts(step, state)
    else:
        step.check_parameters()
        _check_schema(state)
    if isinstance(step, SequenceImputer) and len(state["statistics_"]) != _width(state):
        raise ValueError("statistics_ does not agree with the rest.")
    if isinstance(step, SequenceScaler):
        state["scaler_"] = _restore_scaler(state["scaler_"], state["_fitted_as"], _width(state))
    vars(step).update(state)
    return step


def _check_schema(state: Mapping[str, Any]) -> None:
    n_features, names = state["n_features_in_"], state.get("feature_names_in_")
    agrees = n_features == (state["_n_columns_in"] or _width(state))
    if not agrees or (names is not None and len(names) != n_features):
        raise ValueError("n_features_in_ does not agree with the rest.")


def _width(state: Mapping[str, Any]) -> int:
    return int(state["_n_timestep_features"])


# Scalers of scikit-learn --------------------------------------------------------------------------


def _restore_scaler(measured: Any, fitted_as: tuple[str, str], n_features: int) -> Any:
    method, per = fitted_as
    if (measured is None) != (per == "sequence"):
        raise ValueError("scaler_ does not agree with the rest.")
    if measured is None:
        return None
    check_items(measured, _checks_of_scaler(method, n_features))
    scaler = SCALERS[method]()
    vars(scaler).update(measured, n_features_in_=n_features)
    return scaler


def _checks_of_scaler(method: str, n_features: int) -> dict[str, Check]:
    checks: dict[str, Check] = {
        name: partial(_is_measured, least=least, n_features=n_features)
        for name, least in MEASURED[method].items()
    }
    if method != "robust":
        checks["n_samples_seen_"] = partial(_is_count, n_features=n_features)
    return checks


def _is_measured(value: Any, least: float, n_features: int) -> bool:
    """Whether this is one figure per feature; NaN is that of a feature without any value."""
    is_array = isinstance(value, np.ndarray) and value.dtype in (np.float32, np.float64)
    return is_array and value.shape == (n_features,) and not (value < least).any()


def _is_count(value: Any, n_features: int) -> bool:
    if not isinstance(value, (int, float, np.number, np.ndarray)):
        return False
    counts = np.asarray(value)
    is_like_one = counts.dtype.kind in "fiu" and counts.shape in ((), (n_features,))
    return is_like_one and bool(np.isfinite(counts).all() and (counts >= 0).all())


# Vocabularies -------------------------------------------------------------------------------------


def _plain_vocabulary(vocabulary: Any) -> Any:
    """The parameter, without the class of a container that only its package knows."""
    if vocabulary is None or isinstance(vocabulary, (list, tuple, np.ndarray)):
        return vocabulary
    return dict(vocabulary.items()) if hasattr(vocabulary, "items") else list(vocabulary)


def _restore_texts(step: TokenEncoder, state: dict[str, Any]) -> None:
    """Replace the descriptions of vocabulary and tokenizer by what they describe."""
    tokens, ids = state["vocabulary_"]["tokens"], state["vocabulary_"]["ids"].tolist()
    state["vocabulary_"] = check_vocabulary(dict(zip(tokens, ids, strict=True)))
    if (step.analyzer == "bpe") != ("tokenizer_" in state):
        raise ValueError("tokenizer_ does not agree with analyzer.")
    if "tokenizer_" in state:
        state["tokenizer_"] = _restore_tokenizer(state["tokenizer_"])
    else:
        check_token_pattern(step)


def _describe_tokenizer(tokenizer: Any) -> dict[str, Any]:
    """What `fit` has learnt: tokens by id, and the pairs of ids that are merged. No settings."""
    model = json.loads(tokenizer.to_str())["model"]
    ids = model["vocab"]
    merges = [[ids[first], ids[second]] for first, second in model["merges"]]
    return {
        "lowercase": tokenizer.normalizer is not None,
        "tokens": sorted(ids, key=ids.__getitem__),
        "merges": np.array(merges, dtype=np.int32).reshape(-1, 2),
    }


def _restore_tokenizer(described: Mapping[str, Any]) -> Any:
    tokenizers = require("tokenizers", extra="subwords")
    tokens, merges = described["tokens"], described["merges"]
    ids = {token: i for i, token in enumerate(tokens)}
    if tokens[:2] != [PADDING_TOKEN, UNKNOWN_TOKEN] or len(ids) < len(tokens):
        raise ValueError("The tokens are not those of a byte-pair encoding.")
    if (merges < 0).any():
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


# Checks -------------------------------------------------------------------------------------------


def _is_fitted_as(value: Any) -> bool:
    method, per = value
    return isinstance(value, tuple) and method in SCALERS and per in ("dataset", "sequence")


DESCRIPTION: dict[str, Check] = {
    "class": lambda value: value in TRANSFORMERS,
    "parameters": lambda value: isinstance(value, dict),
    "state": lambda value: isinstance(value, dict),
}
VOCABULARY: dict[str, Check] = {
    "tokens": are_texts,
    "ids": lambda v: v.dtype.kind == "i" and v.ndim == 1,
}
TOKENIZER: dict[str, Check] = {
    "lowercase": is_bool,
    "tokens": are_texts,
    "merges": lambda v: v.dtype.kind == "i" and v.ndim == 2 and v.shape[1] == 2,
}
SCHEMA: dict[str, Check] = {
    "n_features_in_": is_size,
    "feature_names_in_": are_names,
    "_n_columns_in": is_size_or_none,
    "_n_timestep_features": is_size,
    "_sklearn_output_config": is_output_configuration,
}
# The attributes that `fit` of each sets. What a scaler has measured is checked when it is restored.
CHECKS: dict[str, dict[str, Check]] = {
    "RollingFeatures": SCHEMA,
    "SequenceImputer": SCHEMA | {"statistics_": lambda v: v.dtype == np.float64 and v.ndim == 1},
    "SequenceScaler": SCHEMA | {"scaler_": lambda value: True, "_fitted_as": _is_fitted_as},
    "TokenEncoder": {
        "vocabulary_": partial(check_items, checks=VOCABULARY),
        "tokenizer_": partial(check_items, checks=TOKENIZER),
        "_sklearn_output_config": is_output_configuration,
    },
}
OPTIONAL = frozenset({"feature_names_in_", "tokenizer_", "_sklearn_output_config"})
