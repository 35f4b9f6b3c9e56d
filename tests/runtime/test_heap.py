import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from sklstm._runtime import _heap
from sklstm._runtime._heap import keep_some, kept_heap


@pytest.fixture
def settings(monkeypatch):
    """What malloc is told, in order, instead of telling it."""
    told = []
    monkeypatch.setattr(_heap, "_configure", told.append)
    monkeypatch.setattr(_heap, "trim", lambda: told.append("trim"))
    return told


KEEP = {-4: 0, -1: 2**31 - 1}
RESTORE = [{-4: 65_536, -3: 32 * 2**20, -1: 64 * 2**20}, "trim"]


def test_keeps_inside_and_restores_afterwards(settings):
    with kept_heap():
        assert settings == [KEEP]
    assert settings == [KEEP, *RESTORE]


def test_nested_contexts_share_one_setting(settings):
    with kept_heap(), kept_heap():
        pass
    assert settings == [KEEP, *RESTORE]


def test_an_error_restores_too(settings):
    with pytest.raises(KeyError, match="x"), kept_heap():
        raise KeyError("x")
    assert settings == [KEEP, *RESTORE]


def test_the_last_of_several_threads_restores(settings):
    def use(_):
        with kept_heap():
            pass

    with kept_heap(), ThreadPoolExecutor(4) as threads:
        list(threads.map(use, range(50)))
        assert settings == [KEEP]
    assert settings == [KEEP, *RESTORE]


def test_some_is_kept_once_in_a_process_but_not_less_than_a_fit_keeps(settings, monkeypatch):
    monkeypatch.setattr(_heap, "_keeps_some", False)
    keep_some()
    keep_some()
    assert settings == RESTORE[:1]
    monkeypatch.setattr(_heap, "_keeps_some", False)
    with kept_heap():
        keep_some()
        assert settings == [*RESTORE[:1], KEEP]


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr(_heap, "_glibc", lambda: None)
    with kept_heap():
        pass


@pytest.mark.skipif(_heap._glibc() is None, reason="only glibc returns blocks to the kernel")
def test_freed_blocks_are_reused_without_page_faults():
    # 48 MiB, four times: more than glibc ever keeps by itself, so each block is mapped anew.
    # In a process of its own, so that blocks left by other tests neither help nor hinder.
    program = """
import resource, torch
from sklstm._runtime._heap import kept_heap
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(12 * 1024 * 1024)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
returned = faults()
with kept_heap():
    for _ in range(5):  # aligned blocks fit no hole of their own size: the heap grows at first
        faults()
    kept = faults()
print(returned, kept)
"""
    result = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    returned, kept = map(int, result.stdout.split())
    assert kept < returned / 4
