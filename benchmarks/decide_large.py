"""Time and memory of `decide` and of exports at 10^5, 10^6 and 10^7 photos, in one process and by two workers of Ray.

    python -m benchmarks.decide_large STORE --draw 1000000              # facts, drawn once
    python -m benchmarks.decide_large STORE decide csv camtrap-dp       # a row of the table each
    python -m benchmarks.decide_large STORE decide csv --workers 2      # the same by Ray on this machine
    python -m benchmarks.decide_large STORE decide camtrap-dp --places

Facts as `benchmarks.store` draws them, of cameras of 10,000 photos each: eight are drawn, and the others are these with
other names and days. A row says: seconds, CPU seconds of the process, the highest resident memory of it and of a
worker in MiB, MiB written, and a hash of that, which says whether two ways come to the same; the beginning of the
cluster is in the seconds. What was exported is removed again.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import shutil
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.processes import MEBIBYTE, in_process, resident_mib
from benchmarks.store import fact_row, run_of
from detector.store.facts import facts_table
from detector.store.files import write_table
from detector.store.layout import facts_folder, part_name, parts
from detector.store.marks import Marks, new_part_id
from detector.store.run_json import merge_run
from detector.store.writer import GROUP_ROWS
from detector.types import media_id

if TYPE_CHECKING:
    from detector.cluster.options import ClusterOptions

PER_CAMERA, DRAWN, CAMERAS_A_PART = 10_000, 8, 5
PLACES = "deployments.csv"
LOGITS = 256  # different ones: a store of 10^7 photos takes 2 GB so, and 9 with as many as boxes


def draw_store(folder: Path, photos: int) -> None:
    """Facts of so many photos, camera by camera."""
    merge_run(folder, run_of())
    cameras, each = -(-photos // PER_CAMERA), min(photos, PER_CAMERA)
    drawn = [_camera(seed, each) for seed in range(min(DRAWN, cameras))]
    facts_folder(folder).mkdir(exist_ok=True)
    for part, first in enumerate(range(0, cameras, CAMERAS_A_PART)):
        here = range(first, min(first + CAMERAS_A_PART, cameras))
        table = pa.concat_tables(_renamed(drawn[camera % len(drawn)], camera) for camera in here)
        marks = Marks(new_part_id(), "classifier")
        write_table(facts_folder(folder) / part_name(part), marks.on(table), GROUP_ROWS)


def place_cameras(folder: Path) -> None:
    """A table of deployments, without which Camtrap DP leaves all files out."""
    cameras = {path.split("/")[0] for part in parts(facts_folder(folder)) for path in _paths(part)}
    rows = [f"{camera},card,{camera},31.5,35.25,Asia/Jerusalem" for camera in sorted(cameras)]
    head = "deploymentID,card,folder,latitude,longitude,timeZone"
    (folder / PLACES).write_text("\n".join([head, *rows, ""]), encoding="utf-8")


def _paths(part: Path) -> list[str]:
    return pc.unique(pc.replace_substring_regex(pq.read_table(part, columns=["path"])["path"], "/.*", "")).to_pylist()


def _camera(seed: int, photos: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return facts_table([fact_row(rng, 0, number, LOGITS) for number in range(photos)])


def _renamed(table: pa.Table, camera: int) -> pa.Table:
    """The same photos of another camera, in other days."""
    paths = [f"camera {camera:05d}{path[path.index('/') :]}" for path in table["path"].to_pylist()]
    days = pa.scalar(timedelta(days=camera % 300), pa.duration("ms"))
    changed = {
        "media_id": pa.array([media_id("card", path) for path in paths]),
        "path": pa.array(paths),
        "content_hash": pa.array([f"{camera:016x}{number:016x}" for number in range(len(paths))]),
        "captured_at": pc.add(table["captured_at"], days),
    }
    for name, values in changed.items():
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)
    return table


def measure(store: Path, what: str, workers: int, pipe: Any) -> None:
    """In a fresh process: what is done, and a row of the table."""
    from detector.cluster.options import ClusterOptions

    cluster = ClusterOptions(fewest=workers, most=workers, cpus_per_worker=1, device="cpu") if workers else None
    began = time.perf_counter()
    with Workers() as peaks:
        written = decided(store, cluster) if what == "decide" else exported(store, what, cluster)
    seconds = time.perf_counter() - began
    own = resource.getrusage(resource.RUSAGE_SELF)
    pipe.send((seconds, own.ru_utime + own.ru_stime, resident_mib(peak=True), peaks.mib, *written))


def decided(store: Path, cluster: ClusterOptions | None) -> tuple[float, str]:
    """Decide with the defaults; MiB that were written, and their hash."""
    from detector.decisions.decide import decide
    from detector.decisions.options import DecideOptions
    from detector.store.layout import decisions_folder
    from detector.store.run_json import load_run

    places = store / PLACES
    options = {"deployments": str(places)} if places.exists() else {}
    decide(store, DecideOptions.model_validate(options), datetime(2026, 1, 1), cluster=cluster)
    size = sum(path.stat().st_size for path in decisions_folder(store).iterdir())
    return size / MEBIBYTE, str(load_run(store).decided)


def exported(store: Path, name: str, cluster: ClusterOptions | None) -> tuple[float, str]:
    """Write a format, and remove it; MiB that were written, and their hash, but for the moment of writing."""
    from detector.exports.export import export

    before = set(store.rglob("*"))
    export(store, [name], cluster=cluster)
    new = sorted(path for path in set(store.rglob("*")) - before if path.is_file() and path.name != "run.json")
    size, digest = sum(path.stat().st_size for path in new), hashlib.blake2b(digest_size=8)
    for path in new:
        if path.name != "datapackage.json":  # says when it was made
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
        path.unlink()
    shutil.rmtree(store / "camtrap-dp", ignore_errors=True)
    return size / MEBIBYTE, digest.hexdigest()


class Workers:
    """The highest resident memory of a worker of Ray, in MiB, while a block runs; 0: there was none."""

    def __enter__(self) -> Workers:
        self.mib, self._done = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def _sample(self) -> None:
        while not self._done.wait(0.5):
            for process in psutil.process_iter(["cmdline", "memory_info"]):
                if process.info["cmdline"] and process.info["cmdline"][0].startswith("ray::_Host"):
                    self.mib = max(self.mib, process.info["memory_info"].rss / MEBIBYTE)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def main() -> None:
    """Draw or measure as asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("what", nargs="*", help="decide, or formats, one after the other")
    parser.add_argument("--draw", type=int, metavar="PHOTOS", help="draw a store of so many first")
    parser.add_argument("--places", action="store_true", help="give all cameras a place first, for Camtrap DP")
    parser.add_argument("--workers", type=int, default=0, help="of Ray; 0: one process")
    args = parser.parse_args()
    if args.draw:
        draw_store(args.store, args.draw)
    if args.places:
        place_cameras(args.store)
    for what in args.what:
        seconds, cpu, peak, worker, size, digest = in_process(measure, args.store, what, args.workers)
        print(
            f"| {what} | {args.store.name} | {args.workers or 'one process'} | {seconds:.0f} | {cpu:.0f} | {peak:.0f} "
            f"| {worker:.0f} | {size:.0f} | {digest} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
