from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from sklstm._batching._scaling import Scaling
from sklstm._config._options import Options
from sklstm._data._labelled import (
    Given,
    Labelled,
    as_validation,
    drop_zero_weight,
    extent_of,
    fit_scaling,
    label,
    put_on_device,
    split_for_validation,
)
from sklstm._sequences import Sequences
from sklstm._tasks._classification import Classification
from tests.helpers import configuration, short_sequences

CPU = torch.device("cpu")
IDENTITY = Scaling.identity(1)


def make(codes, weights=None, classes=("a", "b", "c")):
    codes = np.array(codes)
    sequences = Sequences.from_lengths(np.arange(2.0 * len(codes))[:, None], [2] * len(codes))
    sample_weight = np.ones(len(codes)) if weights is None else np.array(weights, dtype=float)
    task = Classification(np.array(classes))
    return Labelled(sequences, codes, task, sample_weight, weights is not None)


def factors(*of_classes):
    return lambda targets: np.array(of_classes)[targets]


def test_weights_are_those_of_class_and_sample_multiplied():
    data = make([0, 1, 2], [1, 2, 3])
    placed = put_on_device(data, factors(2.0, 1.0, 0.5), IDENTITY, CPU)
    assert placed.weights / placed.weights[0] == pytest.approx([1, 1, 0.75])
    assert placed.weights.mean() == pytest.approx(1.0)
    assert placed.targets.tolist() == [0, 1, 2]


def test_weights_of_several_labels_multiply_that_of_the_sequence():
    data = make([0, 1, 2], [1, 2, 3])
    of_labels = np.array([[1.0, 0.0], [0.0, 0.0], [2.0, 1.0]])
    kept = drop_zero_weight(data, lambda targets: of_labels[targets])
    assert kept.targets.tolist() == [0, 2]
    placed = put_on_device(kept, lambda targets: of_labels[targets], IDENTITY, CPU)
    assert placed.weights / placed.weights[0, 0] == pytest.approx(np.array([[1, 0], [6, 3]]))
    assert placed.weights[0, 1] == 0
    assert placed.weights.mean() == pytest.approx(1.0)


@pytest.mark.parametrize("weights", [[1e-46] * 3, [1e300] * 3, [1.0, 1e-60, 1.0]])
def test_weights_beyond_float32_stay_finite_and_above_zero(weights):
    placed = put_on_device(make([0, 1, 2], weights), factors(1.0, 1.0, 1.0), IDENTITY, CPU)
    assert torch.isfinite(placed.weights).all()
    assert (placed.weights > 0).all()


def test_sequences_of_a_class_of_weight_zero_are_left_out():
    kept = drop_zero_weight(make([0, 1, 2]), factors(1.0, 0.0, 1.0))
    assert kept.targets.tolist() == [0, 2]
    assert kept.sequences.values.ravel().tolist() == [0, 1, 4, 5]
    with pytest.raises(ValueError, match=r"labels \['a'\] have weight 0"):
        drop_zero_weight(make([0, 0]), factors(0.0, 1.0, 1.0))


def test_a_weightless_class_is_scored_neither():
    held_out = as_validation(make([0, 1, 2], [1, 2, 3]), factors(1.0, 0.0, 1.0), IDENTITY, CPU)
    assert held_out.y.tolist() == ["a", "c"]
    assert held_out.sample_weight.tolist() == [1, 3]
    assert len(held_out.dataset) == len(held_out.X) == 2


def test_the_scaling_is_learnt_from_the_part_given():
    data = make([0, 1])
    assert fit_scaling(data, standardize=True).mean.tolist() == [1.5]
    assert fit_scaling(data.take(np.array([1])), standardize=True).mean.tolist() == [2.5]
    assert fit_scaling(data, standardize=False).mean.tolist() == [0.0]


def split(data, **parameters):
    return split_for_validation(data, configuration(validation_fraction=0.2, **parameters))


