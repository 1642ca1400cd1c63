"""Fuzzing: valid files, damaged at random, and the one property that holds at every boundary.

What comes of a damaged file is a right result or a HoopoeError that says what is wrong, where, and what to do; never
another exception, never a hang, never memory or disk by a claim of the file, never a file outside its folder.
"""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backbones.errors import HoopoeError

HANG_S = 60  # of processor time: a guard, not a measure; a reading takes milliseconds
MOST_MEMORY = 1 << 30  # bytes that one reading may add to what the process has had
NUMBERS = (
    "0", "-1", "1", "0.0", "-0.0", "2", "127", "128", "255", "256", "65535", "65536", "2147483647", "2147483648",
    "4294967296", "9007199254740993", "9223372036854775807", "9223372036854775808", "1e308", "1e309", "-1e400", "NaN",
    "nan", "Infinity", "-inf", "1e-400", "0x10", "1_000", "1,5", "٣", "9" * 30, "9" * 5000, "0.1", "null", "true", '""',
)  # fmt: skip
WORDS = (
    b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xc0\x80", b"\xed\xa0\x80", b"\n", b"\r", b"\r\n", b'"', b"'", b",",
    b";", b"\t", b"{", b"}", b"[", b"]", b":", b"/", b"\\", b"../", b"../../etc/passwd", b"/dev/zero", b"C:\\", b"%s",
    b"{}", b"<", b">", b"&", b"\xe2\x80\xae", b"\xf0\x9f\x90\xa6", b"A" * 300, b"a/" * 200, b"[" * 2000,
    b'{"a":' * 500, b"\x7f", b"\x1a", b"=1+1", b"#",
)  # fmt: skip


@dataclass(frozen=True)
class Boundary:
    """A place where a file comes in.

    Attributes:
        name: For the tests' names and the figures.
        file: The name of the file, under the folder that `make` fills.
        make: Fills an empty folder with all that a reading needs, and returns valid contents of the file.
        read: Reads the file in the folder as the program does; checks what comes out, where there is more to say.
        words: Pieces of its language, beside the general ones.
        examples: How many damaged files the tests draw each time.
    """

    name: str
    file: str
    make: Callable[[Path], Sequence[bytes]]
    read: Callable[[Path], object]
    words: tuple[bytes, ...] = ()
    examples: int = 70


def damaged(contents: Sequence[bytes], words: tuple[bytes, ...], rng: random.Random) -> bytes:
    """A valid content with one to six faults."""
    data = bytearray(rng.choice(contents))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        rng.choice(FAULTS)(data, rng, contents, words)
    return bytes(data)


def _span(data: bytearray, rng: random.Random) -> slice:
    start = rng.randrange(len(data) + 1)
    return slice(start, start + min(rng.choice((1, 1, 2, 4, 8, 64, 1024)), len(data) - start))


def _flip(data: bytearray, rng: random.Random, *_: object) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: random.Random, *_: object) -> None:
    span = _span(data, rng)
    data[span] = rng.randbytes(span.stop - span.start)


def _remove(data: bytearray, rng: random.Random, *_: object) -> None:
    del data[_span(data, rng)]


def _truncate(data: bytearray, rng: random.Random, *_: object) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _repeat(data: bytearray, rng: random.Random, *_: object) -> None:
    span = _span(data, rng)
    data[span.stop : span.stop] = data[span] * rng.choice((1, 1, 2, 50))


def _move(data: bytearray, rng: random.Random, *_: object) -> None:
    span = _span(data, rng)
    piece = data[span]
    del data[span]
    place = rng.randrange(len(data) + 1)
    data[place:place] = piece


def _insert(
    data: bytearray, rng: random.Random, _contents: Sequence[bytes], words: tuple[bytes, ...], *, over: bool = False
) -> None:
    word = rng.choice(words if words and rng.random() < 0.6 else WORDS)
    place = rng.randrange(len(data) + 1)
    data[place : place + (len(word) if over else 0)] = word


def _insert_over(data: bytearray, rng: random.Random, contents: Sequence[bytes], words: tuple[bytes, ...]) -> None:
    _insert(data, rng, contents, words, over=True)


def _number(data: bytearray, rng: random.Random, *_: object) -> None:
    found = list(re.finditer(rb"-?[0-9][0-9.]*", data[:200_000]))
    if found:
        place = rng.choice(found)
        data[place.start() : place.end()] = rng.choice(NUMBERS).encode()


