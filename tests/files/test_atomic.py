import errno
import os
import resource
import stat
from contextlib import contextmanager

import pytest

from sklstm._files._atomic import write_atomically

EARLIER, NEW = b"earlier " * 100, b"new " * 100_000


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(EARLIER)
    return path


@contextmanager
def no_more_than(n_bytes):
    """A limit of the operating system: a write beyond it fails in the middle, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def fail(error):
    def failing(*args, **kwargs):
        raise error

    return failing


def assert_untouched(path):
    assert path.read_bytes() == EARLIER
    assert [entry.name for entry in path.parent.iterdir()] == ["model"]


def test_the_chunks_follow_one_another(tmp_path):
    write_atomically(tmp_path / "model", [b"ab", memoryview(b"cd"), b"ef"])
    assert (tmp_path / "model").read_bytes() == b"abcdef"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_an_earlier_file_is_replaced(path):
    write_atomically(path, [NEW])
    assert path.read_bytes() == NEW
    assert [entry.name for entry in path.parent.iterdir()] == ["model"]


def test_a_write_that_fails_in_the_middle_leaves_the_earlier_file(path):
    with no_more_than(100_000), pytest.raises(OSError, match=r"File too large: '.*/model'"):
        write_atomically(path, [NEW])
    assert_untouched(path)


@pytest.mark.parametrize("name", ["fsync", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_whatever_fails_leaves_the_earlier_file(path, monkeypatch, name, error):
    monkeypatch.setattr(os, name, fail(error))
    with pytest.raises(type(error)) as raised:
        write_atomically(path, [NEW])
    monkeypatch.undo()
    assert_untouched(path)
    if isinstance(error, OSError):
        assert str(raised.value) == f"[Errno 28] No space left on device: {str(path)!r}"


def test_chunks_that_fail_leave_the_earlier_file(path):
    def chunks():
        yield NEW
        raise ArithmeticError("of the caller")

    with pytest.raises(ArithmeticError, match="of the caller"):
        write_atomically(path, chunks())
    assert_untouched(path)


def test_the_content_is_on_the_disk_before_it_has_the_name(path, monkeypatch):
    happened = []
    for name in ("fsync", "replace"):
        function = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, n=name, f=function: (happened.append(n), f(*args))
        )
    write_atomically(path, [NEW])
    # The file, its name, its folder.
    assert happened == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("missing/model", FileNotFoundError),
        ("model/model", NotADirectoryError),
        ("folder", IsADirectoryError),
        ("x" * 300, OSError),
    ],
)
def test_paths_where_no_file_can_be(path, name, error):
    (path.parent / "folder").mkdir()
    with pytest.raises(error, match=name):
        write_atomically(path.parent / name, [NEW])
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["folder", "model"]
    assert list((path.parent / "folder").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(path):
    path.parent.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="model"):
            write_atomically(path, [NEW])
        assert_untouched(path)
    finally:
        path.parent.chmod(0o700)


def test_a_read_only_file_system():
    # /proc takes no files, not even from root.
    with pytest.raises(OSError, match="'/proc/model'"):
        write_atomically("/proc/model", [NEW])


def test_the_longest_possible_name(path):
    longest = path.with_name("x" * 255)
    write_atomically(longest, [NEW])
    assert longest.read_bytes() == NEW


def test_permissions(path):
    umask = os.umask(0o027)
    try:
        write_atomically(path.with_name("new"), [NEW])
        assert stat.S_IMODE(path.with_name("new").stat().st_mode) == 0o640
        path.chmod(0o604)
        write_atomically(path, [NEW])
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(umask)


def test_a_link_stays_a_link(path):
    link = path.with_name("link")
    link.symlink_to(path)
    write_atomically(link, [NEW])
    assert link.is_symlink()
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o604])
def test_a_file_is_never_more_open_than_it_was(path, mode):
    path.chmod(mode)
    seen = []

    def chunks():
        for chunk in (NEW, NEW):
            seen.extend(stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir())
            yield chunk

    write_atomically(path, chunks())
    assert len(seen) == 4
    assert all(other & ~mode & 0o077 == 0 for other in seen)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_permissions(path, monkeypatch, number):
    monkeypatch.setattr(os, "chmod", fail(OSError(number, "refused")))
    write_atomically(path, [NEW])
    assert path.read_bytes() == NEW
    assert [entry.name for entry in path.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM])
def test_a_file_system_that_cannot_be_told_to_write_now(path, monkeypatch, number):
    monkeypatch.setattr(os, "fsync", fail(OSError(number, "refused")))
    write_atomically(path, [NEW])
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("number", [errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails_is_an_error(path, monkeypatch, number):
    monkeypatch.setattr(os, "fsync", fail(OSError(number, "failed")))
    with pytest.raises(OSError, match=r"failed: '.*/model'"):
        write_atomically(path, [NEW])
    assert_untouched(path)


def test_links_that_go_round_in_a_circle(path):
    for name, other in (("one", "two"), ("two", "one")):
        path.with_name(name).symlink_to(path.with_name(other))
    with pytest.raises(OSError, match=r"Too many levels of symbolic links: '.*/one'") as raised:
        write_atomically(path.with_name("one"), [NEW])
    assert raised.value.errno == errno.ELOOP
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["model", "one", "two"]


def test_a_link_to_a_file_that_is_not_there_yet(path):
    path.unlink()
    path.with_name("link").symlink_to(path)
    write_atomically(path.with_name("link"), [NEW])
    assert path.with_name("link").is_symlink()
    assert path.read_bytes() == NEW
