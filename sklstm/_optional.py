"""Packages that only some functions need."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType


def require(package: str, *, extra: str) -> ModuleType:
    """The imported package or module of one, or an ImportError that says how to install it.

    Parameters
    ----------
    package : str
        Name under which it is imported, such as "matplotlib.pyplot".
    extra : str
        The extra of sklstm that installs it.
    """
    root = package.partition(".")[0]
    try:
        importlib.import_module(root)
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        # The package is there but lacks something of its own: an extra would not help.
        if error.name != root or importlib.util.find_spec(root) is not None:
            raise
        raise ImportError(
            f"This needs the package {root!r}, which is not installed.\n\n"
            f"pip install 'sklstm[{extra}]'",
            name=root,
        ) from error
