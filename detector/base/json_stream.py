"""JSON files of any size, member by member and element by element, in the memory that one element takes.

A regular expression finds where a value ends, at the speed of C; what is in it, msgspec says afterwards. So records
that are not JSON fail where they are decoded, and Python's NaN, which other incremental readers refuse, passes.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from detector.base.json_text import JsonError

CHUNK_BYTES = 4 << 20
MOST_BYTES = 512 << 20  # of one element: a video of a hundred hours
_DEEPEST = 12  # lists and objects in each other within an element; a box is at the third level

EMPTY_LIST = b"[]"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'


def _nested(levels: int) -> bytes:
    """What is between brackets, which hold brackets to so many levels."""
    inner = _nested(levels - 1) if levels else rb"(?!)"
    return rb'[\[{](?:[^"\[\]{}]++|' + _STRING + rb"|" + inner + rb")*+[\]}]"


_SPACE = re.compile(rb"[ \t\r\n]*+")
_VALUE = re.compile(_STRING + rb"|" + _nested(_DEEPEST) + rb'|[^\s,:"\[\]{}]++', re.DOTALL)


@dataclass(frozen=True)
class Member:
    """A member of an object, or an element of a list that is one.

    Attributes:
        name: Of the member.
        value: Its JSON.
        index: Of the element in the list; None: the member is no list that is read by its elements.
    """

    name: str
    value: bytes
    index: int | None = None


def members(file: BinaryIO, lists: Collection[str]) -> Iterator[Member]:
    """The members of the object that a file holds, in their order.

    Args:
        file: At its beginning; UTF-8 or UTF-16, packed by gzip or not.
        lists: Names of members whose elements come one by one, where they are lists; empty ones as a whole.

    Raises:
        JsonError: It is no JSON object, or is cut off. Values may still be no JSON.
    """
    try:
        yield from _members(_Text(file), lists)
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise JsonError(f"it cannot be unpacked or decoded ({error})", is_json=False) from error


def _members(text: _Text, lists: Collection[str]) -> Iterator[Member]:
    text.expect(b"{")
    if text.skip(b"}"):
        return text.expect_end()
    while True:
        name = _name_of(text.value())
        text.expect(b":")
        if name in lists and text.skip(b"["):
            member = Member(name, EMPTY_LIST)
            for index, value in enumerate(text.elements()):
                yield (member := Member(name, value, index))
            if member.index is None:
                yield member
        else:
            yield Member(name, text.value())
        if text.skip(b"}"):
            return text.expect_end()
        text.expect(b",")


def _name_of(value: bytes) -> str:
    if not value.startswith(b'"'):
        raise JsonError(f"a name is expected, not {value[:20]!r}", is_json=False)
    return value[1:-1].decode(errors="replace")


class _Text:
    """What is read of a file, and how far it is understood."""

    def __init__(self, file: BinaryIO) -> None:
        self._read = _reader(file)
        self._held = b""
        self._place = 0
        self._passed = 0  # bytes before those held
        self._ended = False

    def _more(self) -> bool:
        """Whether there was more to read: at least as much as is held, so that long values are not scanned often."""
        rest = self._held[self._place :]
        if len(rest) > MOST_BYTES:
            raise self._fault("a value that does not end")
        chunk = b"" if self._ended else self._read(max(CHUNK_BYTES, len(rest)))
        self._ended = not chunk
        self._passed += self._place
        self._held, self._place = rest + chunk, 0
        return bool(chunk)

    def _next(self) -> bytes:
        """The next sign that is no space, which stays; empty at the end."""
        while True:
            match = _SPACE.match(self._held, self._place)
            self._place = match.end() if match else self._place
            if self._place < len(self._held):
                return self._held[self._place : self._place + 1]
            if not self._more():
                return b""

    def skip(self, sign: bytes) -> bool:
        """Pass over a sign if it comes next; whether it did."""
        found = self._next() == sign
        self._place += found
        return found

    def expect(self, sign: bytes) -> None:
        """Pass over a sign that must come next."""
        if not self.skip(sign):
            raise self._fault(f"'{sign.decode()}' is expected")

    def expect_end(self) -> None:
        """Nothing but space may come."""
        if self._next():
            raise self._fault("its end is expected")

    def value(self) -> bytes:
        """The next value."""
        self._next()
        while True:
            match = _VALUE.match(self._held, self._place)
            # what ends where the chunk ends may go on: a number does
            if match and (match.end() < len(self._held) or self._ended):
                self._place = match.end()
                return match[0]
            if not self._more():
                if match is None:
                    raise self._fault("it is cut off, or holds what is no value")
                self._ended = True

    def elements(self) -> Iterator[bytes]:
        """The elements of a list that has just begun, past its end."""
        if self.skip(b"]"):
            return
        while True:
            yield self.value()
            if self.skip(b"]"):
                return
            self.expect(b",")

    def _fault(self, problem: str) -> JsonError:
        return JsonError(f"{problem} at byte {self._passed + self._place:,}", is_json=False)


def _reader(file: BinaryIO) -> Callable[[int], bytes]:
    """What reads so many bytes of a file as UTF-8, without a byte order mark, unpacked."""
    buffered = io.BufferedReader(file) if isinstance(file, io.RawIOBase) else file
    head = buffered.read(2)
    whole: Any = _Joined(head, buffered)
    if head == b"\x1f\x8b":
        unpacked: Any = gzip.GzipFile(fileobj=whole)
        return _reader(unpacked)
    if head in (b"\xff\xfe", b"\xfe\xff"):  # as PowerShell writes
        text = io.TextIOWrapper(whole, "utf-16", newline="")
        return lambda count: text.read(count).encode()
    if head == b"\xef\xbb":
        buffered.read(1)  # the last byte of the mark of Windows' editors
        return buffered.read
    return whole.read


class _Joined(io.RawIOBase):
    """A file whose first bytes were read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        content = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(content) :] if self._head else b""
        buffer[: len(content)] = content
        return len(content)
