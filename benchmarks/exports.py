"""Time and peak memory of each export, and how memory grows with the store.

    python -m benchmarks.exports [--records 1000000] [--formats megadetector,csv] [--write]

Writes a decided store of that many photos, a bird or a person in every other one, and one of a tenth to a temporary
folder, and writes each format from both, each in a fresh process. Measured: seconds, photos a second, the size of what
was written, and the resident growth at the peak after the imports. "read" reads the records and writes nothing. The
table is printed, and written to benchmarks/results/exports.md with --write.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import describe
from benchmarks.processes import MEBIBYTE, PeakSampler, in_process
from benchmarks.publishing import publish
from detector.exports.formats import FORMATS
from detector.store import schema
from detector.store.layout import decisions_folder
from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry
from detector.store.run_json import write_run
from detector.types import media_id

OUTPUT = "exports.md"
STREAMED = ("megadetector", "csv", "xlsx", "events", "coco", "coco-camera-traps", "camtrap-dp", "label-studio")
BATCH = 20_000
CAMERAS = 20
START = datetime(2024, 3, 1)
SPECIES = [f"Genus{number % 40} species{number}" for number in range(200)]


def write_store(folder: Path, records: int) -> None:
    """A decided store, batch by batch: photos 20 s apart, in bursts of three."""
    tables = decisions_folder(folder)
    tables.mkdir(parents=True)
    schemas = {"media": schema.MEDIA, "detections": schema.DETECTIONS, "events": schema.EVENTS}
    writers = {name: pq.ParquetWriter(tables / f"{name}.parquet", one) for name, one in schemas.items()}
    for first in range(0, records, BATCH):
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in schemas}
        for number in range(first, min(first + BATCH, records)):
            add_photo(rows, number, records)
        for name, writer in writers.items():
            writer.write_table(pa.Table.from_pylist(rows[name], schema=schemas[name]))
    for writer in writers.values():
        writer.close()
    pq.write_table(
        pa.Table.from_pylist([deployment(n) for n in range(CAMERAS)], schema.DEPLOYMENTS),
        tables / "deployments.parquet",
    )
    pq.write_table(schema.EFFORT.empty_table(), tables / "effort.parquet")
    pq.write_table(schema.REPEATS.empty_table(), tables / "repeats.parquet")
    cards = {"card": CardEntry(root="/cards/card")}
    detector = DetectorEntry(name="detector.safetensors", categories=["bird", "animal", "person", "vehicle"])
    write_run(folder, RunFile(cards=cards, detector=detector, species=SpeciesEntry(name="species", classes=SPECIES)))


def deployment(number: int) -> dict[str, Any]:
    """A camera whose place and time zone are known."""
    return {
        "visit_id": f"camera-{number:02d}",
        "deployment_id": f"camera-{number:02d}",
        "listed": True,
        "latitude": 31.0 + number / 10,
        "longitude": 35.0,
        "start": START,
        "start_offset_min": 120,
        "end": START + timedelta(days=300),
        "end_offset_min": 120,
        "details": [],
    }


def add_photo(rows: dict[str, list[dict[str, Any]]], number: int, records: int) -> None:
    """A photo; every other one with a box, of which every eighth is a person; every twelfth begins an event."""
    camera = number * CAMERAS // records  # the store is sorted by path
    path = f"camera-{camera:02d}/DCIM/100RECNX/RCNX{number:07d}.JPG"
    key = media_id("card", path)
    photo: dict[str, Any] = {
        "media_id": key,
        "card": "card",
        "path": path,
        "media_type": "photo",
        "width": 4000,
        "height": 3000,
        "frames": [0],
        "night": number % 3 == 0,
        "captured_at": START + timedelta(seconds=20 * number),
        "captured_from": "exif",
        "timestamp": START + timedelta(seconds=20 * number),
        "utc_offset_min": 120,
        "visit_id": f"camera-{camera:02d}",
        "deployment_id": f"camera-{camera:02d}",
        "sequence_id": f"s{number // 3}",
        "blank": number % 2 == 1,
        "outside": False,
    }
    rows["media"].append(photo)
    if number % 2 == 0:
        rows["detections"].append(detection(key, number))
    if number % 12 == 0:
        rows["events"].append(event(photo, number))


def detection(key: str, number: int) -> dict[str, Any]:
    """A bird of one of the species, or a person."""
    person = number % 16 == 0
    name = SPECIES[number % len(SPECIES)]
    box: dict[str, Any] = {
        "media_id": key,
        "frame_number": 0,
        "time_s": 0.0,
        "box": 0,
        "x": 0.2 + number % 7 / 20,
        "y": 0.3,
        "w": 0.125,
        "h": 0.1,
        "score": 0.5 + number % 11 / 25,
        "label": "person" if person else "bird",
        "kind": "person" if person else "bird",
        "event_id": f"e{number // 12}",
        "suppressed": False,
        "nested": False,
        "display_name": "person" if person else name,
        "needs_review": number % 10 == 0,
        "candidates": [],
        "reasons": [],
    }
    if not person:
        rest = [SPECIES[(number + step) % len(SPECIES)] for step in (1, 2)]
        box |= {"name": name, "rank": "species", "english_name": name, "hebrew_name": "דוכיפת", "ebird_code": "hoopoe"}
        box |= {"confidence": 0.8, "species_score": 0.7}
        box["candidates"] = [{"name": one, "confidence": 0.8 / 3**place} for place, one in enumerate((name, *rest))]
    return box


def event(photo: dict[str, Any], number: int) -> dict[str, Any]:
    """An independent event that begins with a photo."""
    name = SPECIES[number % len(SPECIES)]
    return {
        "event_id": f"e{number // 12}",
        "visit_id": photo["visit_id"],
        "deployment_id": photo["deployment_id"],
        "kind": "bird",
        "name": name,
        "rank": "species",
        "display_name": name,
        "start": photo["timestamp"],
        "end": photo["timestamp"] + timedelta(seconds=100),
        "utc_offset_min": 120,
        "count": 2,
        "detections": 6,
        "media": 6,
        "confidence": 0.8,
    }


def measure(name: str, folder: Path, pipe: Any) -> None:
    """In a fresh process: write a format, and send (seconds, MiB written, MiB of growth at the peak)."""
    from detector.exports.source import ExportOptions, ExportSource

    write = (lambda source, *_: [0 for _ in source.media()] and []) if name == "read" else FORMATS[name].load()
    target = folder.parent / f"{folder.name}-{name}"
    source = ExportSource.of(folder)  # reads the first rows, so that the readers' imports are done
    gc.collect()
    before = psutil.Process().memory_info().rss
    with PeakSampler() as sampler:
        start = time.perf_counter()
        write(source, target, ExportOptions())
        seconds = time.perf_counter() - start
    written = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    pipe.send((seconds, written / MEBIBYTE, (sampler.peak - before) / MEBIBYTE))


def main() -> None:
    """Measure as asked, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--formats", default=",".join(STREAMED))
    parser.add_argument("--write", action="store_true", help=f"write benchmarks/results/{OUTPUT}")
    args = parser.parse_args()

    rows = [
        "| format | seconds | photos/s | MiB written | growth at the peak, MiB | with a tenth of the photos, MiB |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        large, small = Path(name) / "large", Path(name) / "small"
        write_store(large, args.records)
        write_store(small, max(args.records // 10, 1))
        for form in ("read", *args.formats.split(",")):
            seconds, written, peak = in_process(measure, form, large)
            _, _, few = in_process(measure, form, small)
            rate = args.records / seconds
            rows.append(f"| {form} | {seconds:.1f} | {rate:,.0f} | {written:.0f} | {peak:.0f} | {few:.0f} |")
            print(rows[-1], file=sys.stderr)
    lines = [
        "# Exports",
        "",
        "`python -m benchmarks.exports --write`; its docstring says how it measures.",
        "",
        describe(("hoopoe", "pyarrow", "XlsxWriter")),
        "",
        f"{args.records:,} photos, {args.records // 2:,} of them with a detection.",
        "",
        *rows,
    ]
    print("\n".join(lines))
    publish(lines, OUTPUT, args.write)


if __name__ == "__main__":
    main()
