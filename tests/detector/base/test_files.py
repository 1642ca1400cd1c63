"""Files are written whole or not at all, and read only if they are files."""

import os
import sys
from pathlib import Path

import pytest

from backbones.errors import CheckpointError, DataError, HoopoeError
from detector.base.files import (
    atomic_path,
    atomic_write,
    open_regular,
    read_bytes,
    read_text,
    regular_size,
    write_bytes,
)

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="FIFOs and folders that can be synced are POSIX's")


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    write_bytes(tmp_path / "new" / "empty", b"")
    assert read_bytes(tmp_path / "new" / "empty") == b""


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_bytes(path, b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(path, "w") as file:
        file.write("half" + str(1 / 0))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@POSIX
def test_what_is_renamed_is_on_the_disk_before_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut leaves the old file or the new one: first the content is synced, then renamed, then the folder."""
    steps = []
    synced, renamed = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (steps.append(os.fstat(file).st_ino), synced(file))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append("rename"), renamed(a, b))[1])
    write_bytes(tmp_path / "last.pt", b"weights")
    assert steps == [(tmp_path / "last.pt").stat().st_ino, "rename", tmp_path.stat().st_ino]


def test_two_writers_of_one_process_do_not_meet(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as first, atomic_path(tmp_path / "a") as second:
        first.write_text("first")
        second.write_text("second")
    assert read_text(tmp_path / "a") == "first"  # that was done last


def test_the_longest_name_of_a_file_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ß" * 120 + ".json")
    write_bytes(path, b"{}")
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_or_pipe_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(HoopoeError, match="folder of this name"):
        write_bytes(tmp_path, b"")
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(HoopoeError, match="device or pipe of this name"):
            write_bytes(tmp_path / "pipe", b"")


@POSIX
@pytest.mark.parametrize("read", [read_bytes, read_text, open_regular, regular_size])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, read) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, said in ((tmp_path / "pipe", "pipe"), (Path("/dev/zero"), "device"), (tmp_path, "folder")):
        with pytest.raises(DataError, match=said):
            read(path)
    for path in (tmp_path / "none", tmp_path / "a\0b", tmp_path / ("n" * 300)):
        with pytest.raises(CheckpointError):
            read(path, error=CheckpointError)


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DataError, match="more than the 1,000 that are read"):
        read_bytes(path, max_bytes=1000, what="table")


def test_text_is_utf_8_with_or_without_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "text"
    for mark in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(mark + "דוכיפת".encode())
        assert read_text(path) == "דוכיפת"
    path.write_bytes(b"ab\xff")
    with pytest.raises(DataError, match="byte 2"):
        read_text(path)
