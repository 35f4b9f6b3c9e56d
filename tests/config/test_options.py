import numpy as np
import pytest

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm._config._options import ARCHITECTURE, MAY_BE_AUTO, OF_RUN, OPTIONS, Options


def test_defaults_are_those_of_the_signature():
    of_regressor = LSTMSequenceRegressor().get_params()
    # Mixup helps classifiers (ADR 37).
    assert of_regressor["mixup_alpha"] == 0.0
    defaults = of_regressor | LSTMSequenceClassifier().get_params()
    assert {name: option.default for name, option in OPTIONS.items()} == defaults


def test_what_a_user_gives_is_brought_to_the_type_of_the_field():
    given = {"hidden_sizes": [np.int64(8), 4], "dropout": 0, "bidirectional": np.True_}
    options = Options.of(LSTMSequenceClassifier(**given, conv_filters="auto"))
    assert options.hidden_sizes == (8, 4)
    assert isinstance(options.dropout, float)
    assert options.bidirectional is True
    assert options.conv_filters == "auto"
    assert options.embedding_dim is None


def test_changes_win_over_the_estimators_own():
    assert Options.of(LSTMSequenceClassifier(max_epochs=9), max_epochs=1).max_epochs == 1


def test_a_subclass_with_fewer_parameters_has_all_options():
    class Small(LSTMSequenceClassifier):
        def __init__(self, dropout=0.5):
            super().__init__(dropout=dropout)

    assert Options.of(Small()).dropout == 0.5


@pytest.mark.parametrize(
    ("options", "takes_tokens", "size"),
    [
        ({}, False, None), ({"embedding_dim": 3}, True, None),
        ({"embedding_dim": 3, "vocabulary_size": 9}, True, 9),
        ({"embedding_weights": np.zeros((7, 2))}, True, 7),
    ],
)  # fmt: skip
def test_an_embedding_takes_tokens(options, takes_tokens, size):
    options = Options.of(LSTMSequenceClassifier(**options))
    assert (options.takes_tokens, options.given_vocabulary_size) == (takes_tokens, size)


def test_what_follows_from_the_fields():
    assert {"hidden_sizes", "standardize", "vocabulary_size"} <= {*ARCHITECTURE}
    assert not {"dropout", "learning_rate", "freeze_embedding"} & {*ARCHITECTURE}
    assert {
        "callbacks", "checkpoint", "checkpoint_interval", "device", "max_time", "verbose"
    } == OF_RUN  # fmt: skip
    assert {"patch_size", "max_epochs", "precision", "device"} <= {*MAY_BE_AUTO}
