import json

import pytest

from sklstm._optional import require


def test_a_package_that_is_there_is_imported():
    assert require("json", extra="frames") is json


def test_a_package_that_is_missing_is_an_error_with_the_pip_line():
    with pytest.raises(
        ImportError,
        match=r"needs the package 'no_such_package', .*\n\npip install 'sklstm\[frames\]'$",
    ) as caught:
        require("no_such_package", extra="frames")
    assert caught.value.name == "no_such_package"


def test_what_a_package_lacks_itself_is_its_own_error(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'"):
        require("half_installed", extra="frames")
