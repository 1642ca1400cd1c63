"""How a cluster scales: what a second worker brings, what the driver costs, and whether memory stays flat.

    python -m benchmarks.scaling --part sleep [--seconds 0.25] [--files 160]    # of each of 1, 2, 4 and 8 workers
    python -m benchmarks.scaling --part memory [--files 20000]                  # 1 GiB of object store
    python -m benchmarks.scaling --part real [--files 1600]                     # the demo's models, beside one process
    python -m benchmarks.scaling --part pixels [--files 200]                    # where pictures are decoded
    python -m benchmarks.scaling --part killed [--files 12]                     # Ray Data's way of trying again
    ... [--write]

`sleep` and `memory` are whole runs into a store, whose workers sleep for a known time in place of decoding and of the
models; `real` needs `hoopoe demo`, whose photos are repeated. Efficiency is the time that sleeping alone would take,
divided among the workers, over the time from the first shard to the last receipt; the driver's share is the CPU time of
its process over the workers' time. A cluster is begun on this machine with so many logical cores. Each --part adds its
table to benchmarks/results/scaling.md with --write.
"""

from __future__ import annotations

import argparse
import logging
import pickle
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.machine import describe
from benchmarks.processes import resident_mib
from benchmarks.publishing import RESULTS, publish
from detector.annotation.distributed.engine import ClusterAnnotation
from detector.annotation.distributed.work import Places, Run, _Runner
from detector.annotation.facts import ItemRows, Rows, RowsOptions
from detector.annotation.options import SeeingOptions
from detector.annotation.report import Outcome, Receipt, RunReport
from detector.annotation.request import AnnotateRequest, Models, RunSettings
from detector.annotation.run import annotate
from detector.annotation.running import Job, run_store
from detector.annotation.stages import unclassified
from detector.annotation.values import FrameFacts
from detector.base.reporting import QuietLog, using
from detector.cluster import ray_pool
from detector.cluster.options import ClusterOptions
from detector.cluster.work import Machines, Share
from detector.store.run_file import RunFile
from detector.store.run_json import write_run
from detector.store.writer import FactsWriter
from detector.types import MediaItem

OUTPUT = "scaling.md"
HEAD = "# Clusters\n\nBy `python -m benchmarks.scaling`, which says what is measured.\n"
DEMO = Path("runs/demo")
GIBIBYTE = 1 << 30
WORKERS = (1, 2, 4, 8)
NO_BOXES = unclassified(np.zeros((0, 4), np.float32), np.zeros((0, 1), np.float32), np.zeros((0, 64), np.uint8))


@dataclass(frozen=True)
class SleepingShards:
    """In place of `AnnotateShards`: sleeps for each file, and writes a row of it."""

    seconds: float
    places: Places
    seeing: SeeingOptions = field(default_factory=SeeingOptions)

    def start(self, share: Share) -> Run[MediaItem, Receipt | Rows]:
        def engine(items: Iterable[MediaItem]) -> Generator[Rows | None]:
            for item in items:
                time.sleep(self.seconds)
                rows = ItemRows(item, RowsOptions(("bird",)))
                rows.add(0, FrameFacts(0, 0.0, (4000, 3000)), NO_BOXES)
                yield rows.done()
                yield None

        return _Runner(engine, self.places, share, media_of=lambda item: item, rows_of=lambda rows: rows)


class Timed(ray_pool.RayPool[Any, Any]):
    """A pool that begins when all workers are there, and remembers when that was, and when the last receipt came."""

    began = ended = 0.0
    cpu = 0.0
    store_peak = looked = 0.0

    def __init__(self, work: Any, options: ClusterOptions, machines: Machines) -> None:
        super().__init__(work, options, machines)
        while self.ready < options.fewest:
            self.scale(waiting=True)
            self.events(0.25)
        Timed.began, Timed.cpu = time.perf_counter(), cpu_seconds()

    def events(self, timeout_s: float) -> list[Any]:
        found = super().events(timeout_s)
        if found:
            Timed.ended = time.perf_counter()
        return found

    def scale(self, waiting: bool) -> None:
        super().scale(waiting)
        if time.perf_counter() < Timed.looked + 1:
            return
        Timed.looked = time.perf_counter()
        has, left = (each().get("object_store_memory", 0) for each in (RAY.cluster_resources, RAY.available_resources))
        Timed.store_peak = max(Timed.store_peak, has - left)


RAY: Any = None


