import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, ParameterSampler
from skorch.callbacks import LRScheduler

from sklstm import LSTMSequenceClassifier
from sklstm._config._options import OPTIONS, Options
from sklstm._config._without_effect import warn_without_effect
from sklstm.model_selection import param_distributions
from tests.helpers import make_ragged, quick

X, Y = make_ragged(20)
VAL = {"X_val": X[:6], "y_val": Y[:6]}
TOKENS = {"embedding_dim": 4}
STOPS = {"early_stopping": True}
STEPWISE = {"callbacks": [LRScheduler("StepLR", step_size=1)]}
NO_STOP = "with early_stopping=False.\n\nSet early_stopping=True, or leave them out."
NO_SCORE = f"{NO_STOP} For scoring, return_train_score=True or X_val will do as well."


def messages(*, has_val=False, has_scheduler=False, **parameters):
    estimator = LSTMSequenceClassifier(**parameters)
    reasons = {"has_val": has_val, "has_scheduler": has_scheduler}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        takes_tokens = Options.of(estimator).takes_tokens
        warn_without_effect(estimator, takes_tokens=takes_tokens, **reasons)
    return [str(warning.message) for warning in caught]


def test_defaults_ask_for_nothing():
    for name in OPTIONS.keys() - {"lr_schedule"}:
        assert OPTIONS[name].default in OPTIONS[name].metadata["neutral"]
    assert messages() == messages(has_val=True) == messages(**TOKENS) == messages(**STOPS) == []


def test_all_settings_of_one_reason_are_in_one_warning():
    given = {"validation_fraction": 0.2, "n_iter_no_change": 5, "tol": 0.0, "scoring": "accuracy"}
    assert messages(**given) == [
        "validation_fraction=0.2, n_iter_no_change=5, tol=0.0, scoring='accuracy' have no effect"
        f" {NO_SCORE}"
    ]
    assert messages(**given, **STOPS) == []


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"scoring": "accuracy"}, []),
        ({"tol": 0.0}, [f"tol=0.0 has no effect {NO_STOP}"]),
        (
            {"validation_fraction": 0.2},
            ["validation_fraction=0.2 has no effect with X_val, which is used instead of a held-out"
             " part of X.\n\nLeave out one or the other."],
        ),
    ],
)  # fmt: skip
def test_beside_validation_data(parameters, expected):
    assert messages(has_val=True, **parameters) == expected


def test_scores_of_the_training_sequences_are_an_effect_of_scoring():
    scored = {"scoring": ["accuracy", "loss"], "return_train_score": True}
    assert messages(**scored) == []
    assert messages(**scored, tol=0.0) == [f"tol=0.0 has no effect {NO_STOP}"]
    [message] = messages(scoring=["accuracy", "loss"])
    assert message == f"scoring=['accuracy', 'loss'] has no effect {NO_SCORE}"
    assert messages(tol=0.0) == [f"tol=0.0 has no effect {NO_STOP}"]


@pytest.mark.parametrize(
    ("parameters", "beginning"),
    [
        ({"freeze_embedding": True}, "freeze_embedding=True has no effect without an embedding"),
        ({**TOKENS, "mask_value": -1}, "mask_value=-1 has no effect on token ids"),
    ],
)
def test_other_settings(parameters, beginning):
    [message] = messages(**parameters)
    assert message.startswith(beginning)


@pytest.mark.parametrize(
    "parameters",
    [
        {**TOKENS, "mask_value": 0, "freeze_embedding": True, "conv_filters": 8},
        {"embedding_weights": np.ones((5, 2)), "freeze_embedding": True},
        {**STOPS, "validation_fraction": 0.2},
        {"early_stopping": "last", "tol": 0.0},
    ],
)
def test_what_has_an_effect_or_is_known_to_have_none(parameters):
    assert messages(**parameters) == []


@pytest.mark.parametrize("token_ids", [False, True])
@pytest.mark.parametrize("n_sequences", [10, 1000, 20_000])
def test_the_spaces_of_the_package_draw_none(n_sequences, token_ids):
    space = param_distributions(n_sequences, token_ids=token_ids)
    for drawn in ParameterSampler(space, n_iter=30, random_state=0):
        assert messages(**drawn, **(TOKENS if token_ids else {})) == []


def test_the_warning_points_to_the_call_of_fit():
    with pytest.warns(UserWarning, match=r"^validation_fraction=0\.2 has no effect") as caught:
        quick(validation_fraction=0.2, max_epochs=1).fit(X, Y)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_beside_a_scheduler_among_the_callbacks():
    for schedule in ("one_cycle", "plateau"):
        expected = rf"^lr_schedule='{schedule}' has no effect beside skorch's LRScheduler.*\n\nSet"
        with pytest.warns(UserWarning, match=expected):
            quick(max_epochs=1, lr_schedule=schedule, **STEPWISE).fit(X, Y)
    # Without a warning, which would be an error.
    quick(max_epochs=1, lr_schedule=None, **STEPWISE).fit(X, Y)
    quick(**STEPWISE).partial_fit(X, Y, classes=[0, 1])


def test_only_fit_warns():
    classifier = quick(validation_fraction=0.2, scoring="accuracy")
    classifier.partial_fit(X, Y, classes=[0, 1]).predict(X)


def test_a_search_goes_on():
    grid = {"early_stopping": [False, True], "validation_fraction": [0.2, 0.3]}
    with pytest.warns(UserWarning, match="has no effect with early_stopping=False"):
        search = GridSearchCV(quick(max_epochs=1), grid, cv=2, refit=False).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_validation_data_of_the_users_are_scored():
    fitted = quick(max_epochs=1, scoring="accuracy").fit(X, Y, **VAL)
    assert fitted.history_["valid_score"][-1] == fitted.score(VAL["X_val"], VAL["y_val"])


def test_an_interval_of_no_checkpoint():
    [message] = messages(checkpoint_interval=100)
    assert message == (
        "checkpoint_interval=100 has no effect without a checkpoint.\n\nSet checkpoint to the path"
        " of a file, or leave it out."
    )
    assert messages(checkpoint_interval=100, checkpoint="file") == []
