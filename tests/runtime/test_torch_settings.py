import multiprocessing
import sys
import threading

import pytest
import torch

from sklstm._runtime._torch_settings import (
    CUDA_PRECISION,
    CUDNN_ALGORITHMS,
    OF_CUDA,
    OF_ONEDNN,
    SMALLEST,
    Shared,
    own_settings,
    prediction_settings,
)


@pytest.fixture
def shared():
    """A setting that a caller has set to "theirs", and the list of all that it was set to."""
    values = ["theirs"]
    setting = Shared(
        lambda: values[-1], values.append, lambda v: v == "ours", lambda: values.append("ours")
    )
    return setting, values


def test_the_first_user_sets_and_the_last_one_restores(shared):
    setting, values = shared
    setting.take("a")
    setting.take("b")
    setting.leave("a")
    assert values[-1] == "ours"
    setting.leave("b")
    assert values == ["theirs", "ours", "theirs"]


def test_leaving_once_more_changes_nothing(shared):
    setting, values = shared
    setting.leave("nobody")
    setting.take("a")
    setting.leave("a")
    values.append("new")
    setting.leave("a")
    assert values[-1] == "new"


def test_what_is_ours_already_is_not_set(shared):
    setting, values = shared
    values.append("ours")
    setting.take("a")
    setting.leave("a")
    assert values == ["theirs", "ours"]


def test_what_a_caller_sets_meanwhile_is_kept(shared):
    setting, values = shared
    setting.take("a")
    values.append("new")
    setting.leave("a")
    assert values[-1] == "new"


def test_what_a_caller_sets_meanwhile_is_nobody_elses(shared):
    setting, values = shared
    setting.take("a")
    values.append("new")
    setting.take("b")
    assert values[-1] == "ours"
    setting.leave("a")
    setting.leave("b")
    assert values[-1] == "new"


def test_a_forked_child_gets_back_what_threads_of_its_parent_had_taken(shared):
    setting, values = shared
    thread = threading.Thread(target=setting.take, args=["a"])
    thread.start()
    thread.join()
    setting.lock.acquire()
    setting._begin_in_child()
    assert values[-1] == "theirs"
    assert not setting.users
    setting.take("b")
    assert values[-1] == "ours"


def test_a_forked_child_keeps_what_it_has_taken_itself(shared):
    setting, values = shared
    setting.take("a")
    setting._begin_in_child()
    assert values[-1] == "ours"
    setting.leave("a")
    assert values[-1] == "theirs"


def _predict_in_child(results):
    with own_settings():
        results.put(torch.get_float32_matmul_precision())
    results.put(torch.get_float32_matmul_precision())


