"""What is installed for whom, and which versions of it."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# What a user may install, and what the tests run with.
TESTED = [
    *PROJECT["dependencies"],
    *EXTRAS["tests"],
    *EXTRAS["examples"],
    *EXTRAS["plots"],
    *EXTRAS["frames"],
]
TESTED += [*EXTRAS["subwords"], *EXTRAS["search"], *EXTRAS["arrow"], *EXTRAS["onnx"]]
TESTED += [*EXTRAS["progress"], *EXTRAS["stores"], *EXTRAS["dask"], *EXTRAS["ray"]]
BOUNDS = dict(line.split(">=") for line in TESTED if not line.startswith("sklstm["))


def pins(name):
    """Package -> version, of a file of constraints."""
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def numbers(version):
    """Version (2, 9) for 2.9.0 and 2.9: zeros at the end say nothing."""
    parts = [int(part) for part in re.match(r"[\d.]*\d", version)[0].split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


@pytest.mark.parametrize("package", BOUNDS)
def test_the_lowest_version_allowed_is_the_lowest_that_is_tested(package):
    assert numbers(pins("constraints-lowest.txt")[package]) == numbers(BOUNDS[package])


@pytest.mark.parametrize("package", BOUNDS)
def test_the_development_environment_is_within_the_bounds(package):
    assert numbers(pins("constraints.txt")[package]) >= numbers(BOUNDS[package])


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_the_demo_installs_what_it_shows_and_says_so():
    command = ["make", "--dry-run", "--always-make", "demo"]
    commands = subprocess.run(  # noqa: S603
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert re.findall(r"-e '\.\[(.*)\]'", commands) == ["examples"]
    assert re.search(r'echo "Installing .* GB', commands)
