"""Cuts a process off from other machines; the loopback, and sockets of Unix, remain.

`tests/conftest.py` imports this file, and puts its folder on PYTHONPATH for the processes that
tests start (`sitecustomize.py`). Code that opens sockets without Python (gloo, Ray's core) is not
seen.
"""

import errno
import sys

# An error alone might be caught by whoever tries to connect.
_attempts = []

_HERE = {"", "localhost", "ip6-localhost", "0.0.0.0", "::", "::1"}  # noqa: S104
_DATAGRAM = 2


def take_attempts():
    """What was tried since the last call, as texts."""
    attempts = _attempts.copy()
    _attempts.clear()
    return attempts


def _is_here(host):
    if isinstance(host, bytes):
        host = host.decode()
    # None is this machine too.
    return not host or host in _HERE or host.startswith(("127.", "::ffff:127."))


def _is_number(host):
    """Whether no name server is asked for it: 10.1.2.3, fe80::1."""
    text = host.decode() if isinstance(host, bytes) else host
    return ":" in text or text.replace(".", "").isdigit()


def _other_machine(event, args):
    """The host that an audit event is about, unless it is this one."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        # Connecting a datagram socket sends nothing: Dask and Ray do so to learn their own address.
        silent = event == "socket.connect" and args[0].type & 0xF == _DATAGRAM
        if isinstance(address, tuple) and not silent and not _is_here(address[0]):
            return address[0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        if not _is_here(args[0]) and not _is_number(args[0]):
            return args[0]
    elif event == "socket.gethostbyaddr" and not _is_here(args[0]):
        return args[0]
    return None


def _audit(event, args):
    if event.startswith("socket."):
        host = _other_machine(event, args)
        if host is not None:
            _attempts.append(f"{event} of {host!r}")
            raise OSError(errno.ENETUNREACH, f"tests run without a network ({_attempts[-1]})")


sys.addaudithook(_audit)
