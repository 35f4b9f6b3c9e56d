"""The files of a release."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import sklstm

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SHIPPED = PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
BUILT = {ROOT / "docs/_build", ROOT / "docs/gallery", ROOT / "docs/reference/generated"}


def left_out(folder, names):
    """What a clone has in a folder and git does not know."""
    return {name for name in names if name == "__pycache__" or Path(folder, name) in BUILT}


def copy_tree(folder):
    """What an sdist is made of."""
    for name in [*SHIPPED, "/pyproject.toml", "/.gitignore"]:
        source, target = ROOT / name[1:], folder / name[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=left_out)
        else:
            shutil.copy(source, target)
    return folder


def soil(folder):
    """What another clone may have: other times and permissions, caches, an own environment."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o600 | (path.stat().st_mode & 0o100))
            os.utime(path, (1e9, 1e9))
    for name in ("sklstm/__pycache__/a.cpython-311.pyc", "docs/_build/html/a.html", ".venv/a.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def build(tree, kinds, out, umask=0o022, **environment):
    """Paths of the built files. No network: hatchling comes from this environment."""
    targets = [word for kind in kinds for word in ("-t", kind)]
    subprocess.run(  # noqa: S603
        [sys.executable, "-m", "hatchling", "build", "-d", str(out), *targets],
        cwd=tree, env=os.environ | environment, umask=umask, check=True, capture_output=True,
    )  # fmt: skip
    return [next(out.glob({"sdist": "*.tar.gz", "wheel": "*.whl"}[kind])) for kind in kinds]


def digest(path):
    return path.name, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An sdist, what is in it, and the wheel that is built from that."""
    folder = tmp_path_factory.mktemp("release")
    (sdist,) = build(copy_tree(folder / "tree"), ["sdist"], folder / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    unpacked = folder / "unpacked" / f"sklstm-{sklstm.__version__}"
    (wheel,) = build(unpacked, ["wheel"], folder / "dist")
    return sdist, unpacked, wheel


def test_another_clone_gives_the_same_bytes(built, tmp_path):
    sdist, _, wheel = built
    tree = copy_tree(tmp_path / "another place")
    soil(tree)
    other = {"umask": 0o077, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "1"}
    # This wheel is built from the tree, the other one from the sdist.
    found = build(tree, ["sdist", "wheel"], tmp_path / "dist", **other)
    assert [digest(path) for path in found] == [digest(sdist), digest(wheel)]


def test_the_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[2]) as wheel:
        names = wheel.namelist()
    info = f"sklstm-{sklstm.__version__}.dist-info/"
    assert [name for name in names if not name.startswith(("sklstm/", info))] == []
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sklstm").rglob("*.py")}
    assert sources | {"sklstm/py.typed"} == {name for name in names if not name.startswith(info)}
    assert f"{info}licenses/LICENSE" in names


def test_all_links_of_the_readme_lead_away_from_pypi(built):
    link = r"\]\(([^)\s]+)\)"
    links = re.findall(link, (ROOT / "README.md").read_text())
    own = [path for path in links if ":" not in path and not path.startswith("#")]
    assert [path for path in own if not (ROOT / path).exists()] == []
    with zipfile.ZipFile(built[2]) as wheel:
        metadata = wheel.read(f"sklstm-{sklstm.__version__}.dist-info/METADATA").decode()
    shown = re.findall(link, metadata)
    assert [address for address in shown if not address.startswith(("https://", "#"))] == []
    urls, tag = PYPROJECT["project"]["urls"], f"v{sklstm.__version__}"
    assert f"{urls['Documentation']}user_guide/inputs.html" in shown
    assert f"{urls['Source']}/blob/{tag}/CONTRIBUTING.md" in shown
    assert f"{urls['Source']}/raw/{tag}/docs/_static/front.png" in shown


@pytest.mark.slow
def test_the_tests_of_the_contract_run_from_the_sdist(built):
    # They read other files: documentation, records, recipes of make, constraints.
    names = ["changes", "documentation_code", "docstrings", "floors", "records", "setup", "version"]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    result = subprocess.run(  # noqa: S603
        [*command, *(f"tests/contract/test_{name}.py" for name in names)], cwd=built[1],
        env=os.environ | {"PYTHONPATH": str(built[1])}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout


def test_what_git_knows_is_shipped(built):
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a clone")
    listed = subprocess.run(  # noqa: S603
        [shutil.which("git"), "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert [name for name in listed if not (built[1] / name).exists()] == []
