"""Packages that only some functions need."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType


def require(package: str, *, extra: str) -> ModuleType:
    """The imported package, or an ImportError that says how to install it.

    Parameters
    ----------
    package : str
        Name under which it is imported.
    extra : str
        The extra of sklstm that installs it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        # The package is there but lacks something of its own: an extra would not help.
        if error.name != package or importlib.util.find_spec(package) is not None:
            raise
        raise ImportError(
            f"This needs the package {package!r}, which is not installed.\n\n"
            f"pip install 'sklstm[{extra}]'",
            name=package,
        ) from error
