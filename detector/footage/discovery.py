"""Finding the photos and videos of a card: in the same order on every system, each file once."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from backbones.errors import MediaError
from detector.base.names import name_key
from detector.base.pictures import HEIC_MEND, PHOTO_SUFFIXES, can_read_heic, is_heic
from detector.base.times import time_of_disk
from detector.types import MediaItem, MediaType
from detector.types.media import VIDEO_SUFFIXES

SYSTEM_FOLDERS = frozenset(  # recycle bins, thumbnails and indices, in lower case; dot files are skipped as well
    {"$recycle.bin", "system volume information", "lost+found", "@eadir", "#recycle", "@recycle", "__macosx"}
)
_HIDDEN_ON_WINDOWS = stat.FILE_ATTRIBUTE_HIDDEN | stat.FILE_ATTRIBUTE_SYSTEM

Report = Callable[[MediaError], None]
PassOver = Callable[[str], None]


def media_type(name: str) -> MediaType | None:
    """Whether a file name's extension, in any case, is that of a photo or a video; None: neither."""
    extension = os.path.splitext(name)[1].lower()
    if extension in PHOTO_SUFFIXES:
        return "photo"
    return "video" if extension in VIDEO_SUFFIXES else None


def log_problem(error: MediaError) -> None:
    """What `find_media` does with a folder or file that it cannot list, unless told otherwise: write it to the log."""
    logging.getLogger(__name__).warning("%s", error)


def find_media(
    root: Path,
    card: str,
    *,
    inputs: Collection[str] = (),
    excluded: Collection[str] = (),
    report: Report = log_problem,
    pass_over: PassOver = lambda _: None,
) -> Iterator[MediaItem]:
    """List the photos and videos under a folder, sorted by the parts of their paths (code points).

    Hidden files and those of the system are skipped. Links to folders outside the root are followed, each folder once;
    links to what lies inside it, or above it, are not: it is listed where it is.

    Args:
        root: The card's folder, or a single file, whose folder then is the root.
        card: The card's id.
        inputs: Files or folders under the root to list, with forward slashes; empty: all.
        excluded: Folders under the root to leave out, with forward slashes.
        report: Called with each folder or file that cannot be listed; the others are listed nevertheless.
        pass_over: Called for each file that is neither, with its suffix and, where something can be done, with that.

    Raises:
        MediaError: If the root does not exist.
    """
    if not root.exists():
        raise MediaError("there is no such file or folder", where=root, hint="check the path, and that the disk is in")
    if not root.is_dir():
        root, inputs = root.parent, (root.name,)
    walk = _Walk(os.path.abspath(root), card, frozenset(excluded), report, pass_over)
    if not inputs:
        yield from walk.folder(walk.root, "")
    for under in _outermost(inputs):
        yield from walk.at(under)


def _outermost(inputs: Collection[str]) -> list[str]:
    """The inputs, sorted, without those that lie inside another."""
    kept: list[str] = []
    for under in sorted({under.strip("/") for under in inputs}, key=lambda under: under.split("/")):
        if not (kept and (under == kept[-1] or under.startswith(f"{kept[-1]}/"))):
            kept.append(under)
    return kept


@dataclass
class _Walk:
    root: str
    card: str
    excluded: frozenset[str]
    report: Report
    pass_over: PassOver
    seen: set[str] = field(default_factory=set)  # real paths of the folders outside the root that links led to

    def __post_init__(self) -> None:
        self.real_root = os.path.realpath(self.root)

    def at(self, under: str) -> Iterator[MediaItem]:
        path = os.path.join(self.root, *under.split("/"))
        if os.path.isdir(path):
            yield from self.folder(path, f"{under}/")
        elif kind := media_type(path):
            yield from self.file(path, under, kind, lambda: os.stat(path))
        else:
            self.problem(path, "this is neither a photo nor a video", "leave it out")

    def folder(self, folder: str, prefix: str) -> Iterator[MediaItem]:
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            hint = "check its permissions and the disk, and run again"
            return self.problem(folder, f"the folder cannot be listed ({error.strerror})", hint)
        names: set[str] = set()
        for entry in entries:
            key = name_key(entry.name)
            if key in names:
                problem = "another file or folder here has the same name in another Unicode form"
                self.problem(entry.path, problem, "rename one of them")
            else:
                names.add(key)
                yield from self.entry(entry, prefix + entry.name)

    def entry(self, entry: os.DirEntry[str], path: str) -> Iterator[MediaItem]:
        if entry.name.startswith(".") or entry.name.lower() in SYSTEM_FOLDERS:
            return
        try:
            if entry.is_dir():
                if path not in self.excluded and self.enters(entry):
                    yield from self.folder(entry.path, f"{path}/")
            elif kind := media_type(entry.name):
                if entry.is_file():
                    yield from self.file(entry.path, path, kind, entry.stat)
                elif entry.is_symlink():
                    self.problem(entry.path, "the link leads nowhere", "mend or remove it")
                else:
                    self.problem(entry.path, "this is a device or pipe, not a file", "leave it out")
            elif entry.is_file():
                self.pass_over(os.path.splitext(entry.name)[1].lower() or "without a suffix")
        except OSError as error:
            self.problem(entry.path, f"it cannot be read ({error.strerror})", "check its permissions and the disk")

    def enters(self, entry: os.DirEntry[str]) -> bool:
        if _is_hidden_on_windows(entry.stat(follow_symlinks=False)):
            return False
        if not entry.is_symlink():
            return True
        real = os.path.realpath(entry.path)
        if _is_inside(real, self.real_root) or _is_inside(self.real_root, real) or real in self.seen:
            return False
        self.seen.add(real)
        return True

    def file(
        self, file: str, path: str, kind: MediaType, stat_file: Callable[[], os.stat_result]
    ) -> Iterator[MediaItem]:
        try:
            path.encode()
        except UnicodeEncodeError:  # bytes that are no UTF-8 could not be written into any table
            return self.problem(ascii(file), "the name is not valid Unicode", "rename the file or its folder")
        status = stat_file()
        if _is_hidden_on_windows(status):
            return
        if not can_read_heic() and is_heic(Path(file)):  # whatever its name: cameras and phones write JPEG as .heic
            self.pass_over(f"{os.path.splitext(file)[1].lower()} ({HEIC_MEND})")
        else:
            yield MediaItem(self.card, path, kind, status.st_size, Path(file), time_of_disk(status.st_mtime))

    def problem(self, where: str, problem: str, hint: str) -> None:
        self.report(MediaError(problem, where=where, hint=hint))


def _is_hidden_on_windows(status: os.stat_result) -> bool:
    return bool(getattr(status, "st_file_attributes", 0) & _HIDDEN_ON_WINDOWS)


def _is_inside(path: str, folder: str) -> bool:
    """Whether a real path is a folder or lies inside it."""
    return os.path.normcase(path) == os.path.normcase(folder) or os.path.normcase(path).startswith(
        os.path.join(os.path.normcase(folder), "")
    )
