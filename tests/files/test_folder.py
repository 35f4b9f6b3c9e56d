import pytest

from sklstm._files._folder import new_folder


def test_a_folder_is_there_when_it_is_complete(tmp_path):
    with new_folder(tmp_path / "X") as folder:
        (folder / "a").write_text("a")
        assert not (tmp_path / "X").exists()
    assert [p.name for p in tmp_path.rglob("*")] == ["X", "a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_nothing_is_left(tmp_path, error):
    def fail():
        with new_folder(tmp_path / "X") as folder:
            (folder / "a").write_text("a")
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder '.*Y' to write in"):
        new_folder(tmp_path / "Y" / "X").__enter__()


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_nothing_is_written_over(tmp_path, when):
    def write():
        with new_folder(tmp_path / "X"):
            (tmp_path / "X").mkdir()

    if when == "before":
        (tmp_path / "X").mkdir()
    with pytest.raises(FileExistsError, match=r"X' exists already(.|\n)*shutil.rmtree"):
        write()
    assert [path.name for path in tmp_path.rglob("*")] == ["X"]
