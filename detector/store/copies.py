"""Stores among objects: worked on in a temporary folder, from which whole files are put as they are finished.

A store's files are written whole and renamed on a disk, and put whole among objects, so that a copy is what a store on
a disk is, and everything that reads or writes stores stays as it is. A killed run loses what was not put yet, the parts
of a few seconds, and the next goes on from those that were.
"""

from __future__ import annotations

import _thread
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backbones.errors import HoopoeError
from detector.base.files import UNFINISHED, refusing_full_disk
from detector.base.objects.address import Address
from detector.base.objects.fetching import fetch
from detector.base.objects.lease import RENEWED_S, Lease
from detector.base.objects.listing import list_objects
from detector.base.objects.service import ObjectInfo, asking, delete_object, filesystem, fs_path, put_object
from detector.base.pictures import PHOTO_SUFFIXES
from detector.base.reporting import task, warn
from detector.store.layout import decisions_folder, decisions_id
from detector.store.run_json import read_run
from detector.store.scratch import scratch_folder
from detector.types.media import VIDEO_SUFFIXES

PUT_EVERY_S = 15.0
LEASE = ".hoopoe-lease.json"
_RUN = "run.json"
_WHILE_RUNNING = ("facts/", "species/", "reviews/", "fast/")  # what a run goes on from; all else is put at the end
_MEDIA = (*PHOTO_SUFFIXES, *VIDEO_SUFFIXES)  # which may be whole cards, where a store lies beside them
_OF_EXPORTS = ("crops/", "images/", "videos/", "report/")
_ONE_PUT_BYTES = 64 << 20
_copies: dict[Path, Address] = {}


def address_of(folder: Path) -> Address | None:
    """The address of the store that a folder is the copy of; None: it is a store of its own."""
    return _copies.get(folder)


def shown(text: object) -> str:
    """A text with the addresses of stores in place of the folders of their copies."""
    words = str(text)
    for folder, address in _copies.items():
        words = words.replace(str(folder), str(address))
    return words


@contextmanager
def working_copy(address: Address, *, pictures: bool = False) -> Iterator[Path]:
    """A folder that is a copy of a store, while this process alone may write to that; put back at the end.

    After an error what was finished is put all the same: facts and reviews, by which the next run goes on.

    Args:
        address: Of the store, which need not be there yet.
        pictures: Copy pictures that were exported too, for commands that make some.

    Raises:
        HoopoeError: Another process writes to the store, or the service is sick.
        DiskFullError: The store has no room in the temporary folder.
    """
    with scratch_folder(Path(tempfile.gettempdir()), "hoopoe-store-") as scratch:
        folder = scratch.resolve() / "copy" / address.name
        folder.mkdir(parents=True)
        lease = Lease(address / LEASE, address)
        _copies[folder] = address
        copy = _Copy(address, folder, lease)
        try:
            copy.fetch(pictures)
            with copy.putting():
                yield folder
            copy.put_all()
        finally:
            del _copies[folder]
            with suppress(HoopoeError):  # it lapses by itself, and what was put or went wrong before counts
                lease.release()


class LeaseLostError(HoopoeError):
    """Another process writes to the store now, and this one may not."""


