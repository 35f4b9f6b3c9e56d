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


def test_a_module_of_a_package():
    assert require("json.decoder", extra="frames") is json.decoder
    with pytest.raises(ImportError, match="needs the package 'no_such_package', which") as caught:
        require("no_such_package.module", extra="frames")
    assert caught.value.name == "no_such_package"


def test_a_module_that_a_package_lacks_is_its_own_error():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'json\.no_such_module'"):
        require("json.no_such_module", extra="frames")


def test_what_a_package_lacks_itself_is_its_own_error(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'"):
        require("half_installed", extra="frames")


@pytest.mark.parametrize(
    "error",
    ["ImportError('libparquet.so: no such file')", "AttributeError('numpy has no product')"],
)
def test_a_package_that_fails_is_reported_as_itself(tmp_path, monkeypatch, error):
    (tmp_path / "failing_package.py").write_text(f"raise {error}")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises((ImportError, AttributeError), match=r"libparquet|no product"):
        require("failing_package", extra="frames")


def test_a_package_that_lacks_itself_is_not_called_missing(tmp_path, monkeypatch):
    """Such as a folder of which an interrupted installation has left a part."""
    (tmp_path / "partial_package.py").write_text(
        "raise ModuleNotFoundError('no extension', name='partial_package')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no extension"):
        require("partial_package", extra="frames")
