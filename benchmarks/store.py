"""Time and memory of the annotation store: writing facts, deciding, and reading the decisions.

    python -m benchmarks.store [--records 20000] [--write]

Writes a store of so many photos with random logits of 550 classes (a box in nine of ten, 1.1 on average, half of them
classified; bursts of three at 20 cameras), then decides it and reads its records, each in a fresh process. Measured:
seconds, and the peak of the process's resident memory. The table is printed, and written to
benchmarks/results/store.md with --write.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

OUTPUT = Path(__file__).parent / "results" / "store.md"
CLASSES, CAMERAS, BURST = 550, 20, 3
MEBIBYTE = 2**20


def write_store(folder: Path, records: int) -> None:
    """Facts of `records` photos."""
    from detector.species.names.crosswalk import shipped_crosswalk
    from detector.store.facts import FactRow, FoundBox
    from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry
    from detector.store.run_json import merge_run
    from detector.store.schema import pack_vector
    from detector.store.writer import FactsWriter
    from detector.types import media_id

    rng = np.random.default_rng(0)
    names = [row.class_name for row in shipped_crosswalk().rows if row.class_name]
    classes = [*names, *(f"class {index}" for index in range(CLASSES))][:CLASSES]
    with FactsWriter(folder) as writer:
        run = RunFile(
            cards={"card": CardEntry(root="/card")},
            detector=DetectorEntry(name="detector.safetensors", categories=["bird", "other animal", "person"]),
            species=SpeciesEntry(name="classifier", classes=classes),
        )
        merge_run(folder, run)
        per_camera = -(-records // CAMERAS)
        start = datetime(2024, 3, 1, 6)
        for index in range(records):
            camera, number = divmod(index, per_camera)
            path = f"camera {camera:02d}/DCIM/{100 + number // 9999}RECNX/IMG_{number % 9999:04d}.JPG"
            taken = start + timedelta(minutes=7 * (number // BURST), seconds=number % BURST)
            boxes = tuple(_box(rng, FoundBox, pack_vector) for _ in range(rng.choice(4, p=[0.1, 0.75, 0.1, 0.05])))
            row = FactRow(
                media_id=media_id("card", path),
                card="card",
                path=path,
                size_bytes=3_000_000,
                content_hash=f"{index:032x}",
                media_type="photo",
                width=4000,
                height=3000,
                captured_at=taken,
                captured_from="exif",
                camera_model="HF2 PRO COVERT",
                brightness=0.5,
                night=False,
                detections=boxes,
            )
            writer.add([row])


def _box(rng: np.random.Generator, make: Any, pack: Callable[[Any], bytes]) -> Any:
    """One in twenty boxes is where a stone is."""
    stone = rng.random() < 0.05
    x, y, w, h = (0.5, 0.5, 0.1, 0.1) if stone else (*rng.uniform(0, 0.8, 2), *rng.uniform(0.02, 0.2, 2))
    logits = rng.normal(0, 1, CLASSES)
    logits[int(abs(rng.normal(0, 20)))] += 12
    appearance = bytes(range(64)) if stone else rng.bytes(64)
    scores = (rng.uniform(0.05, 1), rng.uniform(0, 0.05), 0.0)
    return make(x, y, w, h, scores, logits=pack(logits) if rng.random() < 0.5 else None, appearance=appearance)


def decide_store(folder: Path) -> str:
    """Decide with the defaults."""
    from detector.decisions.decide import decide
    from detector.decisions.options import DecideOptions

    summary = decide(folder, DecideOptions.model_validate({}))
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
    "tell what is finished": read_finished,
    "decide": decide_store,
    "read records": read_records,
}


def measure(name: str, arguments: tuple[Any, ...], pipe: Any) -> None:
    """In a fresh process: (seconds, peak of resident memory in MiB, what it says)."""
    start = time.perf_counter()
    said = STEPS[name](*arguments) or ""
    pipe.send((time.perf_counter() - start, peak_memory() / MEBIBYTE, said))


def peak_memory() -> int:
    """Peak resident memory of this process, bytes; getrusage's would be the parent's on Linux, which survives exec."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def in_process(*arguments: Any) -> Any:
    """The result of `measure` in a process of its own."""
    context = multiprocessing.get_context("spawn")  # a forked one would start with the parent's memory
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=measure, args=(*arguments, send))
    process.start()
    send.close()
    result = receive.recv()
    process.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--store", type=Path, help="a folder to keep the store in; one that is there is not written")
    parser.add_argument("--write", action="store_true", help=f"write {OUTPUT}")
    args = parser.parse_args()
    from benchmarks.machine import describe  # brings torch, which the measured processes must not import

    with tempfile.TemporaryDirectory() as temporary:
        folder = args.store or Path(temporary) / "store"
        rows = ["| step | seconds | records/s | peak memory, MiB | result |", "|---|---|---|---|---|"]
        for name in STEPS:
            if name == "write facts" and (folder / "run.json").exists():
                continue
            arguments = (folder, args.records) if name == "write facts" else (folder,)
            seconds, peak, said = in_process(name, arguments)
            rows.append(f"| {name} | {seconds:.1f} | {args.records / seconds:,.0f} | {peak:.0f} | {said} |")
            print(rows[-1], flush=True)
    lines = [f"# The annotation store, {args.records:,} photos", "", describe(["pyarrow", "numpy"]), "", *rows]
    print("\n".join(lines))
    if args.write:
        OUTPUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
