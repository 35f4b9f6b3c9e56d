import sklstm
from sklstm._persistence._estimators import ESTIMATORS, TASKS


def test_every_estimator_can_be_kept_and_agrees_with_its_task():
    public = {name for name in sklstm.__all__ if name.startswith("LSTM")}
    assert public == ESTIMATORS.keys()
    for estimator, task in TASKS.items():
        assert estimator._task_type is task
