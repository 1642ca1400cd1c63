"""Looking at the pictures of a set in processes that hear what libjpeg says of damaged data (`detector.base.torn`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from detector.base.reporting import task
from detector.data.doctor.picture_scan import PictureScan, scan_picture
from detector.footage.isolation import Failed, IsolatedReaders, Produced

PICTURES_A_PROCESS = 16  # fewer are not worth another one


class Scanner:
    """Looks at pictures under a progress bar, and at no picture twice."""

    def __init__(self) -> None:
        self.seen: dict[Path, PictureScan] = {}

    def __call__(self, paths: Sequence[Path]) -> list[PictureScan]:
        new = [path for path in dict.fromkeys(paths) if path not in self.seen]
        workers = min(os.cpu_count() or 1, 1 + len(new) // PICTURES_A_PROCESS)
        with task("reading pictures", len(new), "pictures") as progress, IsolatedReaders(workers, _scan) as readers:
            for event in readers.run(new):
                if isinstance(event, Produced):
                    self.seen[event.task] = event.value
                    continue
                if isinstance(event, Failed):
                    self.seen[event.task] = PictureScan(error=event.error.problem)
                progress.advance()
        return [self.seen[path] for path in paths]


def _scan(path: Path) -> Iterator[PictureScan]:
    yield scan_picture(path)