def _string(data: bytearray, rng: random.Random, *_: object) -> None:
    found = list(re.finditer(rb'"[^"\n]{0,200}"|[A-Za-z_]{2,40}', data[:200_000]))
    if len(found) > 1:
        place, other = rng.sample(found, 2)
        data[place.start() : place.end()] = other.group() if rng.random() < 0.5 else rng.choice(NUMBERS).encode()


def _splice(data: bytearray, rng: random.Random, contents: Sequence[bytes], *_: object) -> None:
    other = rng.choice(contents)
    place = rng.randrange(len(data) + 1)
    data[place:] = other[rng.randrange(len(other) + 1) :]


def _encode(data: bytearray, rng: random.Random, *_: object) -> None:
    text = data.decode("utf-8", "replace")
    data[:] = text.encode(rng.choice(("utf-16", "utf-16-le", "cp1252", "latin-1", "utf-8-sig", "utf-32")), "replace")


FAULTS: tuple[Callable[..., None], ...] = (
    _flip, _flip, _overwrite, _remove, _remove, _truncate, _repeat, _move, _insert, _insert_over, _number, _number,
    _number, _string, _string, _splice, _encode,
)  # fmt: skip


def check(boundary: Boundary, folder: Path, data: bytes) -> bool:
    """Read a content at a boundary.

    Args:
        boundary: Where.
        folder: As `boundary.make` has filled it.
        data: The content.

    Returns:
        Whether it was taken; False: it was refused.

    Raises:
        AssertionError: It was neither taken nor refused as it should be.
    """
    (folder / boundary.file).write_bytes(data)
    before, memory = _listing(folder.parent), _peak_memory()
    refusal: HoopoeError | None = None
    try:
        with _limited_time():
            boundary.read(folder)
    except HoopoeError as error:
        refusal = error
    if refusal is not None:
        assert refusal.problem.strip(), "an error says what is wrong"
        assert refusal.where is not None, f"{refusal}: an error says where"
        assert refusal.hint is not None, f"{refusal}: an error says what to do"
        assert len(str(refusal)) < 10_000, "an error is read by people"
    assert _peak_memory() - memory < MOST_MEMORY, "memory by a claim of the file"
    assert _listing(folder.parent) == before, "a file was made or removed"
    return refusal is None


def search(boundaries: Sequence[Boundary], folder: Path, seconds: float, seed: int, keep: Path) -> Iterator[str]:
    """Damage files at random for so long, a boundary after the other.

    Args:
        boundaries: Which.
        folder: An empty folder to work in.
        seconds: Of processor time.
        seed: Of what is drawn.
        keep: Where contents that come to a bad end are left, to be looked at.

    Yields:
        A line for each bad end.
    """
    rng, end = random.Random(seed), time.process_time() + seconds
    made = {}
    for boundary in boundaries:
        place = folder / boundary.name / "in"
        place.mkdir(parents=True)
        made[boundary.name] = place, boundary.make(place)
    counts = {boundary.name: [0, 0] for boundary in boundaries}
    seen: set[str] = set()
    while time.process_time() < end:
        for boundary in boundaries:
            place, contents = made[boundary.name]
            slot = time.process_time() + max(0.2, seconds / len(boundaries) / 50)
            while time.process_time() < slot:
                data = damaged(contents, boundary.words, rng)
                counts[boundary.name][0] += 1
                try:
                    counts[boundary.name][1] += check(boundary, place, data)
                except Exception as error:
                    said = f"{boundary.name}: {type(error).__name__}: {str(error)[:300]} at {_place(error)}"
                    if f"{type(error).__name__} {_place(error)}" in seen:
                        continue
                    seen.add(f"{type(error).__name__} {_place(error)}")
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{boundary.name}-{len(seen)}").write_bytes(data)
                    yield said
    for name, (inputs, taken) in counts.items():
        print(f"{name}: {inputs} inputs, {taken} taken, {inputs - taken} refused or bad")


def _place(error: BaseException) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return "" if place is None else f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}"


class _HangError(BaseException):
    """Not an Exception, so that nobody takes it for damage."""


@contextmanager
def _limited_time() -> Iterator[None]:
    def hang(*_: object) -> None:
        raise _HangError

    before = signal.signal(signal.SIGPROF, hang)
    signal.setitimer(signal.ITIMER_PROF, HANG_S)
    try:
        yield
    except _HangError:
        raise AssertionError("it hangs") from None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _listing(folder: Path) -> list[str]:
    return sorted(os.path.join(root, name) for root, _, names in os.walk(folder) for name in names)


def _peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
