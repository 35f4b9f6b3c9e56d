import pytest
import torch

from sklstm._compat._sklearn import InvalidParameterError
from sklstm._runtime._group import Address
from sklstm.distributed import _watch
from sklstm.distributed._watch import (
    check_places,
    needs_gpu,
    resolve_on,
    seats_of,
    wait_for,
)
from sklstm.distributed._worker import Outcome, Place, RankCancelled
from sklstm.exceptions import RankError


class FakeFleet:
    """Two ranks whose outcomes are given; a rank without one is at work."""

    workers = ("worker a", "worker b")

    def __init__(self, outcomes=(), lost=(), beats=None, error=None):
        self.outcomes, self.gone, self.beats, self.error = dict(outcomes), dict(lost), beats, error
        self.killed, self.has_stopped = [], False

    def collect(self, seconds):
        if self.error is not None:
            raise self.error
        return self.outcomes

    def lost(self):
        return self.gone

    def heartbeats(self):
        return {rank: next(self.beats) if rank in self.alive else 0 for rank in (0, 1)}

    alive = (0, 1)

    def kill(self, rank):
        self.killed.append(rank)

    def stop(self):
        self.has_stopped = True


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(_watch, "GRACE", 0.05)


def failed(rank, error):
    return rank, Outcome(rank, None, error, f"Traceback of rank {rank}")


def fleet_of(*outcomes, **options):
    return FakeFleet(dict(outcomes), beats=iter(range(10**9)), **options)


def test_the_value_is_that_of_rank_0():
    fleet = fleet_of((0, Outcome(0, b"result")), (1, Outcome(1)))
    assert wait_for(fleet, timeout=60) == b"result"


def test_an_error_of_rank_0_is_raised_as_it_is_and_says_where():
    fleet = fleet_of(failed(0, KeyError("x")), failed(1, RankError("rank 0 raised", 0)))
    with pytest.raises(KeyError) as caught:
        wait_for(fleet, timeout=60)
    assert caught.value.__notes__ == ["Rank 0 on worker a:\n\nTraceback of rank 0"]
    assert fleet.has_stopped


def test_an_error_of_another_rank_names_it_and_its_worker():
    fleet = fleet_of(failed(0, RankError("rank 1 raised", 1)), failed(1, ValueError("no")))
    with pytest.raises(RankError, match=r"^Rank 1 on worker b raised ValueError: no") as caught:
        wait_for(fleet, timeout=60)
    assert caught.value.rank == 1
    assert isinstance(caught.value.__cause__, ValueError)
    assert "Traceback of rank 1" in caught.value.__notes__[0]


def test_an_error_that_cannot_be_pickled_is_told_by_its_traceback():
    fleet = fleet_of((1, Outcome(1, None, None, "Traceback of rank 1")))
    with pytest.raises(RankError, match=r"^Rank 1 on worker b failed") as caught:
        wait_for(fleet, timeout=60)
    assert "Traceback of rank 1" in caught.value.__notes__[0]


def test_a_lost_rank_is_named_whatever_the_others_say():
    fleet = fleet_of(failed(0, RankError("connection lost")), lost={1: "it was killed."})
    with pytest.raises(RankError, match=r"(?s)Rank 1 on worker b was lost: it was killed.*check"):
        wait_for(fleet, timeout=60)
    assert fleet.has_stopped


def test_a_rank_that_hangs_is_killed_and_named():
    fleet = fleet_of(failed(1, RankCancelled()))
    fleet.alive = (1,)
    with pytest.raises(RankError, match=r"Rank 0 on worker a hangs: there was no sign of life for"):
        wait_for(fleet, timeout=0.01)
    assert fleet.killed == [0]
    assert fleet.has_stopped


def test_ctrl_c_ends_all_ranks():
    fleet = fleet_of(error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        wait_for(fleet, timeout=60)
    assert fleet.has_stopped


# Places -------------------------------------------------------------------------------------------


def place(process=1, gpus=(), torch_version="2.13"):
    versions = {"numpy": "2", "torch": torch_version}
    return Place(("host", process, 0.0), "10.0.0.5", Address("10.0.0.5", 4000), gpus, versions)


def test_workers_that_are_threads_of_one_process_are_refused():
    with pytest.raises(ValueError, match=r"(?s)a and b are threads of one process.*processes=True"):
        check_places([place(1), place(1)], ["a", "b"])


def test_other_versions_on_a_worker_are_refused():
    with pytest.raises(ValueError, match=r"torch is 2.13 on a and 2.14 on b"):
        check_places([place(1), place(2, torch_version="2.14")], ["a", "b"])


def test_each_rank_is_told_its_seat():
    places = [place(1, ("x",)), place(2, ("y",))]
    first, second = seats_of("run", places, [4, 2], "cuda", timeout=30)
    assert (first.rank, first.gpu, first.n_threads, second.n_threads) == (0, 0, 4, 2)
    assert second.address == Address("10.0.0.5", 4000)
    assert (second.rank, second.size, second.place) == (1, 2, places[1])


@pytest.mark.parametrize(
    ("device", "expected"), [("auto", "cuda"), ("cuda", "cuda"), ("cuda:1", "cuda:1")]
)
def test_the_device_is_that_of_the_workers(device, expected):
    places = [place(1, ("a", "b")), place(2, ("c", "d"))]
    assert needs_gpu(device)
    assert resolve_on(places, ["a", "b"], device) == torch.device(expected)


def test_auto_is_the_cpu_where_no_worker_has_a_gpu():
    assert resolve_on([place(1), place(2)], ["a", "b"], "auto") == torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "gpus"), [("cuda", ((), ())), ("auto", (("a",), ())), ("cuda:1", (("a",), ("b",)))]
)
def test_a_worker_without_the_gpu_that_is_asked_for_is_an_error(device, gpus):
    places = [place(number, of_one) for number, of_one in enumerate(gpus)]
    with pytest.raises(ValueError, match=f"(?s)device='{device}' needs a GPU.*gpus_per_worker=1"):
        resolve_on(places, ["a", "b"], device)


@pytest.mark.parametrize("device", ["tpu", 1.5])
def test_a_device_that_is_none_is_an_error_before_anybody_is_asked(device):
    assert not needs_gpu("cpu")
    with pytest.raises(InvalidParameterError, match=r"The 'device' parameter must be"):
        needs_gpu(device)
