"""JSON from other tools: regular files, in UTF-8 or UTF-16, decoded with every fault as one error in words."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import msgspec

from backbones.errors import DataError
from detector.base.files import read_bytes

JSON_FAULTS = (msgspec.DecodeError, UnicodeError, RecursionError)  # what msgspec raises, also for too deep nesting
_STRING_OR_HUGE = re.compile(rb'"(?:[^"\\]|\\.)*+"|-?\d+(?:\.\d+)?[eE]\+?\d{3,}', re.DOTALL)
_WHOLE = "is the file whole? Export or copy it again"


class JsonError(ValueError):
    """Bytes that are not JSON, or not of the form that is needed.

    Attributes:
        is_json: Whether they are JSON all the same.
    """

    def __init__(self, problem: str, *, is_json: bool) -> None:
        super().__init__(problem)
        self.is_json = is_json


def read_json_bytes(path: Path, what: str = "JSON file") -> bytes:
    """The bytes of a JSON file as UTF-8, without a byte order mark.

    Raises:
        DataError: It is no file, or says that it is UTF-16 and is not.
    """
    data = read_bytes(path, what=what)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # as PowerShell writes
        try:
            return data.decode("utf-16").encode()
        except UnicodeError as error:
            raise DataError(f"not JSON: {error}", where=path, hint=_WHOLE) from error
    return data.removeprefix(b"\xef\xbb\xbf")  # the mark of Windows' editors


def nan_as_null(data: bytes) -> bytes:
    """JSON with Python's NaN, Infinity and -Infinity, which no standard knows, replaced by null outside strings."""
    if b"NaN" not in data and b"Infinity" not in data:
        return data
    string_or_word = re.compile(rb'"(?:[^"\\]|\\.)*+"|-?(?:NaN|Infinity)', re.DOTALL)
    return string_or_word.sub(lambda match: match[0] if match[0].startswith(b'"') else b"null", data)


def infinite_as_null(data: bytes) -> bytes:
    """JSON with numbers that no float holds (`1e999`), which msgspec refuses, replaced by null outside strings."""
    return _STRING_OR_HUGE.sub(_null_if_infinite, data)


def _null_if_infinite(match: re.Match[bytes]) -> bytes:
    return match[0] if match[0].startswith(b'"') or math.isfinite(float(match[0])) else b"null"


def decode_json(data: bytes | msgspec.Raw, kind: Any = Any) -> Any:
    """The value of a JSON text, of this type.

    Raises:
        JsonError: It is not JSON, nested too deep, not UTF-8, or not of this type.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise JsonError(str(error), is_json=True) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise JsonError(str(error), is_json=False) from error
    except RecursionError as error:
        raise JsonError("it is nested too deep", is_json=False) from error


def parse_json(path: Path, kind: Any = Any, what: str = "JSON file", hint: str = _WHOLE) -> Any:
    """The value in a JSON file.

    Raises:
        DataError: It cannot be used; see `read_json_bytes` and `decode_json`.
    """
    try:
        return decode_json(nan_as_null(read_json_bytes(path, what)), kind)
    except JsonError as error:
        problem = f"this is no {what}: {error}" if error.is_json else f"not JSON: {error}"
        raise DataError(problem, where=path, hint=hint) from error
