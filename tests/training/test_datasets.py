import numpy as np
import torch

from sklstm._batching._scaling import Scaling
from sklstm._sequences import Sequences
from sklstm._training._datasets import (
    Labelled,
    as_validation,
    fit_scaling,
    put_on_device,
    split_for_validation,
    weigh_classes,
)

CPU = torch.device("cpu")


def label(codes, weights=None, classes=("a", "b", "c")):
    codes = np.array(codes)
    sequences = Sequences.from_lengths(np.arange(2.0 * len(codes))[:, None], [2] * len(codes))
    sample_weight = np.ones(len(codes)) if weights is None else np.array(weights, dtype=float)
    return Labelled(sequences, codes, np.array(classes), sample_weight, weights is not None)


def test_weights_are_those_of_class_and_sample_multiplied():
    data = label([0, 1, 2], [1, 2, 3])
    placed = put_on_device(data, np.array([2.0, 1.0, 0.5]), Scaling.identity(1), CPU)
    assert placed.weights.tolist() == [2, 2, 1.5]
    assert placed.classes.tolist() == [0, 1, 2]


def test_sequences_of_a_class_of_weight_zero_are_left_out():
    placed = put_on_device(label([0, 1, 2]), np.array([1.0, 0.0, 1.0]), Scaling.identity(1), CPU)
    assert placed.classes.tolist() == [0, 2]
    assert placed.sequences.values.ravel().tolist() == [0, 1, 4, 5, 0]


def test_balance_is_counted_where_it_is_trained():
    assert weigh_classes(label([0, 0, 0, 1, 2, 2]), "balanced").tolist() == [2 / 3, 2, 1]


def test_a_class_that_is_absent_weighs_one():
    assert weigh_classes(label([0, 0, 1]), "balanced").tolist() == [0.75, 1.5, 1]


def test_the_scaling_is_learnt_from_the_part_given():
    data = label([0, 1])
    assert fit_scaling(data, standardize=True).mean.tolist() == [1.5]
    assert fit_scaling(data.take(np.array([1])), standardize=True).mean.tolist() == [2.5]
    assert fit_scaling(data, standardize=False).mean.tolist() == [0.0]


def test_the_parts_of_a_split_keep_labels_and_weights_together():
    data = label([0, 1] * 10, np.arange(20) + 1)
    train, valid = split_for_validation(data, 0.2, seed=0)
    assert len(train.sequences) + len(valid.sequences) == 20
    for part in (train, valid):
        for sequence, code, weight in zip(
            part.sequences, part.codes, part.sample_weight, strict=True
        ):
            row = int(sequence[0, 0]) // 2
            assert (code, weight) == (row % 2, row + 1)


def test_a_validation_part_tells_the_scorer_labels_and_given_weights():
    plain = as_validation(label([0, 2]), np.ones(3), Scaling.identity(1), CPU)
    assert plain.labels.tolist() == ["a", "c"]
    assert plain.sample_weight is None
    weighted = as_validation(label([0, 2], [3, 4]), np.ones(3), Scaling.identity(1), CPU)
    assert weighted.sample_weight.tolist() == [3, 4]
