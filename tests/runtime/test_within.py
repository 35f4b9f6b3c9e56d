import contextlib
import dis
import sys
import threading
import time
from contextvars import ContextVar
from queue import SimpleQueue

import numpy as np
import pytest
import torch

from sklstm._inference import _prediction
from sklstm._runtime import _heap, _randomness, _threads
from sklstm._runtime._concurrency import BackgroundTasks, ThreadTeam
from sklstm._runtime._heap import kept_heap
from sklstm._runtime._modes import own_modes
from sklstm._runtime._randomness import own_torch_generator
from sklstm._runtime._threads import thread_team
from sklstm._runtime._within import within
from tests.helpers import make_ragged, quick, torch_threads

CPU = torch.device("cpu")


class Noting:
    """A context that notes what is called, and fails where it is told to."""

    def __init__(self, name, notes, fails_at=()):
        self.name, self.notes, self.fails_at = name, notes, list(fails_at)

    def note(self, what):
        self.notes.append(f"{what} {self.name}")
        if what in self.fails_at:
            self.fails_at.remove(what)
            raise KeyboardInterrupt

    def __enter__(self):
        self.note("enter")

    def __exit__(self, *error):
        self.note("leave")


def test_contexts_are_entered_in_order_and_each_is_left_twice():
    notes = []
    contexts = [Noting("a", notes), Noting("b", notes)]
    assert within(contexts, lambda: notes.append("work") or 7) == 7
    assert notes == ["enter a", "enter b", "work", "leave b", "leave b", "leave a", "leave a"]


@pytest.mark.parametrize("moment", ["enter", "leave"])
def test_an_interrupted_context_and_those_around_it_are_left(moment):
    notes = []
    contexts = [Noting("a", notes), Noting("b", notes, [moment])]
    with pytest.raises(KeyboardInterrupt):
        within(contexts, lambda: None)
    assert notes[2:] == ["leave b", "leave b", "leave a", "leave a"]


def test_context_variables_that_the_work_sets_end_with_it():
    variable = ContextVar("variable", default=0)
    within([], lambda: variable.set(1))
    assert variable.get() == 0


# Ctrl-C at every instruction


class Interruption:
    """Raises KeyboardInterrupt where Ctrl-C could, at the n-th such place since it began.

    CPython looks for signals at the beginning of a function, after a call, and where a loop goes
    back, so that these are the places. -1 counts them and never raises.
    """

    PLACES = ("RESUME", "CALL", "JUMP_BACKWARD")

    def __init__(self, n):
        self.n_left = self.n = n
        self._last = {}

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *error):
        sys.settrace(self._before)

    @property
    def n_places(self):
        return self.n - self.n_left

    def _trace(self, frame, event, argument):
        # What is raised as an object goes is lost: CPython prints it, and goes on.
        if frame.f_code.co_filename == __file__ or frame.f_code.co_name in ("_remove", "__del__"):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            name = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            if self._last.get(frame, "").startswith(self.PLACES):
                self._come_to_a_place()
            self._last[frame] = name
        elif event == "return":
            self._last.pop(frame, None)
        return self._trace

    def _come_to_a_place(self):
        self.n_left -= 1
        if self.n_left == 0:
            sys.settrace(None)
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def two_threads():
    with torch_threads(2):
        yield


def state():
    """What of the process, and of this thread of it, a fit changes while it lasts."""
    mkl = _threads._limit_mkl()
    limit = mkl(1)
    mkl(limit)
    torch.autocast_increment_nesting()
    openmp = [library.get_num_threads() for library in _threads._openmp_libraries()]
    return {
        "threads": (torch.get_num_threads(), openmp, limit),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": [
            (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
            for device in ("cpu", "cuda")
        ],
        "autocast's cache": (torch.is_autocast_cache_enabled(), torch.autocast_decrement_nesting()),
        "random numbers": torch.get_rng_state().tolist(),
        "defaults": (torch.get_default_dtype(), torch.get_default_device()),
        "users of the heap": len(_heap._users),
        "turn": _is_free(_randomness._one_at_a_time),
        "inside": [vars(module._here) for module in (_threads, _randomness)],
    }


def _is_free(lock):
    """Whether another thread could have it."""
    found = []
    thread = threading.Thread(
        target=lambda: found.append(lock.acquire(blocking=False)) or (found[0] and lock.release())
    )
    thread.start()
    thread.join()
    return found[0]


def contexts():
    modes, generator = own_modes(gradients=True), own_torch_generator(3, CPU)
    return [modes, generator, kept_heap(), thread_team(CPU)]


MODES = {
    "plain": lambda: torch.enable_grad(),
    "inference": lambda: torch.inference_mode(),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("mode", MODES)
def test_an_interruption_anywhere_on_the_way_in_or_out_leaves_the_process_as_it_was(mode):
    def work():
        return None

    within(contexts(), work)
    with MODES[mode]():
        before = state()
        with Interruption(-1) as places:
            within(contexts(), work)
        assert places.n_places > 200
        for n in range(1, places.n_places + 1):
            try:
                with Interruption(n):
                    within(contexts(), work)
            except KeyboardInterrupt:
                # While the error lives, and with it all frames that it came through.
                assert state() == before, n


def fit_and_predict(X, Y):
    return quick(max_epochs=1, early_stopping=True, dropout=0.3).fit(X, Y).predict_proba(X)


def test_after_an_interruption_fits_and_predictions_have_the_same_bits(monkeypatch):
    monkeypatch.setitem(_prediction.MAX_BATCH, "cpu", (16_384, 8))
    X, Y = make_ragged(24)
    expected, before = fit_and_predict(X, Y), state()
    with Interruption(-1) as places:
        fit_and_predict(X, Y)
    n_interrupted = 0
    for n in np.linspace(1, places.n_places, 30, dtype=int):
        try:
            with Interruption(n):
                fit_and_predict(X, Y)
        except KeyboardInterrupt:
            n_interrupted += 1
            assert state() == before, n
            np.testing.assert_array_equal(fit_and_predict(X, Y), expected)
    assert n_interrupted > 25


def wait_interrupted(n):
    """Wait for a call in another thread, interrupted at place n; the number of places, if -1."""
    with ThreadTeam(1) as team, BackgroundTasks(team) as tasks:
        has_begun = SimpleQueue()
        task = tasks.start(lambda: has_begun.put(True) or time.sleep(0.01))
        has_begun.get()
        with contextlib.suppress(KeyboardInterrupt), Interruption(n) as places:
            task.result()
    return places.n_places


def test_an_interrupted_wait_for_another_thread_does_not_wait_for_ever():
    for n in range(1, wait_interrupted(-1) + 1):
        # Of its own, so that one that hangs is seen.
        thread = threading.Thread(target=wait_interrupted, args=(n,), daemon=True)
        thread.start()
        thread.join(timeout=10)
        assert not thread.is_alive(), n
