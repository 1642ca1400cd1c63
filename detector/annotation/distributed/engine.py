"""The engines on a cluster, which take the place of those of one process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from detector.annotation.distributed.model_files import ModelFile, ModelFiles
from detector.annotation.distributed.shards import Item, Sharding
from detector.annotation.distributed.work import AnnotateShards, ClassifyShards, Places
from detector.annotation.facts import ItemRows, Rows, RowsOptions
from detector.annotation.listing.media_list import MediaList
from detector.annotation.local_crops import LocalClassification
from detector.annotation.options import SeeingOptions
from detector.annotation.report import Receipt, RunReport
from detector.annotation.request import Models, RunSettings
from detector.annotation.running import Job, run_store
from detector.annotation.values import BoxedItem, ClassifiedItem
from detector.base.files import write_bytes
from detector.cluster.dispatch import Done, ShardResult, dispatch
from detector.cluster.options import ClusterOptions, check_platform
from detector.cluster.work import Machines, Work
from detector.store.writer import FactsWriter
from detector.types import MediaItem, media_id


@dataclass(frozen=True, eq=False)
class ClusterAnnotation:
    """Media items in, out their receipts, or their rows where no writer takes their parts; an `Engine`.

    Attributes:
        models: The networks.
        settings: How it goes about it.
        shards: What workers do.
        writer: Takes the parts that they write.
        total: How many items there are.
        machines: Those that work.
    """

    models: Models
    settings: RunSettings
    shards: AnnotateShards
    writer: FactsWriter | None
    total: int
    machines: Machines = field(default_factory=lambda: Machines(0))

    @classmethod
    def of(
        cls,
        models: Models,
        seeing: SeeingOptions,
        settings: RunSettings,
        writer: FactsWriter,
        found: MediaList,
        total: int,
    ) -> ClusterAnnotation:
        """The engine of a run.

        Args:
            models: The networks, without the limits of `seeing`.
            seeing: What decides what is seen.
            settings: How it goes about it.
            writer: Takes the parts that workers write.
            found: What is on the cards.
            total: Files that are to be done.

        Raises:
            ConfigError: A model is in no file, or this is not Linux.
        """
        cluster = _cluster(settings)
        files = ModelFiles.of(models, cluster.device, cluster.precision)
        places = Places.of(writer, found.roots)
        return cls(models, settings, AnnotateShards(files, seeing, places, cluster.batch_size), writer, total)

    def __call__(self, items: Iterable[MediaItem]) -> Generator[Receipt | Rows | None]:
        options = RowsOptions(self.models.detector.categories)
        yield from _done_by_ray(
            self.shards,
            Sharding(items, self.total, self.shards.seeing.gates_bursts),
            _cluster(self.settings),
            self.machines,
            lambda item, why: ItemRows(item, options).done(why),
            self.writer,
        )

    def unsifted(self, frames: Mapping[str, tuple[int, ...]]) -> ClusterAnnotation:
        """The same engine, whose detector sees all of these frames of items, and only them; its rows come back."""
        shards = self.shards
        seeing = replace(shards.seeing, motion_gate=False, first_pass_threshold=None)
        files, places = replace(shards.files, first_pass=None), replace(shards.places, staging=None)
        shards = replace(shards, files=files, seeing=seeing, places=places, frames=frames)
        return replace(self, shards=shards, writer=None, total=len(frames))


def classify_on_cluster(
    engine: LocalClassification,
    job: Job[BoxedItem, Any],
    places: Places,
    options: RowsOptions,
    writer: FactsWriter | None,
) -> RunReport:
    """Have the items of a job with known boxes done on a cluster; see `run_store`.

    Args:
        engine: The one in this process, whose place it takes.
        job: Has the items, and takes receipts where there is a writer.
        places: What workers must see.
        options: What of an item becomes rows.
        writer: Takes the parts that workers write; None: what the classifier says comes back.

    Raises:
        ConfigError: The classifier is in no file, or this is not Linux.
    """
    settings, species, machines = engine.settings, engine.species, Machines(0)
    cluster = _cluster(settings)
    file = ModelFile.of("classifier", species.name, species.source, species.sha256)
    files = ModelFiles(None, file, None, cluster.device, cluster.precision)
    work = ClassifyShards(files, engine.categories, engine.classify_from, options, places, cluster.batch_size)

    def classified(items: Iterable[BoxedItem]) -> Generator[Receipt | ClassifiedItem | None]:
        def fail(boxed: BoxedItem, why: str) -> Receipt | ClassifiedItem:
            return ClassifiedItem(boxed, failure=why)

        yield from _done_by_ray(work, Sharding(items, job.total), cluster, machines, fail, writer)

    return run_store(classified, job, "classifying", settings.quiet, settings.forecast(machines))


def _done_by_ray(
    work: Work[Item, Done],
    sharding: Sharding[Item],
    cluster: ClusterOptions,
    machines: Machines,
    fail: Callable[[Item, str], Done],
    writer: FactsWriter | None,
) -> Generator[Done | None]:
    if sharding.over:  # a cluster takes seconds to begin
        return
    from detector.cluster.ray_pool import RayPool

    def adopt(result: ShardResult[Done]) -> None:
        if writer is not None and result.part is not None:
            if result.content:
                write_bytes(result.part, result.content)
            receipts = [done for done in result.done if isinstance(done, Receipt) and not done.gone]
            writer.adopt(result.part, [media_id(receipt.card, receipt.path) for receipt in receipts])

    with RayPool(work, cluster, machines) as pool:
        yield from dispatch(sharding, pool, adopt, fail)


def _cluster(settings: RunSettings) -> ClusterOptions:
    assert settings.cluster is not None
    check_platform()
    return settings.cluster