@pytest.mark.parametrize("early_stopping", [True, "last"])
def test_the_parts_of_a_split_keep_labels_weights_and_groups_together(early_stopping):
    groups = np.arange(20) // 4
    data = replace(make([0, 1] * 10, np.arange(20) + 1), groups=groups)
    train, valid = split(data, early_stopping=early_stopping)
    assert (len(train.sequences), len(valid.sequences)) == (16, 4)
    for part in (train, valid):
        for sequence, code, weight, group in zip(
            part.sequences, part.targets, part.sample_weight, part.groups, strict=True
        ):
            row = int(sequence[0, 0]) // 2
            assert (code, weight, group) == (row % 2, row + 1, row // 4)


def test_the_last_part_is_held_out_when_asked_for():
    _, valid = split(make([0, 1] * 10), early_stopping="last")
    assert valid.sequences.values.ravel().tolist() == list(range(32, 40))


def test_a_weight_of_zero_removes_the_group_too():
    sequences = make([0, 1, 0, 1]).sequences
    given = Given(None, ["a", "b", "a", "b"], [1, 0, 2, 3], ["p", "q", "r", "p"])
    labelled = label(
        sequences, given, Classification, Options(), estimator="LSTMSequenceClassifier"
    )
    assert labelled.groups.tolist() == [0, 1, 0]
    assert labelled.task.decode(labelled.targets).tolist() == ["a", "a", "b"]
    assert labelled.sample_weight.tolist() == [1, 2, 3]


def test_a_validation_part_tells_the_scorer_labels_and_given_weights():
    plain = as_validation(make([0, 2]), factors(1.0, 1.0, 1.0), IDENTITY, CPU)
    assert plain.y.tolist() == ["a", "c"]
    assert plain.sample_weight is None
    weighted = as_validation(make([0, 2], [3, 4]), factors(1.0, 1.0, 1.0), IDENTITY, CPU)
    assert weighted.sample_weight.tolist() == [3, 4]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_scaling_by_extreme_weights_is_that_by_their_ratios(dtype):
    data = make([0, 1, 2], [1e300, 3e300, 1e-300])
    data = replace(
        data, sequences=replace(data.sequences, values=data.sequences.values.astype(dtype))
    )
    plain = replace(data, sample_weight=np.array([1.0, 3.0, 0.0]))
    extreme, expected = (fit_scaling(part, standardize=True) for part in (data, plain))
    np.testing.assert_allclose(extreme.mean, expected.mean)
    np.testing.assert_allclose(extreme.scale, expected.scale)


def test_a_balance_of_extreme_weights_is_finite():
    data = make([0, 1, 2], [1e300, 1e-300, 1.0])
    options = configuration(class_weight="balanced")
    balanced = data.task.weigh(data.targets, data.relative_weight, options)
    placed = put_on_device(data, balanced, IDENTITY, CPU)
    assert torch.isfinite(placed.weights).all()
    # Balanced classes weigh the same, whatever their sequences weigh.
    assert placed.weights.tolist() == pytest.approx([1.0] * 3)


def test_labels_of_the_sequences_of_a_long_table_name_the_call_that_reads_it():
    index = pd.MultiIndex.from_product([range(4), range(2)], names=["trip", None])
    y, sequences = [0, 1, 0, 1], short_sequences(lengths=(1,) * 8)
    label_of = partial(label, sequences, task=Classification, options=Options(), estimator="E")
    message = (
        r"(?s)X has 8 sequences, y has 4 labels\.\n\nIf X is a long table.*\(X\.reset_index\(\), "
    )
    with pytest.raises(ValueError, match=message) as raised:
        label_of(Given(pd.DataFrame({"v": range(8)}, index), y))
    assert "sequence=['trip'], time='level_1'" in str(raised.value)
    with pytest.raises(ValueError, match=r"\(X, sequence=\.\.\., time=\.\.\.\)"):
        label_of(Given(pd.DataFrame({"v": range(8)}), y))
    with pytest.raises(ValueError, match=r"y has 4 labels\.$"):
        label_of(Given(np.ones((8, 1)), y))


@pytest.mark.parametrize("suffix", ["", "_val"])
def test_another_number_of_labels_is_an_error(suffix):
    sequences = Sequences.from_lengths(np.ones((3, 1)), [1, 1, 1])
    message = f"samples: X{suffix} has 3 sequences, y{suffix} has 2 labels"
    with pytest.raises(ValueError, match=message):
        label(
            sequences, Given(None, [0, 1]), Classification, Options(), estimator="E", suffix=suffix
        )


def test_the_extent_of_a_first_fit_and_of_further_ones():
    first = extent_of(Sequences.from_lengths(np.zeros((9, 1)), [2, 4, 3]), {})
    assert first == {"n_sequences": 3, "shortest": 2, "longest": 4}
    later = Sequences.from_lengths(np.zeros((6, 1)), [1, 5])
    assert extent_of(later, first) == {"n_sequences": 2, "shortest": 1, "longest": 5}
    assert extent_of(later, first, adds=True)["n_sequences"] == 5
    assert extent_of(later, None, adds=True) is None
