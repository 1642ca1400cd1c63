"""Annotations and pictures in object storage: a run trains on copies, which its machine keeps for the next run."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from backbones.errors import ConfigError, DataError, DiskFullError
from detector.base.files import atomic_path
from detector.base.json_text import parse_json
from detector.base.objects.address import Address, Place
from detector.base.objects.fetching import fetch
from detector.base.objects.listing import list_objects
from detector.base.objects.service import find
from detector.base.reporting import task
from detector.training.data import Sources

Given = Sequence[tuple[Place, Place]]  # annotations and images, on a disk or among objects
FOLDER = "objects"  # beside the runs' folders
AT_ONCE = 16  # pictures on their way


def sources_here(given: Given, folder: Path) -> Sources:
    """Pairs of annotations and image folder on this machine; what lies among objects is copied first.

    Copies of pictures are kept: a later run fetches those alone that are not there, or have another size. One process
    of a machine fetches at a time, so that the others find what it has fetched.

    Args:
        given: Pairs as they were given.
        folder: Where copies are kept.

    Raises:
        DataError: There is no such object.
        DiskFullError: There is no room for the copies.
        AccessError, ServiceError: See `detector.base.objects.service.asking`.
    """
    return [_pair_here(annotations, images, folder) for annotations, images in given]


def place_in(folder: Path, address: Address) -> Path:
    """Where the copy of an object, or of all under an address, is.

    Raises:
        ConfigError: The key is no safe path.
    """
    if address.key and not _is_safe(address.key):
        hint = "copy what is there to this machine, and give the copy's path"
        raise ConfigError("the key of this address is no path", where=address, hint=hint)
    return folder / address.protocol / address.bucket / address.key


def address_of(path: str, folder: Path) -> str:
    """What a path was given as: the address, where it is a copy's."""
    with contextlib.suppress(ValueError):
        protocol, bucket, *key = Path(path).relative_to(os.path.abspath(folder)).parts
        return str(Address(protocol, bucket, "/".join(key)))
    return path


def _pair_here(annotations: Place, images: Place, folder: Path) -> tuple[Path, Path]:
    if not isinstance(annotations, Address) and not isinstance(images, Address):
        return annotations, images
    with _one_at_a_time(folder):
        is_first = not int(os.environ.get("LOCAL_RANK", "0"))
        if isinstance(annotations, Address):
            path = place_in(folder, annotations)
            if is_first or not path.exists():
                _fetch_annotations(annotations, path)
        else:
            path = annotations
        if not isinstance(images, Address):
            return path, images
        root, names = place_in(folder, images), _file_names(path)
        if is_first or not all((root / name).is_file() for name in names):
            _fetch_pictures(images, root, names)
        return path, root


def _fetch_annotations(address: Address, path: Path) -> None:
    found = find(address)
    if found is None:
        hint = "check the address: that of one COCO file"
        raise DataError("there is no such object", where=address, hint=hint)
    with atomic_path(path) as unfinished:
        fetch(address, unfinished, found.size_bytes)


def _fetch_pictures(images: Address, root: Path, names: Sequence[str]) -> None:
    """Copy those of the pictures that are not there yet; those that are not among the objects are missed when read."""
    wanted = {f"{images.key}/{name}" if images.key else name: root / name for name in names}
    sizes = {info.key: info.size_bytes for info in list_objects(images) if info.key in wanted}
    if not sizes:
        hint = "check the address: file_name of the annotations is looked for under it"
        raise DataError(f"none of {len(wanted)} pictures is there", where=images, hint=hint)
    missing = [key for key, size in sizes.items() if not _has_size(wanted[key], size)]
    root.mkdir(parents=True, exist_ok=True)
    needed, free = sum(sizes[key] for key in missing), shutil.disk_usage(root).free
    if needed > free:
        problem = f"there is no room for copies of {len(missing)} pictures: {needed:,} bytes, {free:,} are free"
        raise DiskFullError(problem, where=root, hint="let --cache name a folder with more room")

    def copy(key: str) -> None:
        with atomic_path(wanted[key], durable=False) as unfinished:
            fetch(Address(images.protocol, images.bucket, key), unfinished, sizes[key])

    with task("fetching pictures", len(missing), "pictures") as progress, ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for _ in pool.map(copy, missing):
                progress.advance()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _file_names(annotations: Path) -> list[str]:
    """The pictures that a COCO file names, but for names that lead elsewhere, of which its reader tells."""
    content = parse_json(annotations)
    images = content.get("images") if isinstance(content, dict) else None
    names = [each.get("file_name") for each in images if isinstance(each, dict)] if isinstance(images, list) else []
    return [name for name in names if isinstance(name, str) and _is_safe(name)]


def _is_safe(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "/".join(parts) == name


def _has_size(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process of this machine fetches into a folder; elsewhere than on Windows."""
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with (folder / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
