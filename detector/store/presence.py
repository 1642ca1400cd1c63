"""Whether a card is at its root: told by all the names and sizes that the store knows of it, and by some content.

Cards go through one reader, cameras begin anew at IMG_0001, disks change their letters, and a mount point whose share
is away is an empty folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from backbones.errors import MediaError
from detector.base.content_hash import content_hash
from detector.base.names import name_key
from detector.base.objects.address import Address, Place, place_of
from detector.base.objects.errors import AccessError, ObjectMissingError
from detector.base.objects.listing import list_level
from detector.base.objects.service import read_object
from detector.store.layout import facts_folder, parts
from detector.store.reader import open_facts

SAMPLED = 16  # files whose content is compared: a megabyte or two each, so that a slow disk takes a second
_GLANCED = 8  # files that are searched for before all are
_CHUNK = 65_536  # files at a time
_FOLDERS_KEPT = 8
_COLUMNS = ("card", "path", "size_bytes", "content_hash")

Known: TypeAlias = pa.Table  # a row a file: path, size_bytes, content_hash


@dataclass(frozen=True)
class Presence:
    """What lies at a card's root.

    Attributes:
        state: here; gone: the root is not there, or none of the known files are; other: another card's files are.
        known: Files that the store knows of the card.
        there: Those of them that are there, whatever their content.
        changed: Those that are there with another size.
    """

    state: Literal["here", "gone", "other"]
    known: int
    there: int
    changed: tuple[str, ...] = ()


def known_files(folder: Path, cards: Collection[str]) -> dict[str, Known]:
    """The files that a store knows of cards, by path; those of size 0 never were there.

    Raises:
        DataError: A part of the facts is damaged.
    """
    found: dict[str, list[pa.Table]] = {card: [] for card in cards}
    wanted = pa.array(list(cards), pa.string())
    for part in parts(facts_folder(folder)) if cards else ():
        with open_facts(part) as file:
            table = file.read(list(_COLUMNS)).combine_chunks()
        table = table.filter(pc.and_(pc.is_in(table["card"], wanted), pc.greater(table["size_bytes"], 0)))
        for card in pc.unique(table["card"]).to_pylist():
            files = table.filter(pc.equal(table["card"], card)).drop_columns(["card"])
            found[card].append(files.group_by("path").aggregate([("size_bytes", "min"), ("content_hash", "min")]))
    names = ["path", "size_bytes", "content_hash"]
    empty = pa.table({"path": pa.array([], pa.string()), "size_bytes": pa.array([], pa.int64())}).append_column(
        "content_hash", pa.array([], pa.string())
    )
    return {
        card: pa.concat_tables([each.rename_columns(names) for each in tables]).sort_by("path") if tables else empty
        for card, tables in found.items()
    }


def is_there(file: Place) -> bool:
    """Whether there is such a file now."""
    try:
        return file.is_file()
    except OSError:  # a network drive that does not answer, or a name longer than can be
        return False


def can_be_judged(file: Place) -> bool:
    """Whether it is a file's own fault that it cannot be read: it is there, or its service says that it is not.

    A file that is away with its card, and an object that may not be had, cannot be judged.

    Raises:
        ServiceError: Nobody knows; see `asking`.
    """
    if not isinstance(file, Address):
        return is_there(file)
    try:
        read_object(file, 0, 1)  # it may be listed, and yet not be read
    except ObjectMissingError:
        return True
    except AccessError:
        return False
    return True


def look_for_cards(folder: Path, roots: Mapping[str, Place | str]) -> dict[str, Presence]:
    """What lies at the roots of cards.

    Args:
        folder: The store.
        roots: Card id to the folder where it is said to be.

    Raises:
        DataError: A part of the facts is damaged.
    """
    files = known_files(folder, roots)
    return {card: look_for(files[card], place_of(root)) for card, root in roots.items()}


def absent_cards(folder: Path, roots: Mapping[str, Place | str]) -> dict[str, str]:
    """Why each card is absent that is not at its root; see `look_for_cards`."""
    reasons = {}
    for card, presence in look_for_cards(folder, roots).items():
        if presence.state == "other":
            reasons[card] = "another card lies there now"
        elif presence.state == "gone":
            there = place_of(roots[card]).is_dir()
            reasons[card] = "none of its files are there now" if there else "there is no such folder now"
    return reasons


def look_for(files: Known, root: Place) -> Presence:
    """What lies at a root where these files are said to be.

    Nobody takes a bucket out of its slot and puts another in: objects are there if any is under the address.
    """
    if isinstance(root, Address):
        is_here = root.is_dir()
        return Presence("here" if is_here else "gone", len(files), len(files) if is_here else 0)
    if not root.is_dir():
        return Presence("gone", len(files), 0)
    size_of = sizes_under(root)
    there, same, changed = 0, 0, []
    sample: list[tuple[str, str]] = []
    every = max(1, len(files) // SAMPLED)
    for path, size, digest in _rows(files):
        found = size_of(path)
        if found is None:
            continue
        there += 1
        if found != size:
            changed.append(path)
            continue
        if digest and (same % every == 0 or len(sample) < 2):
            sample.append((path, digest))
        same += 1
    if len(files) and not there:
        return Presence("gone", len(files), 0)
    other = len(changed) > same or _content_differs(root, sample)
    return Presence("other" if other else "here", len(files), there, tuple(changed))


def has_moved_to(files: Known, root: Path) -> bool:
    """Whether these files lie at another root now, most of them and with the same content."""
    step = max(1, len(files) // _GLANCED)
    glance = files.take(list(range(0, len(files), step))) if len(files) else files
    size_of = sizes_under(root)
    if files["content_hash"].null_count == len(files) or 2 * sum(
        size_of(path) == size for path, size, _ in _rows(glance)
    ) < len(glance):
        return False
    found = look_for(files, root)
    return found.state == "here" and 2 * (found.there - len(found.changed)) > found.known


def _rows(files: Known) -> Iterator[tuple[str, int, str | None]]:
    for start in range(0, len(files), _CHUNK):
        chunk = files.slice(start, _CHUNK)
        yield from zip(*(chunk[name].to_pylist() for name in ("path", "size_bytes", "content_hash")), strict=True)


def sizes_under(root: Place) -> Callable[[str], int | None]:
    """Path -> bytes of the file there, in whatever Unicode form the disk spells it; None: there is none."""

    @lru_cache(maxsize=_FOLDERS_KEPT)
    def listing(folder: str) -> dict[str, int]:
        if isinstance(root, Address):
            found = list_level(root / folder if folder else root)
            return {name_key(info.key.rpartition("/")[2]): info.size_bytes for info in found}
        try:
            with os.scandir(root / folder) as scan:  # on Windows the listing holds the sizes
                return {name_key(entry.name): entry.stat().st_size for entry in scan if _is_file(entry)}
        except OSError:
            return {}

    def size_of(path: str) -> int | None:
        folder, _, name = path.rpartition("/")
        return listing(folder).get(name_key(name))

    return size_of


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _content_differs(root: Path, sample: list[tuple[str, str]]) -> bool:
    differs = compared = 0
    for path, digest in sample[:: max(1, len(sample) // SAMPLED)]:
        try:
            differs += content_hash(root / path) != digest
        except MediaError:  # it cannot be read now, which says nothing
            continue
        compared += 1
    return 2 * differs > compared
