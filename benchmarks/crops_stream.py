"""MegaDetector's JSON of millions of boxes through `classify-crops`, with a classifier that sleeps: speed and memory.

    python -m benchmarks.crops_stream [--boxes 5000000] [--per-image 10] [--sleep-us 0] [--write]

The JSON is made in a temporary folder, in two files; media are objects that nobody fetches, as the engine yields each
item as if it were classified (after so many microseconds). All else is the command's: reading, filtering, the rows, and
the store's parts. Measured in a process of its own: seconds, boxes a second, and resident memory half-way through the
images and at the end, whose difference must not grow with the boxes but for 8 bytes an image.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from benchmarks.processes import in_process, resident_mib
from benchmarks.publishing import publish

OUTPUT = "crops_stream.md"
FILES = 2


def write_boxes(folder: Path, boxes: int, per_image: int) -> list[Path]:
    """Files of so many boxes, half of them below 0.2."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.json" for number in range(FILES)]
    images = boxes // per_image
    for number, path in enumerate(paths):
        with path.open("w", encoding="utf-8") as file:
            file.write(
                '{"info": {"detector": "md"}, "detection_categories": {"1": "animal", "2": "person"}, "images": ['
            )
            for index in range(number, images, FILES):
                found = rng.random((per_image, 5)).round(3)
                detections = [
                    {"category": "1", "conf": each[0] ** 2, "bbox": [each[1] / 2, each[2] / 2, 0.1, 0.2]}
                    for each in found.tolist()
                ]
                record = json.dumps({"file": f"site{index % 50}/IMG_{index:08d}.JPG", "detections": detections})
                file.write(f"{',' if index >= FILES else ''}\n{record}")
            file.write("]}")
    return paths


def measure(paths: list[Path], out: Path, sleep_us: float, send: Any) -> None:
    """Send seconds, and MiB half-way of the images and at the end."""
    import fsspec

    from detector.annotation.facts import RowsOptions
    from detector.annotation.importing.filtering import FilteredDetections
    from detector.annotation.importing.media import survey_media
    from detector.annotation.importing.object_folder import ObjectFolder
    from detector.annotation.importing.reading import read_detections
    from detector.annotation.importing.run import ImportOptions, _ImportedMedia, _run_file
    from detector.annotation.running import run_store
    from detector.annotation.values import BoxedItem, ClassifiedItem
    from detector.base.objects.address import Address
    from detector.store.run_json import merge_run
    from detector.store.writer import FactsWriter

    began = time.perf_counter()
    seen: dict[str, float] = {"items": 0}

    def sleeping(items: Iterable[BoxedItem]) -> Generator[ClassifiedItem | None]:
        for number, item in enumerate(items):
            if sleep_us:
                time.sleep(sleep_us * 1e-6)
            yield ClassifiedItem(item)
            if number == total // 2:
                seen["half"] = resident_mib()

    imported = FilteredDetections(read_detections(paths), 0.04, ("animal",))
    total = len(imported)
    files = fsspec.filesystem("memory")
    for index, record in enumerate(imported):
        files.pipe_file(f"/bucket/photos/{record.path}", b"x")
        if index == 40:
            break
    options = ImportOptions(lowest_score=0.04, only=("animal",))
    with FactsWriter(out) as writer:
        place = ObjectFolder.of(Address("memory", "bucket", "photos"), out)
        survey = survey_media(imported, place, writer.finished, paths[0])
        classifier: Any = None
        merge_run(out, _run_file(place.card, imported, classifier, options))
        job = _ImportedMedia(imported, place, survey, RowsOptions(imported.categories), writer)
        run_store(sleeping, job, "classifying", quiet=True)
    cpu_s = time.process_time()
    send.send({**seen, "seconds": time.perf_counter() - began, "cpu": cpu_s, "end": resident_mib(), "images": total})


def main() -> None:
    """Make the files, measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, default=5_000_000)
    parser.add_argument("--per-image", type=int, default=10)
    parser.add_argument("--sleep-us", type=float, default=0.0)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_boxes(Path(folder), args.boxes, args.per_image)
        size = sum(path.stat().st_size for path in paths)
        found = in_process(measure, paths, Path(folder) / "OUT", args.sleep_us)
    boxes, s = args.boxes, found["seconds"]
    lines = [
        "# Boxes of another tool, streamed",
        "",
        describe(["numpy", "pyarrow", "msgspec"]),
        "",
        "| boxes | images | MB of JSON | seconds | CPU seconds | boxes/CPU s | MiB half-way | MiB at the end |",
        "|---|---|---|---|---|---|---|---|",
        f"| {boxes:,} | {found['images']:,.0f} | {size / 1e6:.0f} | {s:.0f} | {found['cpu']:.0f} "
        f"| {boxes / found['cpu']:,.0f} | {found['half']:.0f} | {found['end']:.0f} |",
        "",
        f"`python -m benchmarks.crops_stream --boxes {boxes} --per-image {args.per_image}`; the JSON is read four",
        "times: to tell its format, to see whether it is whole, to look for oddities, and to classify.",
    ]
    print("\n".join(lines))
    publish(lines, OUTPUT, args.write)


if __name__ == "__main__":
    main()
