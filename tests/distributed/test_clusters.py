import pytest

from sklstm.distributed import data_parallel
from sklstm.distributed._clusters import is_dask_client


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((2,), {"n_ranks": 2}, r"(?s)n_ranks=2 is for Dask: data_parallel\(client, n_ranks=2\)"),
        ((2,), {"ray": 2}, "processes or ray, not both"),
        ((), {"ray": 0}, "ray must be an integer of at least 1. Got 0"),
        ((), {"ray": True}, "ray must be an integer of at least 1. Got True"),
        ((), {"ray": 2, "cpus_per_worker": 0.5}, "cpus_per_worker must be an integer"),
        ((), {"ray": 2, "gpus_per_worker": 2}, "(?s)gpus_per_worker must be 0, 1 or a fraction"),
        ((2,), {"cpus_per_worker": 4}, "cpus_per_worker and gpus_per_worker are for Ray"),
        ((2,), {"gpus_per_worker": 1}, "cpus_per_worker and gpus_per_worker are for Ray"),
        (([2],), {}, "a client of Dask, ray=..., or nothing within torchrun. Got a list"),
        ((), {"ray": 2, "gpus_per_worker": "all"}, "Got 'all'"),
    ],
)
def test_arguments_that_contradict_are_an_error(arguments, options, message):
    context = data_parallel(*arguments, **options)
    with pytest.raises(ValueError, match=message):
        context.__enter__()


def test_only_dasks_clients_are_clients():
    assert not is_dask_client(2)
    assert not is_dask_client("tcp://127.0.0.1:8786")
