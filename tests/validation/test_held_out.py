import re

import pytest

from sklstm._validation._held_out import check_held_out, named_val


def test_all_or_nothing():
    assert not check_held_out(None, None, None, refits=True)
    assert check_held_out([1], [2], None, refits=False)
    assert check_held_out([1], [2], [3], refits=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1], None, None), "Got no y_val"),
        ((None, [1], None), "Got no X_val"),
        ((None, None, [1]), "Got no X_val and no y_val"),
    ],
)
def test_a_part_alone_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_held_out(*arguments, refits=False)


def test_a_refit_has_nothing_to_add():
    with pytest.raises(ValueError, match=r"(?s)refit=True trains again.*Set refit=False"):
        check_held_out([1], [2], None, refits=True)


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_errors_name_the_validation_data(kind):
    expected = (
        r"^X_val\[3\]\[1\] has y_val and sample_weight_val; MaX, Xs and class_weight stay, X_val.\Z"
    )
    with pytest.raises(kind, match=expected), named_val():
        raise kind("X[3][1] has y and sample_weight; MaX, Xs and class_weight stay, X.")


def test_what_is_quoted_is_the_users_and_stays():
    message = (
        "y has labels that are not in classes: ['y', \"X\"]. X's own: 'my X or y', 'sample_weight'"
    )
    expected = "y_val" + message[1:].replace("X's", "X_val's")
    with pytest.raises(ValueError, match=rf"^{re.escape(expected)}\Z"), named_val():
        raise ValueError(message)


def test_other_errors_pass_unchanged():
    with pytest.raises(KeyError, match="X"), named_val():
        raise KeyError("X")
    with pytest.raises(ValueError, match=r"\(\)|^$"), named_val():
        raise ValueError
