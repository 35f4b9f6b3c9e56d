from functools import partial

import numpy as np
import pytest
from sklearn.metrics import f1_score, get_scorer, hamming_loss, log_loss, make_scorer
from sklearn.utils._param_validation import InvalidParameterError

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm._config._options import PARAMETER_CONSTRAINTS, as_sizes
from sklstm._config._parameters import check_parameters
from tests.helpers import make_ragged


def own_metric(y_true, y_pred):
    return 0.0


def test_every_parameter_has_a_constraint():
    estimators = (LSTMSequenceClassifier(), LSTMSequenceRegressor())
    assert set(PARAMETER_CONSTRAINTS) == {name for e in estimators for name in e.get_params()}


def test_the_defaults_are_accepted():
    check_parameters(LSTMSequenceClassifier())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"dropout": -1}, r"The 'dropout' parameter of LSTMSequenceClassifier must be a float in"),
        ({"dropout": 1.0}, r"range \[0.0, 1.0\). Got 1.0 instead"),
        ({"hidden_sizes": 0}, "The 'hidden_sizes' parameter"),
        ({"hidden_sizes": ()}, r"such ints, one for each layer. Got \(\) instead"),
        ({"hidden_sizes": (8, 0)}, r"Got \(8, 0\) instead"),
        ({"hidden_sizes": (8, 2.5)}, r"Got \(8, 2.5\) instead"),
        ({"hidden_sizes": (8, True)}, r"Got \(8, True\) instead"),
        ({"dense_sizes": [-1]}, r"The 'dense_sizes' parameter .* Got \[-1\] instead"),
        ({"conv_filters": (8, 0)}, r"The 'conv_filters' parameter .* Got \(8, 0\) instead"),
        ({"conv_filters": "atuo"}, r"Got 'atuo' instead.\n\nDid you mean 'auto'\?"),
        (
            {"batch_size": "atuo"},
            r"must be an int .* {'auto'}. Got 'atuo' instead.\n\nDid you mean",
        ),
        ({"pooling": "maxx"}, r"Got 'maxx' instead.\n\nDid you mean 'max'\?"),
        ({"pooling": 3}, "The 'pooling' parameter of LSTMSequenceClassifier must be a str among"),
        ({"optimizer": "Adam"}, r"or a callable. Got 'Adam' instead.\n\nDid you mean 'adam'\?"),
        ({"optimizer": "RMSprop"}, r"Got 'RMSprop' instead.\n\nDid you mean 'rmsprop'\?"),
        ({"optimizer": "SGD"}, r"Got 'SGD' instead.\n\nDid you mean 'sgd'\?"),
        ({"lr_schedule": "ReduceLROnPlateau"}, r"Did you mean 'plateau'\?"),
        ({"lr_schedule": "CosineAnnealingLR"}, r"Did you mean 'cosine'\?"),
        ({"lr_schedule": "OneCycleLR"}, r"Did you mean 'one_cycle'\?"),
        ({"scoring": "MAE"}, r"Got 'MAE' instead.\n\nDid you mean 'neg_mean_absolute_error'\?"),
        ({"lr_schedule": "onecycle"}, r"Did you mean 'one_cycle'\?"),
        ({"class_weight": "balance"}, r"an instance of 'dict', .*\n\nDid you mean 'balanced'\?"),
        ({"scoring": "f1_makro"}, r"Got 'f1_makro' instead.\n\nDid you mean 'f1_macro'\?"),
        ({"scoring": "mae"}, r"Got 'mae' instead.\n\nDid you mean 'neg_mean_absolute_error'\?"),
        ({"scoring": "qqq"}, "must be 'loss', the name of a scikit-learn scorer or a callable"),
        (
            {"scoring": f1_score},
            r"(?s)Got <function f1_score.*metric of labels and predictions\.\n\nSet scoring='f1' or"
            r" scoring=sklearn\.metrics\.make_scorer\(f1_score\)\.\Z",
        ),
        ({"scoring": log_loss}, r"Set scoring='neg_log_loss' or scoring=.*\(log_loss\)"),
        ({"scoring": hamming_loss}, r"\n\nSet scoring=sklearn.metrics.make_scorer\(hamming_loss\)"),
        ({"scoring": partial(f1_score, average="macro")}, r"make_scorer\(\.\.\.\)"),
        ({"scoring": own_metric}, r"make_scorer\(own_metric\)"),
        ({"scoring": []}, r"The 'scoring' parameter must have at least one metric. Got \[\] inst"),
        ({"scoring": {}}, r"must have at least one metric. Got {} instead"),
        ({"scoring": {"accuracy"}}, "The 'scoring' parameter of LSTMSequenceClassifier must be"),
        ({"scoring": ["loss", "acuracy"]}, r"Got 'acuracy' instead.\n\nDid you mean 'accuracy'\?"),
        ({"scoring": ["r2", "f1", "r2"]}, "must have each metric once. Got 'r2' more than once"),
        ({"scoring": [["f1"]]}, r"name each of several metrics by a string. Got \['f1'\] instead"),
        ({"scoring": ["f1", None]}, r"by a string. Got None instead.\n\nSet names of scorers"),
        (
            {"scoring": [get_scorer("f1")]},
            r"(?s)Got make_scorer.* or a dict, scoring={'name': scorer}",
        ),
        ({"scoring": {3: "f1"}}, r"name each of several metrics by a string. Got 3 instead"),
        ({"scoring": {"f1": 3}}, r"must be 'loss', the name .* or a callable. Got 3 instead"),
        ({"scoring": {"f1": ["f1"]}}, r"or a callable. Got \['f1'\] instead"),
        ({"scoring": {"a": "f1_makro"}}, r"Did you mean 'f1_macro'\?"),
        (
            {"scoring": {"my f1": f1_score}},
            r"\n\nSet scoring={'my f1': 'f1'} or scoring={'my f1': skl",
        ),
        (
            {"scoring": [hamming_loss]},
            r"\n\nSet scoring={'hamming_loss': sklearn\.metrics\.make_scorer\(hamming_loss\)}\.\Z",
        ),
        (
            {"scoring": {"score": "f1"}},
            r"not name a metric 'score': history_ has 'valid_score' beside it.\n\nChoose another",
        ),
        ({"scoring": {"loss": "f1"}}, r"not name a metric 'loss': history_ has 'valid_loss'"),
        ({"scoring": {"eval_loss": "loss"}}, "history_ has 'train_eval_loss' beside it"),
        ({"return_train_score": "yes"}, "The 'return_train_score' parameter"),
        ({"max_epochs": 0}, "The 'max_epochs' parameter"),
        ({"batch_size": 2.5}, "The 'batch_size' parameter"),
        ({"early_stopping": "lats"}, r"Got 'lats' instead.\n\nDid you mean 'last'\?"),
        ({"learning_rate": 0}, r"range \(0.0, inf\). Got 0 instead"),
        ({"validation_fraction": 1.0}, "The 'validation_fraction' parameter"),
        ({"mask_value": "0"}, "The 'mask_value' parameter"),
        ({"random_state": "zero"}, "The 'random_state' parameter"),
        ({"callbacks": 3}, "The 'callbacks' parameter"),
        ({"callbacks": [1]}, r"must be a list of skorch callbacks, or of pairs .* Got 1 in it"),
        ({"hidden_sizes": True}, r"an int of at least 1, or a tuple .* Got True instead"),
        ({"vocabulary_size": 9}, "The 'vocabulary_size' parameter needs an embedding"),
        ({"embedding_weights": [1.0]}, r"must be an array of shape .* Got shape \(1,\) and dtype"),
        ({"embedding_weights": [[np.nan]]}, "finite in float32"),
        ({"embedding_weights": np.ones((9, 3)), "embedding_dim": 4}, r"\(9, 3\), but .* \(9, 4\)"),
        ({"embedding_weights": np.ones((9, 3)), "vocabulary_size": 8}, r"but .* ask for \(8, 3\)"),
        ({"embedding_dim": 0}, "The 'embedding_dim' parameter"),
        ({"precision": "float16"}, r"Did you mean 'bfloat16'\?"),
    ],
)
def test_a_bad_parameter_is_named_with_what_it_may_be(parameters, message):
    with pytest.raises(InvalidParameterError, match=message):
        check_parameters(LSTMSequenceClassifier(**parameters))