@dataclass
class Files:
    """A job of files that are nowhere."""

    total: int
    report: RunReport

    def items(self) -> Iterator[MediaItem]:
        for number in range(self.total):
            path = f"{number // 1000:04d}/{number:08d}.jpg"
            yield MediaItem("card", path, "photo", 1, Path("/card") / path)

    def save(self, done: Receipt | Rows) -> Outcome:
        assert isinstance(done, Receipt)
        return done.outcome

    def flush_if_due(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Figures:
    """Of a run: seconds from the first shard to the last receipt, CPU seconds of the driver, peaks of memory."""

    seconds: float
    driver_s: float
    resident_mib: float
    store_mib: float


def cpu_seconds() -> float:
    """CPU time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def sleeping(files: int, seconds: float, workers: int) -> Figures:
    """A whole run into a store whose workers sleep."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        write_run(output, RunFile())
        with FactsWriter(output) as writer:
            shards: Any = SleepingShards(seconds, Places.of(writer, {}))
            models: Any = Names()
            engine = ClusterAnnotation(Models(models), settings_of(workers), shards, writer, files)
            with using(QuietLog()):
                job: Job[MediaItem, Receipt | Rows] = Files(files, RunReport())
                report = run_store(engine, job, "sleeping", quiet=True)
            assert report.files == len(writer.finished) == files
    return figures()


class Names:
    """In place of models, of which only the categories are asked for."""

    categories = ("bird",)


def settings_of(workers: int, cpus: int = 1) -> RunSettings:
    """A cluster of so many workers."""
    return RunSettings(cluster=ClusterOptions("auto", workers, workers, cpus, "cpu"))


def figures() -> Figures:
    """Of the run that has ended just now."""
    return Figures(
        Timed.ended - Timed.began, cpu_seconds() - Timed.cpu, resident_mib(peak=True), Timed.store_peak / 2**20
    )


def begin(cores: int, store_bytes: int) -> None:
    """A cluster on this machine."""
    global RAY
    import ray

    RAY = ray
    ray.init(
        address="local",
        num_cpus=cores,
        object_store_memory=store_bytes,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    ray_pool.RayPool = Timed  # type: ignore[misc]


def sleep_part(files: int, seconds: float, numbers: Sequence[int]) -> list[str]:
    """Some numbers of workers."""
    begin(max(numbers), 128 << 20)
    lines = [
        f"{files:,} files a worker, {seconds} s each.",
        "",
        "| workers | files | seconds | efficiency | driver's share |",
        "|---|---|---|---|---|",
    ]
    for workers in numbers:
        found = sleeping(files * workers, seconds, workers)
        count = files * workers
        share = found.driver_s / (count * seconds)
        lines.append(
            f"| {workers} | {count:,} | {found.seconds:.1f} | {files * seconds / found.seconds:.3f} | {share:.2%} "
            f"({1e3 * found.driver_s / count:.2f} ms a file) |"
        )
    return lines


def memory_part(files: int) -> list[str]:
    """Many files through a small object store."""
    begin(4, GIBIBYTE)
    lines = ["| files | driver, MiB at its peak | object store, MiB at its peak |", "|---|---|---|"]
    for count in (files // 20, files):
        found = sleeping(count, 0.002, 4)
        lines.append(f"| {count:,} | {found.resident_mib:.0f} | {found.store_mib:.1f} |")
    return lines


def real_part(files: int) -> list[str]:
    """The demo's models in one process, before there is a cluster, and on the same two cores by Ray."""
    models = Models.of(DEMO / "detector" / "best.safetensors", DEMO / "species.safetensors", "cpu", "fp32")
    photos = sorted(DEMO.glob("card/**/*.jpg")) + sorted(DEMO.glob("card/**/*.JPG"))
    lines = [f"{files:,} photos.", "", "| engine | files/s | of one process |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder, using(QuietLog()):
        card = Path(folder) / "card"
        card.mkdir()
        for number in range(files):
            shutil.copy(photos[number % len(photos)], card / f"{number:06d}.jpg")
        runs: dict[str, RunSettings] = {
            "one process": RunSettings(quiet=True),
            "Ray, 1 worker of 2 cores": replace(settings_of(1, 2), quiet=True),
            "Ray, 2 workers of 1 core": replace(settings_of(2, 1), quiet=True),
        }
        rates: dict[str, float] = {}
        for number, (name, settings) in enumerate(runs.items()):
            if settings.cluster is not None and RAY is None:
                begin(2, 256 << 20)
            request = AnnotateRequest([card], Path(folder) / f"out{number}")
            report = annotate(request, models, settings)
            seconds = report.seconds if settings.cluster is None else figures().seconds
            rates[name] = report.files / seconds
            lines.append(f"| {name} | {rates[name]:.2f} | {rates[name] / rates['one process']:.2f} |")
    return lines


def killed_part(files: int) -> list[str]:
    """A file that kills its worker, by Ray Data: what becomes of the others."""
    lines = [
        "| Ray Data: of a block of 4 files one kills its worker | workers | files done |",
        "|---|---|---|",
    ]
    for name, options in {
        "as it is, for 60 s": {},
        "`max_errored_blocks`, no tries": {"max_restarts": 0, "max_task_retries": 0},
    }.items():
        begin(2, 256 << 20)
        import ray
        import ray.data

        with tempfile.TemporaryDirectory() as folder:
            ray.data.DataContext.get_current().max_errored_blocks = -1 if options else 0
            done, said = _killed_by_ray_data(ray, files, Path(folder), options)
            begun = sum(1 for _ in Path(folder).glob("worker-*"))
            lines.append(f"| {name} | {begun} | {done} of {files}{said} |")
            ray.shutdown()
    return lines


def decoded(path: Path) -> NDArray[np.uint8]:
    """A photo at network size: uint8 (600, 800, 3)."""
    with Image.open(path) as photo:
        photo.draft("RGB", (800, 600))
        return np.asarray(photo.convert("RGB").resize((800, 600), Image.Resampling.BILINEAR))


class Network:
    """A worker that takes paths, and decodes them itself, or pictures."""

    def whole(self, paths: Sequence[Path]) -> float:
        return sum(float(decoded(path).mean()) for path in paths)

    def seen(self, picture: NDArray[np.uint8]) -> float:
        return float(picture.mean())


def pixels_part(files: int) -> list[str]:
    """Shards of files to a worker that decodes them, or pictures at network size through the object store."""
    begin(2, 256 << 20)
    lines = [
        f"{files:,} photos of 12 megapixels.",
        "",
        "| way | files/s | MiB a file between processes |",
        "|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(noise).resize((4000, 3000), Image.Resampling.BICUBIC).save(photo, quality=90)
        workers = [RAY.remote(Network).options(num_cpus=1).remote() for _ in range(2)]
        RAY.get([worker.whole.remote([photo]) for worker in workers])
        start = time.perf_counter()
        RAY.get([worker.whole.remote([photo] * (files // 2)) for worker in workers])
        rate = files / (time.perf_counter() - start)
        lines.append(f"| a shard of files in one place | {rate:.1f} | {len(pickle.dumps(photo)) / 2**20:.4f} |")
        for worker in workers:
            RAY.kill(worker)
        decode, worker = RAY.remote(decoded), RAY.remote(Network).options(num_cpus=0).remote()
        RAY.get(worker.seen.remote(decode.remote(photo)))
        start, under_way = time.perf_counter(), []
        for _ in range(files):
            under_way.append(worker.seen.remote(decode.remote(photo)))
            if len(under_way) >= 16:
                RAY.get(under_way.pop(0))
        RAY.get(under_way)
        rate = files / (time.perf_counter() - start)
        lines.append(f"| pictures through the object store | {rate:.1f} | {decoded(photo).nbytes / 2**20:.4f} |")
    return lines


class Killed:
    """A worker of Ray Data that one file kills."""

    def __init__(self, folder: Path) -> None:
        import os

        (folder / f"worker-{os.getpid()}").touch()
        self.folder = folder

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        import os

        if 5 in batch["item"].tolist():
            os._exit(1)
        for number in batch["item"].tolist():
            (self.folder / f"done-{number}").touch()
        return batch


def _killed_by_ray_data(ray: Any, files: int, folder: Path, options: dict[str, Any]) -> tuple[int, str]:
    import threading

    said = [", no end"]

    def run() -> None:
        try:
            ray.data.from_items(list(range(files)), override_num_blocks=files // 4).map_batches(
                Killed,
                fn_constructor_args=(folder,),
                batch_size=4,
                compute=ray.data.ActorPoolStrategy(min_size=1, max_size=2),
                **options,
            ).materialize()
            said[0] = ", no error"
        except Exception as error:
            said[0] = f", {type(error).__name__}"

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    return sum(1 for _ in folder.glob("done-*")), said[0]


def main() -> None:
    """Measure one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("sleep", "memory", "real", "pixels", "killed"), required=True)
    parser.add_argument("--files", type=int)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    parts: dict[str, tuple[str, int, Callable[[int], list[str]]]] = {
        "sleep": ("Workers that sleep", 160, lambda files: sleep_part(files, args.seconds, args.workers)),
        "memory": ("Memory", 20_000, memory_part),
        "real": ("The demo's models on two cores", 1_600, real_part),
        "pixels": ("Where pictures are decoded", 200, pixels_part),
        "killed": ("A file that kills its worker, by Ray Data", 12, killed_part),
    }
    title, files, measure = parts[args.part]
    lines = measure(args.files or files)
    print("\n".join(lines))
    sections = {title: [describe(["hoopoe", "ray", "torch"]), "", *lines]}
    publish(with_sections(RESULTS / OUTPUT, sections), OUTPUT, args.write)


def with_sections(path: Path, new: dict[str, list[str]]) -> list[str]:
    """The lines of a file of results with some sections exchanged or added."""
    text = path.read_text(encoding="utf-8") if path.exists() else HEAD
    head, *others = text.split("\n## ")
    sections = {each.partition("\n")[0]: each.partition("\n")[2].strip().split("\n") for each in others}
    lines = head.strip().split("\n")
    for title, section in {**sections, **new}.items():
        lines += ["", f"## {title}", "", *section]
    return lines


if __name__ == "__main__":
    main()
