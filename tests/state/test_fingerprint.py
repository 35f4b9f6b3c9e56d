import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, make_scorer

from sklstm._data._labelled import Labelled
from sklstm._sequences import Sequences
from sklstm._state import _fingerprint
from sklstm._state._fingerprint import Fingerprint, as_text, digest_of, digests_of, fingerprint
from sklstm._tasks._classification import Classification
from tests.helpers import configuration, make_ragged, quick
from tests.windows import as_map


def test_values_that_mean_the_same_have_the_same_text():
    for alike in (
        [1, 1.0, np.int64(1), np.float32(1)], [True, np.True_], [(8, 4), [8, 4], (8.0, np.int8(4))],
        [{"a": 1, "b": 2}, {"b": 2.0, "a": 1}], [0.1, np.float64(0.1)], [np.inf, float("inf")],
        [2**53 + 1, np.int64(2**53 + 1)],
    ):  # fmt: skip
        assert len(set(map(as_text, alike))) == 1, alike


def test_values_that_differ_have_different_texts():
    values = [None, "None", True, 1, 2**53, 2**53 + 1, 0.1, 0.1 + 1e-16, "1", b"1", (1,), {1: 2},
              {"1": 2}, torch.optim.SGD, np.nan, make_scorer(f1_score, average="macro"),
              make_scorer(f1_score, average="micro")]  # fmt: skip
    assert len(set(map(as_text, values))) == len(values)


def test_a_text_is_that_of_any_process():
    class Thing:
        pass

    def function():
        pass

    for thing in (Thing(), function, lambda: None, functools.partial(function, a=function)):
        assert " at 0x" in repr(thing)
        assert "0x" not in as_text(thing)
    assert "function" in as_text(functools.partial(function))


def test_a_sum_is_that_of_dtype_shape_and_values():
    array = np.arange(24.0).reshape(4, 6)
    same = [array.copy(), np.asfortranarray(array), np.repeat(array, 2, axis=0)[::2]]
    assert {digest_of(other) for other in same} == {digest_of(array)}
    different = [array.T, array[:3], array.reshape(6, 4), array.astype(np.float32), array + 1e-15,
                 array[::-1], array.ravel(), array[:0], np.array(0.0)]  # fmt: skip
    assert len({digest_of(other) for other in different} | {digest_of(array)}) == 10


@pytest.mark.parametrize("chunk", [1, 48, 100, 10_000])
def test_a_sum_in_pieces_is_the_sum(monkeypatch, chunk):
    array = np.arange(60.0).reshape(10, 6)
    whole = digest_of(array)
    monkeypatch.setattr(_fingerprint, "CHUNK_BYTES", chunk)
    assert digest_of(array) == whole


def of_classes(*labels, dtype=None):
    return Classification(np.array(labels, dtype=dtype))


def labelled(**changes):
    sequences = Sequences.from_lengths(np.arange(12.0).reshape(6, 2), [1, 2, 3])
    given = {
        "sequences": sequences, "targets": np.array([0, 1, 0]), "task": of_classes("a", "b"),
        "sample_weight": np.ones(3), "is_weighted": False, "groups": None,
    }  # fmt: skip
    return Labelled(**{**given, **changes})


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("X", {"sequences": Sequences.from_lengths(np.arange(12.0).reshape(6, 2), [2, 1, 3])}),
        ("y", {"targets": np.array([0, 1, 1])}),
        ("y", {"task": of_classes("a", "c")}),
        ("y", {"task": of_classes("a", "b", dtype=object)}),
        ("sample_weight", {"sample_weight": np.array([1.0, 1.0, 2.0])}),
        ("sample_weight", {"is_weighted": True}),
        ("groups", {"groups": np.zeros(3, dtype=np.int64)}),
    ],
)
def test_each_thing_a_user_gives_has_a_sum_of_its_own(name, changes):
    before, after = digests_of(labelled(), "_val"), digests_of(labelled(**changes), "_val")
    differing = [n for n in before | after if before.get(n) != after.get(n)]
    assert differing == [f"{name}_val"]


def test_at_most_three_differences_are_named():
    one = Fingerprint({"a": "1", "b": "2", "c": "3"}, {"X": "4", "y": "5"})
    assert one.differences(one) == []
    other = Fingerprint({"a": "1", "b": "0", "c": "0"}, {"X": "0"})
    assert one.differences(other) == [
        "X is not the same", "y is not the same", "'b' was 0 and is 2 now", "and 1 more",
    ]  # fmt: skip
    assert other.digest != one.digest
    assert Fingerprint(dict(reversed(one.parameters.items())), one.data).digest == one.digest


def of(configuration, previous=None):
    return fingerprint(configuration, labelled(), None, previous, optimizer="adam", seed=0)


def test_the_order_of_metrics_counts():
    first, other = {"a": "f1", "b": "loss"}, {"b": "loss", "a": "f1"}
    one, two, same = (of(configuration(scoring=s)) for s in (first, other, dict(first)))
    assert one == same
    assert two.differences(one) == [
        "'scoring' was (('a', 'f1'), ('b', 'loss')) and is (('b', 'loss'), ('a', 'f1')) now"
    ]


def test_a_device_counts_by_its_type():
    cpu = configuration()
    first, second = (replace(cpu, device=torch.device("cuda", index)) for index in (0, 1))
    assert of(first) == of(second)
    assert of(first).differences(of(cpu)) == ["'device' was 'cpu' and is 'cuda' now"]


def test_a_model_to_go_on_from_counts_by_weights_scaling_and_epochs():
    new = configuration()
    fitted = quick(max_epochs=1).fit(*make_ragged())
    net, scaling = fitted.net_, fitted._scaling
    prints = [of(new), of(new, net)]
    for other in (replace(scaling, mean=scaling.mean + 1), None):
        net.reader = replace(net.reader, scaling=other)
        prints.append(of(new, net))
    net.history.new_epoch()
    prints.append(of(new, net))
    with torch.no_grad():
        next(net.module_.parameters()).add_(1)
    prints.append(of(new, net))
    assert len({p.digest for p in prints}) == 6
    assert of(new, net) == prints[-1]


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_sequences_have_one_digest_wherever_they_lie(dtype, tmp_path):
    rng = np.random.default_rng(0)
    values = rng.integers(2, 30, size=(60, 1)).astype(dtype)
    in_memory = values if dtype == np.float32 else values.astype(np.int64)
    sequences = Sequences.from_lengths(in_memory, [10, 20, 30])
    view = as_map(Sequences(values, sequences.offsets), tmp_path / "values.npy")
    task = Classification(np.arange(2))
    first, second = (
        digests_of(Labelled(form, np.arange(3) % 2, task, np.ones(3), False), "")
        for form in (sequences, view)
    )
    assert first == second
    assert first["X"] == digest_of(in_memory, sequences.offsets)