@pytest.mark.parametrize(
    ("loss", "meant"),
    [
        ("mse", "squared_error"), ("mean_squared_error", "squared_error"),
        ("mae", "absolute_error"), ("mean_absolute_error", "absolute_error"),
        ("squared_eror", "squared_error"),
    ],
)  # fmt: skip
def test_a_loss_of_another_library_is_translated(loss, meant):
    with pytest.raises(InvalidParameterError, match=rf"instead\.\n\nDid you mean '{meant}'\?"):
        check_parameters(LSTMSequenceRegressor(loss=loss))


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden_sizes": np.int64(8)},
        {"hidden_sizes": [8, 4]},
        {"dropout": 0},
        {"mask_value": np.nan},
        {"mask_value": -1},
        {"scoring": "f1_macro"},
        {"scoring": lambda estimator, X, y: 0.0},
        {"scoring": make_scorer(f1_score)},
        {"scoring": get_scorer("f1")},
        {"scoring": partial(lambda k, estimator, X, y: 0.0, 3)},
        {"scoring": ["accuracy", "loss"]},
        {"scoring": ("loss",)},
        {"scoring": {"loss": "loss", "my F1": make_scorer(f1_score), "entropy": "loss"}},
        {"return_train_score": np.True_},
        {"verbose": True},
    ],
)
def test_accepted(parameters):
    check_parameters(LSTMSequenceClassifier(**parameters))


def test_a_subclass_may_take_fewer_parameters():
    class Narrow(LSTMSequenceClassifier):
        def __init__(self, hidden_sizes=4):
            super().__init__(hidden_sizes, max_epochs=2)

    X, y = make_ragged(12)
    assert Narrow().fit(X, y).n_iter_ == 2


def test_a_subclass_may_have_parameters_that_nobody_checks():
    class Wider(LSTMSequenceClassifier):
        def __init__(self, hidden_sizes=4, pooling="maxx", own=3):
            super().__init__(hidden_sizes, pooling=pooling)
            self.own = own

    with pytest.raises(InvalidParameterError, match=r"of Wider must be .*\n\nDid you mean 'max'"):
        check_parameters(Wider())
    check_parameters(Wider(pooling="max", own="maxx"))


@pytest.mark.parametrize(("sizes", "expected"), [(8, (8,)), ([8, np.int64(4)], (8, 4)), ((), ())])
def test_sizes(sizes, expected):
    assert as_sizes(sizes) == expected
