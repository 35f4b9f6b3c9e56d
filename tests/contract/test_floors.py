"""The house: who may import whom, and how large a room may be."""

import ast
import importlib
import inspect
import sys
import textwrap
from pathlib import Path

import pytest

import sklstm

ROOT = Path(sklstm.__file__).parent
FLOORS = {
    "_sequences": 0, "exceptions": 0, "_optional": 0, "_compat": 0, "_warnings": 0, "_tables": 0,
    "_runtime": 1, "_views": 1,
    "_files": 2, "_moments": 2, "_validation": 2, "nn": 2,
    "_config": 3,
    "_tasks": 4, "_batching": 4, "preprocessing": 4,
    "_data": 5,
    "_inference": 6, "datasets": 6,
    "_training": 7,
    "_state": 8,
    "_base": 9,
    "_classifier": 10, "_regressor": 10, "_models": 10,
    "_persistence": 11, "inspection": 11, "model_selection": 11, "distributed": 11,
    "streaming": 12, "_scoring": 12,
    "export": 13,
}  # fmt: skip
FILES = sorted(ROOT.rglob("*.py"))
CODE = [path for path in FILES if path != ROOT / "__init__.py"]

DOORS_OF_TORCH = [ROOT / "_compat" / name for name in ("_skorch.py", "_torch.py")]

every_file = pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))


def imports(path):
    """Names of the modules of sklstm that a file imports, at any place in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def room(path):
    """The part of the package that a file belongs to: its folder, or the file itself."""
    parts = path.relative_to(ROOT).parts
    return parts[0].removesuffix(".py")


@every_file
def test_a_file_imports_from_lower_floors_or_from_its_own_folder(path):
    for module in imports(path):
        if module == "sklstm" or module.startswith("sklstm."):
            assert module != "sklstm", f"{path} imports the package itself"
            other = module.split(".")[1]
            own_folder = other == room(path) and path.parent != ROOT
            assert own_folder or FLOORS[other] < FLOORS[room(path)], f"{path} imports {module}"


@every_file
def test_no_file_imports_the_init_of_its_own_folder(path):
    if path.name != "__init__.py" and path.parent != ROOT:
        assert f"sklstm.{path.parent.name}" not in set(imports(path))


@every_file
def test_no_private_module_of_another_package_but_through_compat(path):
    if room(path) != "_compat":
        for module in imports(path):
            private = any(part.startswith("_") for part in module.split("."))
            assert module.startswith("sklstm") or module == "__future__" or not private, module


# Of a named tuple it is public.
PUBLIC_ALL_THE_SAME = {"_asdict", "_replace"}


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name not in PUBLIC_ALL_THE_SAME


def is_own(attribute):
    return isinstance(attribute.value, ast.Name) and attribute.value.id in ("self", "cls")


def attributes(node):
    return (n for n in ast.walk(node) if isinstance(n, ast.Attribute) and is_private(n.attr))


def private_names_of(room_name):
    """What a room itself defines: functions, classes, variables and attributes."""
    for path in CODE:
        if room(path) == room_name:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    yield node.name
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id
                elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    yield node.attr


@every_file
def test_no_private_attribute_of_another_rooms_object_or_of_a_library(path):
    if room(path) != "_compat":
        own = set(private_names_of(room(path)))
        others = [
            ast.unparse(a)
            for a in attributes(ast.parse(path.read_text()))
            if not is_own(a) and a.attr not in own
        ]
        assert others == []


@every_file
def test_no_private_name_of_a_librarys_base_class(path):
    """Neither used nor overridden."""
    module = importlib.import_module(".".join(path.relative_to(ROOT.parent).with_suffix("").parts))
    for thing in vars(module).values():
        if isinstance(thing, type) and thing.__module__ == module.__name__:
            bases = [b for b in thing.__mro__ if not b.__module__.startswith("sklstm")]
            theirs = {name for base in bases for name in vars(base) if is_private(name)}
            source = ast.parse(textwrap.dedent(inspect.getsource(thing)))
            used = {a.attr for a in attributes(source) if is_own(a)}
            defined = (n.name for n in ast.walk(source) if isinstance(n, ast.FunctionDef))
            used |= {name for name in defined if is_private(name)}
            assert room(path) == "_compat" or used & theirs == set()


@pytest.mark.parametrize(
    "room_name",
    [
        "_files",
        "_validation",
        "_config",
        "_sequences",
        "exceptions",
        "_compat",
        "preprocessing",
        "_views",
    ],
)
def test_rooms_without_torch(room_name):
    for path in CODE:
        if room(path) == room_name and path not in DOORS_OF_TORCH:
            packages = {module.split(".")[0] for module in imports(path)}
            assert not packages & {"torch", "skorch"}


def test_the_modules_for_torch_users_need_torch_alone():
    for path in CODE:
        if room(path) == "nn":
            packages = {module.split(".")[0] for module in imports(path)}
            assert packages - sys.stdlib_module_names <= {"torch", "sklstm"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_sizes(path):
    # The estimators are mostly docstring.
    limit = 700 if path.name in ("_classifier.py", "_regressor.py") else 500
    source = path.read_text()
    assert len(source.splitlines()) <= limit
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and not is_constructor_that_only_assigns(node):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= 60, f"{path}: {node.name} has {length} lines"


def is_constructor_that_only_assigns(node):
    return node.name == "__init__" and all(isinstance(line, ast.Assign) for line in node.body)


def test_tests_mirror_the_package():
    """Each file with code of its own has a test file of its name in the folder of its name."""
    tests = Path(__file__).parents[1]
    missing = []
    for path in CODE:
        relative = path.relative_to(ROOT)
        if path.name == "__init__.py" or room(path) in ("_compat", "exceptions"):
            continue
        folders = [part.removeprefix("_") for part in relative.parts[:-1]]
        test = tests.joinpath(*folders, f"test_{relative.stem.removeprefix('_')}.py")
        if not test.exists():
            missing.append(str(relative))
    assert missing == []
