import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sklstm._files._lock import locked


def test_one_at_a_time(tmp_path):
    path = tmp_path / "file"
    with locked(path):
        again = pytest.raises(
            BlockingIOError, match=r"'.*/file' is locked by another process or thread"
        )
        with again, locked(path):
            pass
        with locked(tmp_path / "other"):
            pass
    with locked(path):
        pass


def test_nothing_is_left_behind(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "file"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_the_file_itself_is_left_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("content")
    with locked(path):
        path.unlink()
    assert not path.exists()


@pytest.mark.parametrize("name", ["poetry.lock", ".poetry.lock", ".poetry.sklstm-lock"])
def test_files_of_others_stay(tmp_path, name):
    other = tmp_path / name
    other.write_text("content")
    for _ in range(2):
        with locked(tmp_path / "poetry"):
            with pytest.raises(BlockingIOError, match="is locked by"), locked(tmp_path / "poetry"):
                pass
            assert other.read_text() == "content"
    assert list(tmp_path.iterdir()) == [other]
    assert other.read_text() == "content"


HOLDER = """
import pathlib, sys, time
from sklstm._files._lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_another_process_is_kept_out_until_it_is_killed(tmp_path):
    path = tmp_path / "file"
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "locked\n"
    with pytest.raises(BlockingIOError, match="is locked by"), locked(path):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with locked(path):
        pass
    assert list(tmp_path.iterdir()) == []


FORKER = """
import os, pathlib, signal, sys, time
from sklstm._files._lock import locked
path = pathlib.Path(sys.argv[1])
with locked(path):
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
try:
    with locked(path):
        print("locked again")
finally:
    os.kill(child, signal.SIGKILL)
"""


def test_the_child_of_a_fork_does_not_keep_the_lock(tmp_path):
    process = subprocess.run(  # noqa: S603
        [sys.executable, "-c", FORKER, str(tmp_path / "file")],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    assert process.stdout == "locked again\n"


def test_no_two_threads_are_inside_whatever_the_moment(tmp_path):
    inside, most = [], []

    def enter():
        try:
            with locked(tmp_path / "file"):
                inside.append(None)
                most.append(len(inside))
                time.sleep(1e-5)
                inside.pop()
                return True
        except BlockingIOError:
            time.sleep(1e-5)
            return False

    def work():
        times = 0
        while times < 100:
            times += enter()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 400
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_removed_before_it_was_locked_does_not_count(tmp_path, monkeypatch):
    """The one before has just left, and somebody else has come in since."""
    path, lock = tmp_path / "file", fcntl.flock

    def lock_too_late(*arguments):
        monkeypatch.setattr(fcntl, "flock", lock)
        (tmp_path / ".file.sklstm-lock").unlink()
        lock(*arguments)

    monkeypatch.setattr(fcntl, "flock", lock_too_late)
    with locked(path), pytest.raises(BlockingIOError, match="is locked by"), locked(path):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_locks(tmp_path, monkeypatch, number):
    def refuse(*arguments):
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / "file"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "error"),
    [("missing/file", FileNotFoundError), ("file/file", NotADirectoryError), ("x" * 300, OSError)],
)
def test_errors_name_the_path_and_not_the_lock(tmp_path, name, error):
    (tmp_path / "file").write_text("")
    with pytest.raises(error) as raised, locked(tmp_path / name):
        pass
    assert raised.value.filename == os.fspath(tmp_path / name)


def test_a_read_only_file_system():
    # /proc takes no files, not even from root.
    with pytest.raises(OSError, match="'/proc/file'"), locked(Path("/proc/file")):
        pass
