"""Formats written by the workers of a cluster: each writes the texts of a slice, and the driver joins them in order."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from detector.base.files import refusing_full_disk
from detector.base.reporting import Task
from detector.cluster.options import ClusterOptions
from detector.cluster.ordered import done_in_order
from detector.cluster.work import Share, check_seen
from detector.exports.formats import FORMATS
from detector.exports.parted.parts import WrittenSlice
from detector.exports.parted.slices import Slice, read_slice, slices_of
from detector.exports.source import ExportOptions, ExportSource
from detector.store.scratch import scratch_folder


@dataclass(frozen=True, eq=False)
class WriteSlices:
    """What workers do: a slice in, out the texts that were written of it.

    Attributes:
        name: Of the format.
        folder: The store.
        source: Its records.
        options: What the user wishes.
        staging: Where texts go; all machines must see it.
    """

    name: str
    folder: Path
    source: ExportSource
    options: ExportOptions
    staging: Path

    def start(self, share: Share) -> Callable[[Slice], WrittenSlice]:
        """Begin.

        Raises:
            ConfigError: This machine does not see the store.
        """
        check_seen(self.staging, self.folder)
        return self._write

    def _write(self, one: Slice) -> WrittenSlice:
        parts = FORMATS[self.name].load_parts()
        files = {text: self.staging / f"{text}-{secrets.token_hex(8)}" for text in parts.texts}
        source = replace(self.source, media=partial(read_slice, self.folder, one), media_count=one.files)
        with refusing_full_disk(self.staging), ExitStack() as stack:
            out = {
                text: stack.enter_context(path.open("w", encoding="utf-8", errors="backslashreplace", newline=""))
                for text, path in files.items()
            }
            state = parts.write(source, self.options, out)
        return WrittenSlice(files, state)


def export_on_cluster(
    name: str, source: ExportSource, folder: Path, options: ExportOptions, cluster: ClusterOptions, progress: Task
) -> list[Path]:
    """Write a format of a store into its folder; byte for byte what one process writes.

    Args:
        name: Of a format that has parts.
        source: The store's records.
        folder: The store.
        options: What the user wishes.
        cluster: Which one, and how many workers.
        progress: Is told how many files are done.

    Raises:
        ConfigError: There is no cluster, or a machine of it does not see the store.
        HoopoeError: A slice could not be written.
    """
    slices = slices_of(folder)
    sent = replace(options, roots={}, notify=_say_nothing, fault=_say_nothing)
    with scratch_folder(folder, ".export-") as staging:
        work = WriteSlices(name, folder.absolute(), source, sent, staging)
        written = _written(work, slices, cluster, progress)
        return FORMATS[name].load_parts().join(source, folder, options, written)


def _written(
    work: WriteSlices, slices: Sequence[Slice], cluster: ClusterOptions, progress: Task
) -> Iterator[WrittenSlice]:
    files = iter(slices)
    for done in done_in_order(work, slices, cluster, _name):
        if done is not None:
            yield done
            progress.advance(next(files).files)


def _name(one: Slice) -> str:
    return f"{one.files} files"


def _say_nothing(_: str) -> None:
    pass
