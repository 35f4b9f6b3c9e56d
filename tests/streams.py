"""CUDA streams on a CPU: who computes where, and what waits for what."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Stream:
    """Stands for a CUDA stream; knows up to where it has waited for each, itself included."""

    everywhere: Streams

    def __init__(self, device: Any = None) -> None:
        self.name = f"stream {len(self.everywhere.all)}"
        self.known: dict[str, int] = {self.name: 0}
        self.everywhere.all.append(self)

    def wait_stream(self, other: Stream) -> None:
        """What comes next here comes after all that is there now."""
        self.everywhere.log.append((self.name, "waits for", other.name))
        for name, tick in other.known.items():
            self.known[name] = max(tick, self.known.get(name, 0))


class Streams(TorchDispatchMode):
    """Stands for the streams of a GPU, the first of which is the current one.

    Raises an error where an operation reads what another stream writes, without having waited.
    """

    def __init__(self, monkeypatch: Any) -> None:
        super().__init__()
        self.all: list[Stream] = []
        self.log: list[tuple[str, str, str]] = []
        # Stream and tick of the latest write to a storage.
        self.written: dict[int, tuple[str, int]] = {}
        self.kept: list[Any] = []
        own = type("OwnStream", (Stream,), {"everywhere": self})
        self.now = own()
        monkeypatch.setattr(torch.cuda, "Stream", own)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: self.now)
        monkeypatch.setattr(torch.cuda, "stream", self.on)
        # A function, so that it becomes a method.
        monkeypatch.setattr(torch.Tensor, "record_stream", lambda *given: self.record(*given))

    @contextmanager
    def on(self, stream: Stream) -> Any:
        before, self.now = self.now, stream
        try:
            yield
        finally:
            self.now = before

    def record(self, tensor: torch.Tensor, stream: Stream) -> None:
        self.log.append((stream.name, "keeps", str(tensor.dtype)))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, known = self.now.name, self.now.known
        read = {tensor.untyped_storage().data_ptr() for tensor in self._tensors(args, kwargs)}
        for address in read:
            writer, tick = self.written.get(address, (name, 0))
            assert known.get(writer, 0) >= tick, f"{func} on {name} does not wait for {writer}"
        result = func(*args, **(kwargs or {}))
        known[name] += 1
        self.log.append((name, "computes", str(func)))
        for tensor in self._tensors(result):
            # Kept, so that no address is used twice.
            self.kept.append(tensor)
            address = tensor.untyped_storage().data_ptr()
            # A view writes nothing.
            if address not in read or func._schema.is_mutable:
                self.written[address] = name, known[name]
        return result

    @staticmethod
    def _tensors(*trees: Any) -> list[torch.Tensor]:
        return [leaf for leaf in tree_leaves(trees) if isinstance(leaf, torch.Tensor)]

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.written.clear()
        self.kept.clear()

    def computed_on(self, stream: str) -> set[str]:
        """Names of the operations on a stream."""
        return {what for where, how, what in self.log if (where, how) == (stream, "computes")}
