"""What the processes of test_isolation do; a module of its own, because they import it."""

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from backbones.errors import MediaError


def obey(task: tuple[str, Any]) -> Iterator[object]:
    """Do what the first part says; the second tells tasks apart, or says how often."""
    order, number = task
    if order == "abort":
        os.abort()
    elif order == "abort after two":
        yield from (0, 1)
        os.abort()
    elif order == "kill":
        os.kill(os.getpid(), 9)
    elif order == "sleep":
        time.sleep(3600)
    elif order == "sleep a little":
        time.sleep(0.5)
        yield number
    elif order == "raise":
        raise ZeroDivisionError("no such luck")
    elif order == "allocate":
        yield np.ones(6 << 30, np.uint8)
    elif order == "address":
        raise OSError(f"cannot identify image file {object()}")
    elif order == "media error":
        raise MediaError("the file is empty", where="a.jpg", hint="copy it again")
    elif order == "count":
        yield from range(number)
    elif order == "process":
        yield os.getpid()
    elif order == "process then sleep":
        yield os.getpid()
        time.sleep(3600)
    elif order == "pictures":
        for value in range(number):
            yield np.full((300, 400, 3), value % 256, np.uint8)
    else:
        yield number


def losses(content: bytes) -> Iterator[str | None]:
    """What is lost of a photo at full and at reduced size."""
    from detector.base.pictures import decode_picture

    for side in (None, 40):
        yield decode_picture(content, min_side=side).warning


def loaded_modules(_: str) -> Iterator[list[str]]:
    """The modules of a process that is asked for the first time, and of one that has all it needs to read footage."""
    yield sorted(sys.modules)
    import detector.footage.appearance
    import detector.footage.light
    import detector.footage.motion
    import detector.footage.photos
    import detector.footage.video  # noqa: F401

    yield sorted(sys.modules)
