"""The public interface as text: `python -m tests.contract.api` writes it to api.txt.

Below each module are its public names, below each class its methods and properties, and after them
the documented attributes that it gets in use, such as by `fit`. Parameters have their defaults;
those after `*` are keyword-only. An exception has its base class, a record the names of its fields.
Not listed are methods that scikit-learn or torch adds to a class, those that parts of the package
call on each other (NOT_FOR_USERS), and of torch modules all but `forward`.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

PATH = Path(__file__).with_name("api.txt")
MODULES = (
    "sklstm", "sklstm.datasets", "sklstm.distributed", "sklstm.exceptions", "sklstm.export",
    "sklstm.inspection", "sklstm.model_selection", "sklstm.nn", "sklstm.preprocessing",
    "sklstm.streaming",
)  # fmt: skip
NOT_FOR_USERS = {"check_parameters", "columns_of"}
WIDTH = 100


def public_interface() -> str:
    """Text of all public modules."""
    return "\n".join(_module(name) for name in MODULES)


def public_names() -> dict[str, list[str]]:
    """Names of each module in the file."""
    names: dict[str, list[str]] = {}
    for line in PATH.read_text().splitlines():
        indent, word = len(line) - len(line.lstrip()), line.split("(")[0].split(":")[0].strip()
        if line and indent == 0:
            names[word] = []
        elif indent == 4 and word != ")":
            names[list(names)[-1]].append(word)
    return names


def _module(name: str) -> str:
    module = importlib.import_module(name)
    entries = [_entry(public, getattr(module, public)) for public in sorted(module.__all__)]
    return name + "\n" + "".join(entries)


def _entry(name: str, thing: Any) -> str:
    if not callable(thing):
        kind = "module" if isinstance(thing, ModuleType) else type(thing).__name__
        return f"    {name}: {kind}\n"
    if not isinstance(thing, type):
        return _call(4, name, thing)
    if issubclass(thing, Exception):
        return f"    {name}: {thing.__base__.__name__}\n"
    # Nobody builds a record by hand: it is read by the names of its fields.
    if dataclasses.is_dataclass(thing):
        fields = [f.name for f in dataclasses.fields(thing) if not f.name.startswith("_")]
        text = f"    {name}\n" + "".join(f"        {field}\n" for field in fields)
    else:
        text = _call(4, name, thing)
    members = _own_members(thing)
    text += "".join(_member(thing, member) for member in members)
    later = [name for name in _documented_attributes(thing) if name not in members]
    return text + "".join(f"        {name}\n" for name in later)


def _own_members(thing: type) -> list[str]:
    """Public methods and properties that this package defines, inherited ones included."""
    if issubclass(thing, torch.nn.Module):
        return ["forward"]
    own = [base for base in thing.__mro__ if base.__module__.startswith("sklstm.")]
    names = {name for base in own for name in vars(base) if not name.startswith("_")}
    fields = {f.name for f in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else ()
    names = {n for n in names - {*fields} - NOT_FOR_USERS if not re.fullmatch("set_.*_request", n)}
    if "__call__" in {name for base in own for name in vars(base)}:
        names.add("__call__")
    return sorted(names)


def _documented_attributes(thing: type) -> list[str]:
    """Names in the section Attributes of a class's docstring, sorted; none of a record's fields."""
    if dataclasses.is_dataclass(thing):
        return []
    text = inspect.getdoc(thing) or ""
    section = re.search(r"^Attributes\n-+\n(.*?)(?=^[^\n]+\n-{3,}$|\Z)", text, re.DOTALL | re.M)
    return sorted(re.findall(r"^(\w+) :", section[1], re.M)) if section else []


def _member(thing: type, name: str) -> str:
    member = inspect.getattr_static(thing, name)
    if isinstance(member, property) or not callable(getattr(thing, name)):
        return f"        {name}\n"
    return _call(8, name, getattr(thing, name))


def _call(indent: int, name: str, function: Any) -> str:
    """`name(parameter=default)`, over several lines if it is long."""
    parts: list[str] = []
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        # The constructor of torch's modules takes anything.
        if parameter.name in ("self", "args", "kwargs"):
            continue
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        plain = parameter.replace(annotation=inspect.Parameter.empty)
        parts.append(str(plain))
    before = " " * indent
    line = f"{before}{name}({', '.join(parts)})"
    if len(line) <= WIDTH:
        return line + "\n"
    lines = [f"{name}(", *(f"    {part}," for part in parts), ")"]
    return "".join(f"{before}{line}\n" for line in lines)


if __name__ == "__main__":
    PATH.write_text(public_interface())
