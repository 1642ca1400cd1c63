"""Time and memory of the annotation store: writing facts, deciding, and reading the decisions.

    python -m benchmarks.store [--records 20000] [--write]

Writes a store of so many photos with random logits of 550 classes (a box in nine of ten, 1.1 on average, half of them
classified; bursts of three at 20 cameras), then decides it and reads its records, each in a fresh process. Measured:
seconds, and the peak of the process's resident memory. The table is printed, and written to
benchmarks/results/store.md with --write.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.processes import in_process, resident_mib
from benchmarks.publishing import publish

if TYPE_CHECKING:
    from detector.store.facts import FactRow, FoundBox
    from detector.store.run_file import RunFile

OUTPUT = "store.md"
CLASSES, CAMERAS, BURST = 550, 20, 3


def write_store(folder: Path, records: int) -> None:
    """Facts of `records` photos."""
    from detector.store.run_json import merge_run
    from detector.store.writer import FactsWriter

    rng = np.random.default_rng(0)
    with FactsWriter(folder) as writer:
        merge_run(folder, run_of())
        per_camera = -(-records // CAMERAS)
        for index in range(records):
            writer.add([fact_row(rng, *divmod(index, per_camera))])


def run_of() -> RunFile:
    """What run.json says of the store."""
    from detector.species.names.crosswalk import shipped_crosswalk
    from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry

    names = [row.class_name for row in shipped_crosswalk().rows if row.class_name]
    classes = [*names, *(f"class {index}" for index in range(CLASSES))][:CLASSES]
    return RunFile(
        cards={"card": CardEntry(root="/card")},
        detector=DetectorEntry(name="detector.safetensors", categories=["bird", "other animal", "person"]),
        species=SpeciesEntry(name="classifier", classes=classes),
    )


def fact_row(rng: np.random.Generator, camera: int, number: int, different: int | None = None) -> FactRow:
    """What is found in a photo of a camera.

    Args:
        rng: Draws it.
        camera: Its number.
        number: Of the photo.
        different: How many logits there are to choose from; None: those of each box are its own.
    """
    from detector.store.facts import FactRow
    from detector.types import media_id

    path = f"camera {camera:02d}/DCIM/{100 + number // 9999}RECNX/IMG_{number % 9999:04d}.JPG"
    minutes = 7 * (number // BURST)
    boxes = tuple(_box(rng, different) for _ in range(rng.choice(4, p=[0.1, 0.75, 0.1, 0.05])))
    return FactRow(
        media_id=media_id("card", path),
        card="card",
        path=path,
        size_bytes=3_000_000,
        content_hash=f"{camera:016x}{number:016x}",
        media_type="photo",
        width=4000,
        height=3000,
        captured_at=datetime(2024, 3, 1, 6) + timedelta(minutes=minutes, seconds=number % BURST),
        captured_from="exif",
        camera_model="HF2 PRO COVERT",
        brightness=0.5,
        night=False,
        detections=boxes,
    )


def _box(rng: np.random.Generator, different: int | None) -> FoundBox:
    """One in twenty boxes is where a stone is."""
    from detector.store.facts import FoundBox

    stone = rng.random() < 0.05
    x, y, w, h = (0.5, 0.5, 0.1, 0.1) if stone else (*rng.uniform(0, 0.8, 2), *rng.uniform(0.02, 0.2, 2))
    appearance = bytes(range(64)) if stone else rng.bytes(64)
    scores = (rng.uniform(0.05, 1), rng.uniform(0, 0.05), 0.0)
    logits = _logits(rng) if different is None else _numbered_logits(int(rng.integers(different)))
    return FoundBox(x, y, w, h, scores, logits=logits if rng.random() < 0.5 else None, appearance=appearance)


@cache
def _numbered_logits(number: int) -> bytes:
    return _logits(np.random.default_rng(number))


def _logits(rng: np.random.Generator) -> bytes:
    """Those of a box that is sure of its species, more or less."""
    from detector.store.schema import pack_vector

    logits = rng.normal(0, 1, CLASSES)
    logits[int(abs(rng.normal(0, 20)))] += 12
    return pack_vector(logits)


def decide_store(folder: Path, **options: object) -> str:
    """Decide with the defaults, but for these options."""
    from detector.decisions.decide import decide
    from detector.decisions.options import DecideOptions

    summary = decide(folder, DecideOptions.model_validate(options))
    return f"{summary.detections} boxes, {summary.events} events, {summary.repeat_groups} repeats"


def read_records(folder: Path) -> str:
    """All records, one by one."""
    from detector.store.records_reader import read_media

    detections = sum(len(item.detections) for item in read_media(folder))
    return f"{detections} detections"


def read_finished(folder: Path) -> str:
    """What a second run asks first."""
    from detector.store.reader import finished

    return f"{len(finished(folder))} files"


STEPS: dict[str, Callable[..., Any]] = {
    "write facts": write_store,
    "list what is finished": read_finished,
    "decide": decide_store,
    "read records": read_records,
}


def measure(name: str, arguments: tuple[Any, ...], pipe: Any) -> None:
    """In a fresh process: (seconds, peak of resident memory in MiB, what it says)."""
    start = time.perf_counter()
    result = STEPS[name](*arguments) or ""
    pipe.send((time.perf_counter() - start, resident_mib(peak=True), result))


def main() -> None:
    """Measure as asked, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--store", type=Path, help="a folder to keep the store in; one that is there is not written")
    parser.add_argument("--write", action="store_true", help=f"write benchmarks/results/{OUTPUT}")
    args = parser.parse_args()
    from benchmarks.machine import describe  # brings torch, which the measured processes must not import

    with tempfile.TemporaryDirectory() as temporary:
        folder = args.store or Path(temporary) / "store"
        rows = ["| step | seconds | records/s | peak memory, MiB | result |", "|---|---|---|---|---|"]
        for name in STEPS:
            if name == "write facts" and (folder / "run.json").exists():
                continue
            arguments = (folder, args.records) if name == "write facts" else (folder,)
            seconds, peak, result = in_process(measure, name, arguments)
            rows.append(f"| {name} | {seconds:.1f} | {args.records / seconds:,.0f} | {peak:.0f} | {result} |")
            print(rows[-1], flush=True)
    lines = [f"# The annotation store, {args.records:,} photos", "", describe(["pyarrow", "numpy"]), "", *rows]
    print("\n".join(lines))
    publish(lines, OUTPUT, args.write)


if __name__ == "__main__":
    main()
