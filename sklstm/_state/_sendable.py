"""What a fit sends to other processes can be pickled, or an error says which part cannot."""

from __future__ import annotations

import cloudpickle

from sklstm._config._configuration import Configuration


def check_sendable(configuration: Configuration) -> None:
    """Raise TypeError if a callback or the scorers cannot be pickled, which names it."""
    parts = {f"callbacks[{i}]": part for i, part in enumerate(configuration.callbacks or ())}
    for name, part in {**parts, "scoring": configuration.scoring}.items():
        try:
            cloudpickle.dumps(part)
        except Exception as error:
            raise TypeError(
                f"{name} cannot be sent to the processes of data_parallel: {error}.\n\nKeep locks,"
                " open files and connections out of it: open them where they are used, or leave"
                " them out of __getstate__."
            ) from error
