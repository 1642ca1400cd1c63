"""Sending values with large arrays between processes: the arrays as they are, outside the pickle."""

from __future__ import annotations

import os
import pickle
import sys
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

_RAW = sys.platform != "win32"  # there a connection is a file descriptor, and arrays pass through it without copies


def send(connection: Connection, value: Any) -> None:
    """Send a value. Contiguous arrays in it are written straight from memory.

    Raises:
        OSError: If the other side has gone.
    """
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    connection.send_bytes(pickle.dumps(([len(view) for view in views], head)))
    for view in views:
        if not _RAW and len(view):
            connection.send_bytes(view)
        while _RAW and len(view):
            view = view[os.write(connection.fileno(), view) :]


def receive(connection: Connection) -> Any:
    """Receive what `send` sent; its arrays are writable and belong to the caller.

    Raises:
        EOFError: If the other side has gone, also in the middle of a value.
        OSError: Likewise, on some systems.
    """
    sizes, head = pickle.loads(connection.recv_bytes())
    buffers = [np.empty(size, np.uint8) for size in sizes]
    for buffer in buffers:
        if _RAW:
            _read_into(connection.fileno(), buffer.data)
        elif len(buffer):
            connection.recv_bytes_into(buffer)
    return pickle.loads(head, buffers=buffers)


def _read_into(descriptor: int, view: memoryview) -> None:
    while len(view):
        count = os.readv(descriptor, [view])
        if not count:
            raise EOFError
        view = view[count:]