@pytest.mark.skipif(sys.platform != "linux", reason="a real fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_is_forked_while_another_thread_computes():
    context = multiprocessing.get_context("fork")
    results, inside, done = context.SimpleQueue(), threading.Event(), threading.Event()

    def compute():
        with own_settings():
            inside.set()
            done.wait(60)

    torch.set_float32_matmul_precision("medium")
    try:
        thread = threading.Thread(target=compute)
        thread.start()
        inside.wait(60)
        child = context.Process(target=_predict_in_child, args=[results])
        child.start()
        child.join(60)
        done.set()
        thread.join()
        assert child.exitcode == 0
        assert [results.get(), results.get()] == ["highest", "medium"]
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


# What they are


@pytest.mark.parametrize("training", [False, True])
def test_a_callers_default_dtype_is_back_afterwards(training):
    torch.set_default_dtype(torch.float64)
    try:
        with own_settings(training=training):
            assert torch.ones(1).dtype == (torch.float32 if training else torch.float64)
        assert torch.ones(1).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_callers_default_device_is_back_afterwards():
    with torch.device("meta"):
        with own_settings(), own_settings(training=True):
            assert torch.ones(1).device.type == "cpu"
            with torch.device("meta"):
                assert torch.ones(1).device.type == "meta"
            assert torch.ones(1).device.type == "cpu"
        assert torch.ones(1).device.type == "meta"
    assert torch.ones(1).device.type == "cpu"


def test_a_context_of_a_device_that_was_never_left_does_not_count_afterwards(monkeypatch):
    """Otherwise a load that was interrupted would leave a torch without numbers."""
    torch.get_default_device()  # imports what is patched
    # What torch notes for its compiler alone.
    monkeypatch.setattr(torch.utils._device, "CURRENT_DEVICE", None)
    with torch.device("cpu"):
        with own_settings(training=True):
            torch.device("meta").__enter__()
        assert torch.ones(1).device.type == "cpu"
        assert len(torch.overrides._get_current_function_mode_stack()) == 1
    assert len(torch.overrides._get_current_function_mode_stack()) == 0


@pytest.mark.parametrize("is_entered", [False, True])
def test_a_context_that_is_left_once_more_leaves_the_default_device_alone(is_entered):
    settings = own_settings()
    with torch.device("meta"):
        if is_entered:
            settings.__enter__()
            settings.__exit__()
        settings.__exit__()
        assert torch.ones(1).device.type == "meta"
    assert torch.ones(1).device.type == "cpu"


def test_denormal_numbers_are_flushed_again_afterwards():
    if not torch.set_flush_denormal(True):
        pytest.skip("This processor cannot flush denormal numbers.")
    try:
        with own_settings():
            assert SMALLEST > 0
            assert (torch.tensor([1e-40]) * 1.0).item() > 0
        assert not SMALLEST > 0
    finally:
        torch.set_flush_denormal(False)


def precisions(operations=(*OF_ONEDNN, *OF_CUDA)):
    return [operation.fp32_precision for operation in operations]


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_a_callers_precision_of_products_is_back_afterwards(precision):
    torch.backends.cudnn.rnn.fp32_precision = "tf32"
    torch.set_float32_matmul_precision(precision)
    before = precisions()
    try:
        with own_settings(), own_settings():
            assert torch.get_float32_matmul_precision() == "highest"
            assert set(precisions()) <= {"none", "ieee"}
        assert torch.get_float32_matmul_precision() == precision
        assert precisions() == before
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(
    ("operation", "value"), [*((o, "bf16") for o in OF_ONEDNN), *((o, "tf32") for o in OF_CUDA)]
)
def test_a_callers_precision_of_one_kind_of_operations_is_back_afterwards(operation, value):
    default = operation.fp32_precision
    operation.fp32_precision = value
    before = precisions()
    try:
        with own_settings():
            assert set(precisions()) <= {"none", "ieee"}
        assert precisions() == before
    finally:
        operation.fp32_precision = default


def test_cudnn_computes_as_it_was_told_where_tensor_float_32_is_asked_for():
    rnn = torch.backends.cudnn.rnn
    default = rnn.fp32_precision
    rnn.fp32_precision = "tf32"
    try:
        with own_settings(may_use_tf32=True):
            assert rnn.fp32_precision == "tf32"
            with own_settings():
                assert rnn.fp32_precision in ("none", "ieee")
            assert rnn.fp32_precision == "tf32"
    finally:
        rnn.fp32_precision = default


def test_on_a_cpu_nothing_of_cudnn_is_touched(monkeypatch):
    reads = []
    for setting in (CUDA_PRECISION, CUDNN_ALGORITHMS):

        def read(setting=setting, original=setting.read):
            reads.append(setting)
            return original()

        monkeypatch.setattr(setting, "read", read)
    with own_settings(training=True, on_gpu=False):
        assert not reads
    assert not reads
    with own_settings(training=True):
        assert reads == [CUDNN_ALGORITHMS, CUDA_PRECISION]


@pytest.mark.parametrize("caller", [(False, True), (False, False), (True, True)])
def test_algorithms_of_cudnn_are_deterministic_inside_and_the_callers_afterwards(caller):
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = caller
    try:
        with own_settings():
            assert (cudnn.deterministic, cudnn.benchmark) == (True, False)
        assert (cudnn.deterministic, cudnn.benchmark) == caller
    finally:
        cudnn.deterministic, cudnn.benchmark = before


def test_a_callers_precision_of_all_operations_is_back_and_can_be_changed_afterwards():
    torch.backends.mkldnn.matmul.fp32_precision = "none"
    torch.backends.fp32_precision = "bf16"
    try:
        with own_settings():
            assert precisions(OF_ONEDNN) == ["ieee"] * 3
        assert precisions(OF_ONEDNN) == ["bf16"] * 3
    finally:
        torch.backends.fp32_precision = "none"
    assert precisions(OF_ONEDNN) == ["none"] * 3


@pytest.mark.parametrize(("device", "is_ours"), [("cpu", False), ("cuda:0", True)])
def test_a_prediction_sets_what_its_device_needs(device, is_ours):
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    try:
        cudnn.deterministic = False
        with prediction_settings(torch.device(device), "float32"):
            assert cudnn.deterministic == is_ours
    finally:
        cudnn.deterministic, cudnn.benchmark = before