class _Copy:
    """A folder, and what of it is known to be up there.

    Args:
        address: Of the store.
        folder: Its copy.
        lease: Held while it is written to.
    """

    def __init__(self, address: Address, folder: Path, lease: Lease) -> None:
        self.address, self.folder, self.lease = address, folder, lease
        self.up: dict[str, tuple[int, int]] = {}  # path -> bytes and time of change of the file that was put
        self._renewed = time.monotonic()
        self._ended = threading.Event()
        self._lost: LeaseLostError | None = None

    def fetch(self, pictures: bool) -> None:
        """Bring the store here."""
        wanted = [found for found in list_objects(self.address) if self._is_wanted(found, pictures)]
        with task("fetching the store", len(wanted), "files") as progress, refusing_full_disk(self.folder):
            for found in wanted:
                path = self._path(found)
                target = self.folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                fetch(self.address / path, target, found.size_bytes)
                self.up[path] = _state(target)
                self._keep_lease()
                progress.advance()
        decisions = decisions_folder(self.folder)
        run = read_run(self.folder)
        if decisions.is_dir() and (run is None or run.decided not in (None, decisions_id(decisions))):
            shutil.rmtree(decisions)  # a run was killed while it put them: they are made again in seconds

    def _path(self, found: ObjectInfo) -> str:
        return found.key.removeprefix(f"{self.address.key}/" if self.address.key else "")

    def _is_wanted(self, found: ObjectInfo, pictures: bool) -> bool:
        path = self._path(found)
        hostile = any(part in ("", ".", "..") for part in path.split("/")) or "\\" in path
        media = path.lower().endswith(_MEDIA) and not (pictures and path.startswith(_OF_EXPORTS))
        return not (hostile or path == LEASE or media)

    @contextmanager
    def putting(self) -> Iterator[None]:
        """Put parts as they are finished, and keep the lease, in a thread beside the work."""
        thread = threading.Thread(target=self._put_now_and_then, name="store", daemon=True)
        thread.start()
        try:
            yield
        except BaseException as error:
            self._end(thread)
            if self._lost is not None:  # and so the work was told to end
                raise self._lost from error
            with suppress(HoopoeError):  # the first error counts
                self.put_finished()
            raise
        self._end(thread)
        if self._lost is not None:
            raise self._lost

    def _end(self, thread: threading.Thread) -> None:
        self._ended.set()
        thread.join()

    def _put_now_and_then(self) -> None:
        while not self._ended.wait(PUT_EVERY_S):
            # the service is sick, or a file was moved meanwhile: a later try, or at last the end, says so
            with suppress(HoopoeError, OSError):
                try:
                    self._keep_lease()
                    self.put_finished()
                except LeaseLostError as lost:
                    self._lost = lost
                    warn(f"{lost.problem}: what is done from now on cannot be kept; ending")
                    _thread.interrupt_main(signal.SIGTERM)  # heard by who listens; else the end says it
                    return

    def put_finished(self) -> None:
        """Put what a next run goes on from.

        A part of the facts is of cards that run.json names, and comes after it; an overlay counts once run.json names
        it, and comes before it, as models do that were made for this store.
        """
        facts = [path for path in self._changed() if path.startswith("facts/")]
        run = self._changed_run()
        for path in self._changed():
            if path.startswith(_WHILE_RUNNING) and not path.startswith("facts/"):
                self._put(path)
        if run is not None:
            self._keep_lease(now=True)
            put_object(self.address / _RUN, run[1])
            self.up[_RUN] = run[0]
        for path in facts:
            self._put(path)

    def put_all(self) -> None:
        """Put all that is new or changed, run.json last, and remove what was removed here.

        Raises:
            LeaseLostError: Another process has taken the store over.
        """
        self.put_finished()
        changed = [path for path in self._changed() if path != _RUN]
        with task("putting the store", len(changed), "files") as progress:
            for path in changed:
                self._put(path)
                progress.advance()
        if (self.folder / _RUN).exists():
            self._put(_RUN)
        for path in [path for path in self.up if not (self.folder / path).exists()]:
            delete_object(self.address / path)
            del self.up[path]

    def _changed(self) -> list[str]:
        paths = (path for path in sorted(self.folder.rglob("*")) if _is_finished(path, self.folder))
        named = ((path.relative_to(self.folder).as_posix(), path) for path in paths)
        return [name for name, path in named if self.up.get(name) != _state(path)]

    def _changed_run(self) -> tuple[tuple[int, int], bytes] | None:
        """State and content of run.json, if it is another than up there; a later change is another state."""
        path = self.folder / _RUN
        if not path.exists() or self.up.get(_RUN) == (state := _state(path)):
            return None
        return state, path.read_bytes()

    def _put(self, path: str) -> None:
        self._keep_lease()
        file = self.folder / path
        try:
            state = _state(file)
            if state[0] <= _ONE_PUT_BYTES:
                put_object(self.address / path, file.read_bytes())
            else:
                files = filesystem(self.address.protocol)
                asking(self.address / path, lambda: files.put_file(str(file), fs_path(self.address / path)))
        except FileNotFoundError:  # removed or replaced meanwhile: the next time shows it
            return
        self.up[path] = state

    def _keep_lease(self, now: bool = False) -> None:
        """Renew the lease where that is due.

        Raises:
            LeaseLostError: Another process has taken it over.
        """
        if not now and time.monotonic() - self._renewed < RENEWED_S:
            return
        if not self.lease.is_held():
            hint = "nothing more is written; run the same command again when the other process is done"
            raise LeaseLostError("another process has taken this store over", where=self.address, hint=hint)
        began = time.monotonic()  # others count from the time that is put, however long putting takes
        self.lease.renew()
        self._renewed = began


def _is_finished(path: Path, folder: Path) -> bool:
    inner = path.relative_to(folder).parts
    return not any(part.startswith(".") or part.endswith((UNFINISHED, ".old")) for part in inner) and path.is_file()


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
